// Carries out what an operator has decided about a doubtful id; the ledger knows of the decision already. Where work keeps
// the id busy (decisions.ts), a decision that it was relayed is carried out at the end of that work.
import type { Id } from "../identity/message-id.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { freed, holdOf } from "../spool/record.ts";
import type { Spool } from "../spool/spool.ts";
import type { Decisions } from "./decisions.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Doubtful, InDoubt } from "./doubt.ts";
import type { Holds } from "./holds.ts";
import type { QueuedTransmission } from "./queue.ts";
import { type Recorder, STORAGE_RETRY_MS } from "./recorder.ts";
import type { Reports } from "./reports.ts";
import type { Verdicts } from "./verdicts.ts";

export interface Resolutions {
  /**
   * Runs work on a transmission. What is decided as relayed meanwhile leaves the spool at its end.
   *
   * @param work see Decisions
   * @returns with `isOut` when it has left the spool for that
   */
  during<T>(
    queued: QueuedTransmission,
    signal: AbortSignal,
    work: (isCleared: boolean) => Promise<T>,
  ): Promise<{ readonly result: T; readonly isOut: boolean }>;
  /** It was decided that it was relayed: it leaves the spool, unless work does that at its end. Never rejects. */
  decidedRelayed(id: Id): Promise<void>;
  /** It was decided that it was not relayed: it is due, unless an operator holds it. Never rejects. */
  decidedNotRelayed(id: Id): Promise<void>;
  /** Its claim here has ended since another gateway took it over: what is held here asks what has become of it. */
  decidedElsewhere(id: Id): void;
}

export interface ResolutionParts {
  readonly inDoubt: InDoubt;
  readonly holds: Holds;
  readonly decisions: Decisions;
  readonly spool: Spool;
  readonly recorder: Recorder;
  readonly reports: Pick<Reports, "relayed">;
  readonly verdicts: Verdicts;
  readonly dispatcher: Pick<Dispatcher, "enqueue" | "find" | "takeFound">;
  readonly clock: Clock;
  readonly log: Log;
}

export function createResolutions(parts: ResolutionParts): Resolutions {
  const { inDoubt, holds, decisions, spool, recorder, reports, verdicts, dispatcher, clock, log } = parts;

  const left = ({ claim: { id }, key }: QueuedTransmission): void => {
    inDoubt.delete(id);
    holds.delete(id);
    // Its lane would count it until its time has come, and for as long as a pause lasts.
    const found = dispatcher.find(id);
    const isIt = found?.queued.key.submission === key.submission && found.queued.key.index === key.index;
    if (isIt && found.state !== "underway") dispatcher.takeFound(found.queued);
    verdicts.give(id, { kind: "relayed" });
  };

  /**
   * Attempts it no sooner than the spool knows, durably: a start that finds an attempt of what is held would take the
   * doubt for the one that was announced. Never rejects.
   */
  const free = async ({ queued, transmission }: Doubtful): Promise<void> => {
    const now = clock.now();
    try {
      await spool.update(queued.key, freed(transmission, now), "durably");
      dispatcher.enqueue({ ...queued, dueAt: now, acceptedAt: now, expiresAt: undefined });
    } catch (error) {
      log.error("spool.unavailable", { error: String(error) });
      clock.after(STORAGE_RETRY_MS, () => void free({ queued, transmission }));
    }
  };

  /** It is remembered: an attempt of it may have failed since, which is no failure of the mail. Never rejects. */
  const unreported = async (id: Id): Promise<void> => {
    try {
      await reports.relayed(id);
    } catch (error) {
      const what = `the failure of ${id} is reported, though it was relayed, since it can't be taken out`;
      log.error("spool.unavailable", { error: `${what}: ${error}` });
    }
  };

  return {
    during: (queued, signal, work) =>
      decisions.during(queued.claim.id, async (isCleared) => {
        const { id } = queued.claim;
        const result = await work(isCleared);
        const isRelayed = decisions.relayed(id);
        if (isRelayed === undefined || !(await isRelayed)) return { result, isOut: false };
        try {
          await recorder.remove(queued.key, signal);
        } catch {
          // The process stops while the disk is away; the next start finds that it is relayed.
          return { result, isOut: false };
        }
        left(queued);
        return { result, isOut: true };
      }),

    async decidedRelayed(id) {
      const found = inDoubt.get(id);
      if (found === undefined) return await unreported(id);
      if (decisions.isBusy(id)) return;
      try {
        await spool.remove(found.queued.key);
        left(found.queued);
      } catch (error) {
        // Its next attempt finds what was decided, and takes it out.
        log.error("spool.unavailable", { error: String(error) });
        if (found.transmission.held === true) dispatcher.enqueue({ ...found.queued, dueAt: clock.now() });
      }
    },

    async decidedNotRelayed(id) {
      const found = inDoubt.get(id);
      if (found === undefined) return;
      inDoubt.delete(id);
      // What is not held waits in the queue, and is there once only.
      const hold = holdOf(found.transmission);
      if (hold === "doubt") await free(found);
      if (hold === "operator") holds.add(found.queued);
    },

    decidedElsewhere(id) {
      const found = inDoubt.get(id);
      // What is not held waits in its lane, and its attempt asks.
      if (found === undefined || found.transmission.held !== true || decisions.isBusy(id)) return;
      // The id may be claimed for another submission meanwhile, which then is what is in doubt.
      inDoubt.delete(id);
      dispatcher.enqueue({ ...found.queued, dueAt: clock.now() });
    },
  };
}
