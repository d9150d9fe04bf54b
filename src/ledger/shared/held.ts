// What the shared ledger knows of its live claims, and how it writes it down.
import type { Entry } from "../claims.ts";
import { type IdEvent, type IdState, PROTOCOL } from "../protocol.ts";
import type { Calls } from "./calls.ts";
import type { Change, RecordState, Taking } from "./engine.ts";

/** Of a live claim, beside its entry. */
export interface Holding {
  /** In the engine. The entry's own, which callers know, stays when the id is claimed again after a lapse. */
  engineFence: number;
  /** Of its last change. */
  step: number;
  doubt: "attempted" | "doubtful" | "reattempted" | undefined;
  /** While it is in doubt. */
  firstDate: string | undefined;
  /** While it is in doubt and not accepted again: of the mail that is doubtful. */
  doubtDigest: Uint8Array | undefined;
  /** When an earlier mail was relayed that `since` let pass. */
  earlier: number | undefined;
  /** What the engine has confirmed last. */
  written: RecordState | undefined;
  /** Changes that are under way. */
  writing: number;
  /** A decision that it was relayed failed on its way, and may have taken effect all the same. */
  mayBeRelayed: boolean;
  /** So did one that it was not relayed. */
  mayBeCleared: boolean;
}

/** A live claim of the shared ledger. */
export type Held = Entry & Holding;

export const unheld = (): Holding => ({
  engineFence: 0,
  step: 0,
  doubt: undefined,
  firstDate: undefined,
  doubtDigest: undefined,
  earlier: undefined,
  written: undefined,
  writing: 0,
  mayBeRelayed: false,
  mayBeCleared: false,
});

/** The entry holds what was inserted or taken. */
export function hold(entry: Held, fence: number, taken?: Taking): void {
  entry.engineFence = fence;
  if (entry.fence === 0) entry.fence = fence;
  entry.step = 0;
  entry.written = taken?.to ?? "claimed";
  entry.earlier = taken?.relayed?.at;
  entry.doubt = taken?.to === "reclaimed" ? "doubtful" : undefined;
  entry.firstDate = entry.doubt === undefined ? undefined : taken?.firstDate;
  entry.doubtDigest = entry.doubt === undefined ? undefined : taken?.digest;
}

/** Whether it is accepted is another matter: here it changes what is written and no transition. */
export const stateOf = (entry: Held): IdState => entry.doubt ?? "queued";

/** It is durable in the spool, and other gateways can't know yet. */
export const isUnannounced = ({ isAccepted, written }: Held): boolean =>
  isAccepted && (written === "claimed" || written === "reclaimed");

export interface Writer {
  /** What the event makes of the claim, durably; false when the claim has been lost to another gateway. */
  move(entry: Held, event: IdEvent, firstDate: string): Promise<boolean>;
  /** Writes that it is accepted. Never while another change is under way, which may imply it. */
  noteAccepted(entry: Held): Promise<boolean>;
  /** The change that makes it relayed. */
  relaying(entry: Held): Change;
  /** The change that gives the claim up. */
  releasing(entry: Held): Change;
}

export function createWriter(calls: Calls): Writer {
  const changeOf = (
    entry: Held,
    to: Change["to"],
    firstDate: string | undefined,
    digest = entry.digest,
  ): Change => ({
    ...{ key: entry.key, fence: entry.engineFence, step: ++entry.step, to, digest, firstDate },
    bound: entry.isAccepted && !entry.isAwaited,
  });

  async function write(entry: Held, change: Change): Promise<boolean> {
    entry.writing++;
    try {
      const isChanged = await calls.change.ask(change);
      if (isChanged) entry.written = isState(change.to) ? change.to : undefined;
      return isChanged;
    } finally {
      entry.writing--;
    }
  }

  return {
    async move(entry, event, firstDate) {
      const next = PROTOCOL[stateOf(entry)][event];
      if (next === "relayed") return await write(entry, changeOf(entry, "relayed", undefined));
      const doubt = next === "attempted" || next === "reattempted" || next === "doubtful" ? next : undefined;
      const date = doubt === undefined ? undefined : (entry.firstDate ?? firstDate);
      const isNoted = await write(entry, changeOf(entry, recordState(entry, doubt, next), date));
      if (!isNoted) return false;
      entry.doubt = doubt;
      entry.firstDate = date;
      entry.doubtDigest = undefined;
      return true;
    },
    async noteAccepted(entry) {
      const to = entry.doubt === undefined ? "queued" : "doubtful";
      const isNoted = await write(entry, changeOf(entry, to, entry.firstDate));
      if (isNoted) entry.doubtDigest = undefined;
      return isNoted;
    },
    relaying: (entry) => changeOf(entry, "relayed", undefined),
    releasing(entry) {
      if (entry.doubt === undefined) {
        return changeOf(entry, entry.earlier === undefined ? "absent" : "restored", undefined);
      }
      return changeOf(entry, "remembered", entry.firstDate, entry.doubtDigest);
    },
  };
}

const isState = (to: Change["to"]): to is RecordState =>
  to !== "restored" && to !== "forgotten" && to !== "absent";

/** How a live claim is kept. Others take what is attempted for accepted: only the spool is attempted. */
function recordState(entry: Held, doubt: Held["doubt"], next: unknown): RecordState {
  if (doubt === "attempted") return "attempted";
  if (doubt === undefined) return entry.isAccepted ? "queued" : "claimed";
  return entry.isAccepted || next === "reattempted" ? "doubtful" : "reclaimed";
}
