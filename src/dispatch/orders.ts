// Carries out what an operator orders about mail of the queue, while the gateway runs. What is ordered about keeps its id
// busy meanwhile (decisions.ts), and no lane has it: so nothing attempts it, and no other order meets it.
import { setMaxListeners } from "node:events";
import type { Id } from "../identity/message-id.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Clock } from "../runtime/clock.ts";
import type { SpooledTransmission } from "../spool/record.ts";
import type { LostMail, Spool, SpooledMail } from "../spool/spool.ts";
import { StorageError } from "../storage/storage.ts";
import type { Decisions } from "./decisions.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { InDoubt } from "./doubt.ts";
import type { Entrance } from "./entrance.ts";
import type { Failures } from "./failures.ts";
import type { Holds } from "./holds.ts";
import {
  answerAtOnce,
  bounceReply,
  type NoteOrder,
  type Order,
  type Ordered,
  recordAfter,
  refused,
} from "./order.ts";
import type { QueuedTransmission } from "./queue.ts";
import type { Recorder } from "./recorder.ts";
import type { Reports } from "./reports.ts";
import type { Resolutions } from "./resolutions.ts";

export interface Orders {
  /**
   * Resolves when it is carried out, durably, or refused: however long the disk is away. Rejects when the gateway stops
   * before that, or the ledger can't be asked; it is as it was then, or as ordered.
   */
  give(id: Id, order: Order): Promise<Ordered>;
  /** Resolves when those under way have ended; gives up what the disk keeps waiting when the signal aborts. */
  drain(signal: AbortSignal): Promise<void>;
}

export interface OrderParts {
  readonly spool: Pick<Spool, "read">;
  readonly ledger: Pick<Ledger, "release">;
  readonly inDoubt: InDoubt;
  readonly holds: Holds;
  readonly decisions: Pick<Decisions, "isBusy" | "relayed">;
  readonly resolutions: Pick<Resolutions, "during">;
  readonly entrance: Pick<Entrance, "accepted">;
  readonly dispatcher: Pick<Dispatcher, "find" | "takeFound" | "tryNow" | "enqueue">;
  readonly recorder: Pick<Recorder, "update" | "replace">;
  readonly failures: Pick<Failures, "refuse">;
  readonly reports: Pick<Reports, "left">;
  readonly note: NoteOrder;
  readonly counters: Pick<Counters, "doubtfulResolved">;
  readonly clock: Clock;
}

type Mail = SpooledMail | LostMail;

