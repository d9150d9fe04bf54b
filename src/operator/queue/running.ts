// The queue of a gateway that runs, for its desk: what its lanes and holds say of each mail.
import type { Decisions } from "../../dispatch/decisions.ts";
import type { Dispatcher } from "../../dispatch/dispatcher.ts";
import type { DoubtfulPolicy, InDoubt } from "../../dispatch/doubt.ts";
import type { FindSpooled } from "../../dispatch/find-spooled.ts";
import type { Holds } from "../../dispatch/holds.ts";
import { laneName } from "../../dispatch/lane-facts.ts";
import type { Orders } from "../../dispatch/orders.ts";
import type { QueuedTransmission } from "../../dispatch/queue.ts";
import type { QueueState } from "../../dispatch/queue-state.ts";
import type { Routes } from "../../dispatch/routes.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Spool } from "../../spool/spool.ts";
import { createQueueDesk } from "./desk.ts";
import type { QueueCounts, QueueDesk, QueueGlance } from "./words.ts";

export interface RunningQueueParts {
  readonly spool: Spool;
  readonly dispatcher: Pick<Dispatcher, "find" | "visit" | "lanes">;
  readonly holds: Holds;
  readonly inDoubt: Pick<InDoubt, "has">;
  readonly findSpooled: FindSpooled;
  readonly decisions: Pick<Decisions, "isBusy">;
  readonly orders: Pick<Orders, "give">;
  readonly routes: Pick<Routes, "laneOf">;
  readonly policy: DoubtfulPolicy;
  readonly clock: Clock;
}

export function createRunningQueue(parts: RunningQueueParts): QueueDesk & QueueGlance {
  const { spool, dispatcher, holds, inDoubt, findSpooled, decisions, orders, routes, policy, clock } = parts;
  const names = dispatcher.lanes().map(laneName);
  const nameOf = (lane: number): string => names[lane] ?? names[0] ?? "";

  const tally = (): QueueCounts["groups"] => {
    const counts = names.map(
      (): Record<QueueState, number> => ({ due: 0, waiting: 0, underway: 0, held: 0 }),
    );
    const see = ({ lane }: QueuedTransmission, state: QueueState): void => {
      const ofLane = counts[lane] ?? counts[0];
      if (ofLane !== undefined) ofLane[state] += 1;
    };
    dispatcher.visit(see);
    for (const { queued } of holds.all()) see(queued, "held");
    return counts.flatMap((ofLane, lane) =>
      (Object.keys(ofLane) as QueueState[]).map((state) => ({
        ...{ upstream: nameOf(lane), state, count: ofLane[state] },
      })),
    );
  };

  return createQueueDesk({
    ...{ spool, tally, policy, clock },
    standingOf({ id, dueAt }) {
      if (holds.find(id) !== undefined) return { state: "held", dueAt };
      const found = dispatcher.find(id);
      // On its way between two of them: an attempt, policy or an order is at work on it.
      return found === undefined
        ? { state: "underway", dueAt }
        : { state: found.state, dueAt: found.queued.dueAt };
    },
    isDoubtful: (id) => inDoubt.has(id),
    // What an attempt, policy or an order is at work on may be in none of these places.
    find: (id) => findSpooled(id)?.key ?? (decisions.isBusy(id) ? undefined : "absent"),
    upstreamOf: ({ sender }) => nameOf(routes.laneOf(sender)),
    give: (_, id, order) => orders.give(id, order),
  });
}
