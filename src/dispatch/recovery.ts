// The start: everything in the spool is claimed again before the first client is served, so that no id
// that is on its way can be accepted a second time.
import { type ClaimResult, type Ledger, noClaim } from "../ledger/ledger.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { freed, holdOf, type SpooledTransmission } from "../spool/record.ts";
import type { Loaded, Spool } from "../spool/spool.ts";
import type { Entrance } from "./entrance.ts";
import type { Holds } from "./holds.ts";
import type { QueuedTransmission, ToQueue } from "./queue.ts";
import { claimOf } from "./recorder.ts";
import type { Reports } from "./reports.ts";
import type { Verdicts } from "./verdicts.ts";

export interface RecoveryParts {
  readonly spool: Spool;
  readonly ledger: Ledger;
  readonly toQueue: ToQueue;
  readonly enqueue: (queued: QueuedTransmission) => void;
  readonly entrance: Pick<Entrance, "doubtful">;
  readonly verdicts: Verdicts;
  readonly holds: Pick<Holds, "add">;
  readonly reports: Pick<Reports, "ended">;
  readonly clock: Clock;
  readonly log: Log;
}

/** Large enough that the ledger's reads overlap, small enough that memory does not matter. */
const BATCH = 500;

export interface RecoveryOptions {
  /**
   * Clients of this gateway get 250 before the verdict. What an earlier start left awaited, whose clients have lost
   * their connections, is bound then: a copy of it gets 250 too.
   */
  readonly binds: boolean;
  /** After which a doubt without a claim expires, milliseconds. */
  readonly retentionMs: number;
}

/** Resolves when every transmission of the spool is claimed and queued, held, or taken out. */
export async function recover(parts: RecoveryParts, { binds, retentionMs }: RecoveryOptions): Promise<void> {
  const { spool, ledger, toQueue, enqueue, entrance, verdicts, holds, reports, clock, log } = parts;
  let recovered = 0;
  let doubtful = 0;
  let settled = 0;

  const admit = async ([key, transmission, hasContent]: Loaded, result: ClaimResult) => {
    if (result.kind === "repeat") {
      if (result.standing === "awaited" && transmission.awaited !== true) {
        // Another gateway's client gets the verdict, and this one's has 250: it may not be left to
        // the other. Whether it still has to be relayed is known when that one's verdict is.
        recovered += 1;
        const queued = toQueue(key, noClaim(transmission.id), transmission);
        if (holdOf(transmission) === "operator") holds.add(queued);
        else enqueue(queued);
        return;
      }
      // Relayed, and the crash undid its removal; or an accept that was refused and is there all the same.
      settled += 1;
      await spool.remove(key);
      return;
    }
    const isAwaited = transmission.awaited === true;
    if (isAwaited) verdicts.open(transmission.id);
    ledger.accepted([result.claim], isAwaited);
    recovered += 1;
    const queued = toQueue(key, result.claim, transmission);
    // What is without its content is reported by its attempt, and needs no decision of anybody.
    if (!hasContent) {
      enqueue({ ...queued, dueAt: 0 });
      return;
    }
    if (result.kind === "claimed") {
      if (transmission.held === true) holds.add(queued);
      else enqueue(queued);
      return;
    }
    doubtful += 1;
    const { firstDate, changedAt: since } = result;
    const cause = "unsettled when the gateway started";
    await entrance.doubtful(queued, transmission, { cause, firstDate, since });
  };

  /** What of the transmission this start changes, if anything. */
  const changed = (transmission: SpooledTransmission, result: ClaimResult): SpooledTransmission => {
    const { awaited, ...bound } = transmission;
    const now = clock.now();
    // An operator has decided that it was not relayed, and the process ended before the spool knew. Held for longer
    // than the retention, its doubt may have expired instead: that was decided by nobody, and it waits for an operator.
    const isFree = result.kind === "claimed" && now - transmission.acceptedAt < retentionMs;
    const after = binds && awaited === true ? bound : transmission;
    return holdOf(after) === "doubt" && isFree ? freed(after, now) : after;
  };

  /** Durably, before any client can get 250 for it, and before it is attempted. */
  const prepare = async (loaded: Loaded, result: ClaimResult): Promise<Loaded> => {
    const [key, transmission, hasContent] = loaded;
    if (result.kind === "repeat") return loaded;
    const after = changed(transmission, result);
    if (after === transmission) return loaded;
    await spool.update(key, after, "durably");
    return [key, after, hasContent];
  };

  const claim = async (batch: readonly Loaded[]): Promise<void> => {
    const results = await ledger.claim(batch.map(([, transmission]) => claimOf(transmission)));
    const prepared = await Promise.all(
      batch.map((loaded, index) => prepare(loaded, results[index] as ClaimResult)),
    );
    for (const [index, loaded] of prepared.entries()) await admit(loaded, results[index] as ClaimResult);
  };

  let batch: Loaded[] = [];
  const ids = new Set<string>();
  const flush = async (): Promise<void> => {
    const full = batch;
    batch = [];
    ids.clear();
    if (full.length > 0) await claim(full);
  };
  for await (const spooled of spool.load()) {
    const [key, transmission] = spooled;
    const { id, ended } = transmission;
    if (ended !== undefined) {
      // It has no claim, and only waits for its report.
      reports.ended(key, { ...transmission, ended });
      continue;
    }
    // A batch holds no id twice; the second of two is then a repeat of the first.
    if (batch.length >= BATCH || ids.has(id)) await flush();
    batch.push(spooled);
    ids.add(id);
  }
  await flush();
  if (recovered + settled > 0) log.info("spool.recovered", { transmissions: recovered, doubtful, settled });
}