export function createOrders(parts: OrderParts): Orders {
  const { spool, ledger, inDoubt, holds, decisions, resolutions, entrance, dispatcher } = parts;
  const { recorder, failures, reports, note, counters, clock } = parts;
  const closing = new AbortController();
  const { signal } = closing;
  // Each order under way may listen to it, so many listeners are no leak.
  setMaxListeners(0, signal);
  const running = new Set<Promise<unknown>>();

  /** Where nothing was changed it waits as before. */
  const putBack = (queued: QueuedTransmission): void => {
    if (holds.find(queued.claim.id) === undefined) dispatcher.enqueue(queued);
  };

  /** The order has failed on the way, and the spool knows how far it came. */
  const putBackAfter = async (queued: QueuedTransmission): Promise<void> => {
    const mail = await spool.read(queued.key).catch(() => undefined);
    // Its attempt releases the claim and has it reported.
    if (mail?.transmission.ended !== undefined) holds.delete(queued.claim.id);
    putBack(queued);
  };

  const retry = (queued: QueuedTransmission, again: SpooledTransmission, wasHeld: boolean): Ordered => {
    const { id, dueAt, acceptedAt } = again;
    if (inDoubt.has(id)) {
      inDoubt.set(id, { queued, transmission: again });
      // What was not held policy has decided before.
      if (wasHeld) counters.doubtfulResolved.add("operator");
    }
    holds.delete(id);
    dispatcher.enqueue({ ...queued, dueAt, acceptedAt, ...(wasHeld ? { expiresAt: undefined } : {}) });
    dispatcher.tryNow(queued.lane);
    return { ok: true, next: "due" };
  };

  const hold = (queued: QueuedTransmission, held: SpooledTransmission): Ordered => {
    if (inDoubt.has(held.id)) inDoubt.set(held.id, { queued, transmission: held });
    else holds.add(queued);
    return { ok: true, next: "held" };
  };

  const release = ({ key, claim }: QueuedTransmission, free: SpooledTransmission): Ordered => {
    holds.delete(free.id);
    const doubtful = inDoubt.has(free.id);
    entrance.accepted({ key, claim, transmission: free, doubtful });
    return { ok: true, next: doubtful ? "policy" : "due" };
  };

  const change = async (
    queued: QueuedTransmission,
    transmission: SpooledTransmission,
    order: Order,
    isDoubtful: boolean,
  ): Promise<Ordered> => {
    const after = recordAfter(order, transmission, isDoubtful, clock.now());
    if ((await recorder.update(queued.key, after, signal)) === "gone") return refused("absent");
    if (order.kind === "hold") return hold(queued, after);
    if (order.kind === "release") return release(queued, after);
    return retry(queued, after, transmission.held === true);
  };

  const bounce = async (queued: QueuedTransmission, mail: Mail, order: Order): Promise<Ordered> => {
    const { id } = mail.transmission;
    let isOurs = false;
    const announce = (): void => {
      isOurs = true;
      note(order, mail, false);
    };
    const wasHeld = mail.transmission.held === true;
    const result = await failures.refuse(queued, mail, bounceReply(order.reason ?? ""), announce, signal);
    holds.delete(id);
    // Another gateway had taken the id over, and has given it up again.
    const again = result.kind === "untried" ? result.again : undefined;
    if (again !== undefined && wasHeld) holds.add(again);
    if (again !== undefined && !wasHeld) dispatcher.enqueue(again);
    return isOurs ? { ok: true, next: "ended" } : refused("elsewhere");
  };

  /**
   * The claim goes first: with it, a copy of what is nowhere any more would be answered 250. A crash in between brings the
   * mail back; should it be submitted again by then, the start finds one of the two to be a repeat.
   */
  const remove = async ({ key, claim }: QueuedTransmission): Promise<Ordered> => {
    const { id } = claim;
    await ledger.release([claim]);
    inDoubt.delete(id);
    holds.delete(id);
    if ((await recorder.replace(key, undefined, signal)) === "gone") return refused("absent");
    reports.left(key, id);
    return { ok: true, next: "removed" };
  };

  const carryOut = async (queued: QueuedTransmission, order: Order): Promise<Ordered> => {
    const mail = await spool.read(queued.key);
    const isDoubtful = inDoubt.has(queued.claim.id);
    if (mail === undefined) {
      // Its attempt finds nothing in the spool, and releases the claim.
      holds.delete(queued.claim.id);
      dispatcher.enqueue(queued);
      return refused("absent");
    }
    const answer = answerAtOnce(order, mail.transmission, isDoubtful);
    if (answer !== undefined) {
      putBack(queued);
      return answer;
    }
    if (order.kind === "bounce") return await bounce(queued, mail, order);
    note(order, mail, isDoubtful);
    if (order.kind === "remove") return await remove(queued);
    return await change(queued, mail.transmission, order, isDoubtful);
  };

  const give = async (id: Id, order: Order): Promise<Ordered> => {
    const found = holds.find(id) ?? dispatcher.find(id);
    // Both would queue it where an operator decides at this moment that it was not relayed.
    if (decisions.isBusy(id) || decisions.relayed(id) !== undefined) return refused("busy");
    // In doubt, and neither held nor in a lane: policy has not come to its end.
    if (found === undefined) return refused(inDoubt.has(id) ? "busy" : "absent");
    const { queued } = found;
    if ("state" in found) {
      if (found.state === "underway") return refused("busy");
      dispatcher.takeFound(queued);
    }
    const { result, isOut } = await resolutions.during(queued, signal, async () => {
      try {
        return await carryOut(queued, order);
      } catch (error) {
        await putBackAfter(queued);
        throw error;
      }
    });
    // An operator has decided meanwhile that it was relayed.
    return isOut ? refused("absent") : result;
  };

  return {
    async give(id, order) {
      if (signal.aborted) throw new StorageError("unavailable", "the gateway is stopping");
      const work = give(id, order);
      const ended = work.then(
        () => {},
        () => {},
      );
      running.add(ended);
      void ended.then(() => running.delete(ended));
      return await work;
    },

    async drain(late) {
      const abort = (): void => closing.abort();
      late.addEventListener("abort", abort, { once: true });
      if (late.aborted) abort();
      await Promise.all(running);
      // What comes now would come too late.
      abort();
    },
  };
}
