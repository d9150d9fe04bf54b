// What this gateway may hold in the engine without a claim of its own: from calls that were not answered.
// It is given up in the background until the engine has said so; otherwise such an id would be pending for
// every gateway as long as this one lives.
import type { Id } from "../../identity/message-id.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Calls } from "./calls.ts";
import { type Change, LAST_STEP, type LedgerRecord } from "./engine.ts";

/** Between two tries; an engine that is away is not back sooner. */
const RETRY_MS = 500;

/** Some 5 MB. Beyond it no claim is asked for, so that an engine that is away for long does not fill the memory. */
export const LEAVINGS_MAX = 20_000;

export interface Leavings {
  readonly size: number;
  /** No other claim may be asked for now, since it could not be remembered if it were not answered. */
  isFull(): boolean;
  /** A claim was not answered: whatever this incarnation holds of the id is given up. */
  lookFor(id: Id, key: Uint8Array): void;
  /** A claim of the id begins: what has been read of it until now may become that claim's. */
  begun(id: Id): void;
  /** A release was not answered, or a relaying under no other claim: it is made again. */
  change(id: Id, change: Change): void;
  /** Never rejects. */
  stop(): Promise<void>;
}

export interface LeavingsOptions {
  readonly calls: Calls;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly elapsed: () => number;
  /** See Engine. */
  readonly callMaxMs: number;
  /** A claim of the id is live or being made: it finds for itself what is there. */
  readonly isClaimed: (id: Id) => boolean;
}

interface Leaving {
  readonly key: Uint8Array;
  readonly change: Change | undefined;
  /** Until then a claim that was not answered may still take effect. */
  readonly until: number;
  /** A claim has begun since it was asked for, and may have ended again. */
  isStale: boolean;
}

export function createLeavings(options: LeavingsOptions): Leavings {
  const { calls, incarnation, clock, elapsed, callMaxMs, isClaimed } = options;
  const leavings = new Map<Id, Leaving>();
  let timer: Timer | undefined;
  let cleaning: Promise<void> | undefined;
  let isStopped = false;

  async function giveUp(id: Id, leaving: Leaving): Promise<void> {
    const { key, change, until } = leaving;
    const isLast = elapsed() >= until;
    let isSeen = true;
    if (change !== undefined) await calls.change.ask({ ...change });
    else if (!isClaimed(id)) {
      leaving.isStale = false;
      const record = await calls.read.ask(key);
      // Not a claim's that began meanwhile: this one's last step would undo whatever has become of it.
      isSeen = !leaving.isStale;
      const mine = record?.holder?.incarnation === incarnation && isSeen;
      if (record !== undefined && mine) await calls.change.ask(releaseOf(key, record));
    }
    if (leavings.get(id) !== leaving) return;
    // A claim of before may still reach the engine, and find the id free by now.
    if (change !== undefined && !isLast) leavings.set(id, { ...leaving, change: undefined, isStale: false });
    else if (change !== undefined || (isLast && isSeen)) leavings.delete(id);
  }

  async function clean(): Promise<void> {
    await Promise.allSettled([...leavings].map(([id, leaving]) => giveUp(id, leaving)));
    cleaning = undefined;
    if (leavings.size > 0 && !isStopped) timer = clock.after(RETRY_MS, start);
  }

  function start(): void {
    timer?.cancel();
    timer = undefined;
    cleaning ??= clean();
  }

  function add(id: Id, leaving: Leaving): void {
    leavings.set(id, leaving);
    // In a turn of its own, when the rest of the batch has come in.
    if (timer === undefined && cleaning === undefined) timer = clock.after(0, start);
  }

  return {
    get size() {
      return leavings.size;
    },
    isFull: () => leavings.size >= LEAVINGS_MAX,
    lookFor: (id, key) => add(id, { key, change: undefined, until: elapsed() + callMaxMs, isStale: false }),
    begun(id) {
      const leaving = leavings.get(id);
      if (leaving !== undefined) leaving.isStale = true;
    },
    change(id, change) {
      const until = leavings.get(id)?.until ?? Number.NEGATIVE_INFINITY;
      add(id, { key: change.key, change, until, isStale: false });
    },
    async stop() {
      isStopped = true;
      timer?.cancel();
      if (leavings.size > 0) cleaning ??= clean();
      await cleaning;
    },
  };
}

/** Nothing was attempted under what is found in doubt here: the doubt is an earlier one, and stays. */
function releaseOf(key: Uint8Array, { state, fence, digest, firstDate, relayed }: LedgerRecord): Change {
  const change = { key, fence, step: LAST_STEP, digest, firstDate, bound: false };
  if (state !== "claimed" && state !== "queued") return { ...change, to: "remembered" };
  return { ...change, to: relayed === undefined ? "absent" : "restored" };
}
