// The start: everything in the spool is claimed again before the first client is heard, so that no id
// that is on its way can be accepted a second time.
import type { ClaimResult, Ledger } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import type { Loaded, Spool } from "../spool/spool.ts";
import type { QueuedTransmission, ToQueue } from "./dispatcher.ts";
import type { Doubts } from "./doubt.ts";
import type { Verdicts } from "./verdicts.ts";

export interface RecoveryParts {
  readonly spool: Spool;
  readonly ledger: Ledger;
  readonly toQueue: ToQueue;
  readonly enqueue: (queued: QueuedTransmission) => void;
  readonly doubts: Doubts;
  readonly verdicts: Verdicts;
  readonly log: Log;
}

/** Large enough that the ledger's reads overlap, small enough that memory does not matter. */
const BATCH = 500;

/** Resolves when every transmission of the spool is claimed and queued, held, or taken out. */
export async function recover({
  spool,
  ledger,
  toQueue,
  enqueue,
  doubts,
  verdicts,
  log,
}: RecoveryParts): Promise<void> {
  let recovered = 0;
  let doubtful = 0;
  let settled = 0;

  const admit = async ([key, transmission, hasContent]: Loaded, result: ClaimResult) => {
    if (result.kind === "repeat") {
      // Relayed, and the crash undid its removal; or an accept that was refused and is there all the same.
      settled += 1;
      await spool.remove(key);
      return;
    }
    if (transmission.awaited === true) verdicts.open(transmission.id);
    ledger.accepted([result.claim]);
    recovered += 1;
    const queued = toQueue(key, result.claim, transmission);
    // What is without its content is reported by its attempt, and needs no decision of anybody.
    if (result.kind === "claimed" || !hasContent) {
      enqueue(hasContent ? queued : { ...queued, dueAt: 0 });
      return;
    }
    doubtful += 1;
    await doubts.takeUp(queued, transmission, "unsettled when the gateway started", result.firstDate);
  };

  const claim = async (batch: readonly Loaded[]): Promise<void> => {
    const results = await ledger.claim(
      batch.map(([, { id, digest, since }]) => ({
        id,
        // Not a slice of a pool, which the claim would hold as a whole.
        digest: Uint8Array.from(Buffer.from(digest, "hex")),
        ...(since === undefined ? {} : { since }),
      })),
    );
    for (const [index, loaded] of batch.entries()) {
      await admit(loaded, results[index] as ClaimResult);
    }
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
    const { id } = spooled[1];
    // A batch holds no id twice; the second of two is then a repeat of the first.
    if (batch.length >= BATCH || ids.has(id)) await flush();
    batch.push(spooled);
    ids.add(id);
  }
  await flush();
  if (recovered + settled > 0) log.info("spool.recovered", { transmissions: recovered, doubtful, settled });
}
