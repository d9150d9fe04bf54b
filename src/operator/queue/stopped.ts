// The queue of a gateway that does not run, for its desk: what is ordered is in its spool, where the next start finds it.
import type { Config } from "../../config/config.ts";
import { routesOf } from "../../config/routes.ts";
import { laneNameOf } from "../../dispatch/lane-facts.ts";
import {
  answerAtOnce,
  bounceReply,
  createOrderNotes,
  type Order,
  type Ordered,
  recordAfter,
  refused,
} from "../../dispatch/order.ts";
import { PROBE_MAX_MS } from "../../dispatch/pause.ts";
import { isDue } from "../../dispatch/queue-state.ts";
import { createRouting } from "../../dispatch/routes.ts";
import type { Id } from "../../identity/message-id.ts";
import type { LedgerWorld } from "../../ledger/open.ts";
import { type TransmissionKey, unheld } from "../../spool/record.ts";
import type { Stopped } from "../stopped.ts";
import { createQueueDesk } from "./desk.ts";
import type { QueueDesk } from "./words.ts";

export async function stoppedQueue(
  config: Config,
  { clock, log }: LedgerWorld,
  { ledger, spool, history }: Stopped,
): Promise<QueueDesk> {
  const keys = new Map<Id, TransmissionKey>();
  for await (const [key, { id }] of spool.load()) keys.set(id, key);
  const doubtful = new Set((await ledger.doubts()).map(({ id }) => id));
  const { lists, laneOf } = createRouting(routesOf(config));
  const note = createOrderNotes({ log, history, addresses: config.log.addresses });
  const longestMs = Math.max(config.spool.retry_max, PROBE_MAX_MS);

  const give = async (key: TransmissionKey, id: Id, order: Order): Promise<Ordered> => {
    const mail = await spool.read(key);
    if (mail === undefined) return refused("absent");
    const { transmission } = mail;
    const isDoubtful = doubtful.has(id);
    const answer = answerAtOnce(order, transmission, isDoubtful);
    if (answer !== undefined) return answer;
    note(order, mail, isDoubtful);
    const now = clock.now();
    switch (order.kind) {
      case "remove":
        if ((await spool.replace(key, undefined)) === "gone") return refused("absent");
        return { ok: true, next: "removed" };
      case "bounce": {
        // The next start has it reported, and takes it out.
        const ended = { reason: "refused", reply: bounceReply(order.reason ?? ""), at: now } as const;
        const found = await spool.update(key, { ...unheld(transmission), ended }, "durably");
        return found === "gone" ? refused("absent") : { ok: true, next: "ended" };
      }
      default: {
        const after = recordAfter(order, transmission, isDoubtful, now);
        if ((await spool.update(key, after, "durably")) === "gone") return refused("absent");
        if (order.kind === "hold") return { ok: true, next: "held" };
        return { ok: true, next: isDoubtful && order.kind === "release" ? "policy" : "due" };
      }
    }
  };

  return createQueueDesk({
    ...{ spool, give, policy: config.ledger.doubtful, clock },
    standingOf(transmission) {
      const { dueAt } = transmission;
      if (transmission.held === true) return { state: "held", dueAt };
      return { state: isDue(transmission, clock.now(), longestMs) ? "due" : "waiting", dueAt };
    },
    isDoubtful: (id) => doubtful.has(id),
    find: (id) => keys.get(id) ?? "absent",
    upstreamOf: ({ sender }) => laneNameOf(lists[laneOf(sender)] ?? []),
  });
}
