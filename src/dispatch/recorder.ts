// Records of what has happened already, which therefore must be made however long the disk is away.
import type { Claim, ClaimRequest, ClaimResult, Ledger, Settlement } from "../ledger/ledger.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { pass } from "../runtime/pass.ts";
import type { SpooledTransmission, SubmissionId, TransmissionKey } from "../spool/record.ts";
import type { Found, NewSubmission, Spool } from "../spool/spool.ts";
import type { QueuedTransmission } from "./queue.ts";

export interface Recorder {
  /**
   * Settles, trying again until it is recorded: until then the claim goes on, no repeat passes, and a crash
   * leaves the id doubtful. Rejects only when the signal aborts while the disk is away. "stale": another
   * gateway has taken the id over, and nothing is recorded.
   */
  settle(claim: Claim, settlement: Settlement, signal: AbortSignal): Promise<"settled" | "stale">;
  /**
   * Records as relayed what another gateway has taken over meanwhile, trying again as settle does: where that one has
   * given it up again, it is claimed for that.
   *
   * @returns "relayed": the other has recorded so; "another's": it has the mail, and nothing is recorded here
   */
  recordRelayed(
    transmission: SpooledTransmission,
    signal: AbortSignal,
  ): Promise<"settled" | "relayed" | "another's">;
  /**
   * Puts a notification, if there is one, in the place of the transmission, trying again as settle does:
   * whether a commit that failed took effect is not known, and only the same one, repeated, leaves no doubt.
   */
  replace(key: TransmissionKey, notice: NewSubmission | undefined, signal: AbortSignal): Promise<Found>;
  /** As `replace`, of several transmissions of one submission. */
  replaceAll(
    submission: SubmissionId,
    indexes: readonly number[],
    notice: NewSubmission | undefined,
    signal: AbortSignal,
  ): Promise<Found>;
  /** Notes durably what was decided about the transmission, trying again as settle does. */
  update(key: TransmissionKey, transmission: SpooledTransmission, signal: AbortSignal): Promise<Found>;
  /** Takes what the ledger knows as ended out of the spool, trying again as settle does. */
  remove(key: TransmissionKey, signal: AbortSignal): Promise<void>;
  /**
   * Notes in the spool what the ledger or a later attempt would show again. Never rejects: that it can't
   * be noted must not undo a decision that was taken, or a held transmission would be attempted.
   *
   * @returns "gone" when the transmission has left the spool meanwhile
   */
  note(queued: QueuedTransmission, transmission: SpooledTransmission): Promise<Found>;
}

/** How long to wait before the disk is asked again; a full disk is not emptied sooner. */
export const STORAGE_RETRY_MS = 1_000;

export interface RecorderParts {
  readonly ledger: Ledger;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly log: Log;
  /** The disk takes nothing: no attempt should begin, since its end could not be recorded either. */
  readonly pause: (reason: string) => void;
}

export function createRecorder({ ledger, spool, clock, log, pause }: RecorderParts): Recorder {
  const untilRecorded = async <T>(record: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    for (let failures = 1; ; failures++) {
      try {
        return await record();
      } catch (error) {
        if (failures === 1) log.error("dispatch.unrecorded", { error: String(error) });
        else log.debug("dispatch.unrecorded", { error: String(error), failures });
        if (signal.aborted) throw error;
        pause(String(error));
        await pass(STORAGE_RETRY_MS, signal, clock);
      }
    }
  };

  const settle: Recorder["settle"] = (claim, settlement, signal) =>
    untilRecorded(() => ledger.settle(claim, settlement), signal);

  const claimOne = async (request: ClaimRequest): Promise<ClaimResult> => {
    const [result] = await ledger.claim([request]);
    if (result === undefined) throw new Error("a claim without a result");
    return result;
  };

  return {
    settle,
    async recordRelayed(transmission, signal) {
      for (;;) {
        const result = await untilRecorded(() => claimOne(claimOf(transmission)), signal);
        if (result.kind === "repeat") return result.standing === "relayed" ? "relayed" : "another's";
        if ((await settle(result.claim, "relayed", signal)) === "settled") return "settled";
      }
    },
    async remove(key, signal) {
      await untilRecorded(() => spool.remove(key), signal);
    },
    replace: (key, notice, signal) => untilRecorded(() => spool.replace(key, notice), signal),
    replaceAll: (submission, indexes, notice, signal) =>
      untilRecorded(() => spool.replaceAll(submission, indexes, notice), signal),
    update: (key, transmission, signal) =>
      untilRecorded(() => spool.update(key, transmission, "durably"), signal),

    async note({ key }, transmission) {
      try {
        return await spool.update(key, transmission);
      } catch (error) {
        log.error("spool.unavailable", { error: String(error) });
        return "done";
      }
    },
  };
}

/** The claim that is made again of a transmission of the spool. */
export const claimOf = ({ id, digest, since }: SpooledTransmission): ClaimRequest => ({
  id,
  // Not a slice of a pool, which the claim would hold as a whole.
  digest: Uint8Array.from(Buffer.from(digest, "hex")),
  since,
  again: true,
});
