// What a claim does about a record that is there: repeats it, waits for it, or takes it over. Pure.
import type { Entry } from "../claims.ts";
import type { ClaimResult } from "../ledger.ts";
import type { LedgerRecord } from "./engine.ts";

/** Another gateway may hold it, with a claim that is not accepted yet. */
export interface Pending {
  readonly kind: "pending";
}

export interface Take {
  readonly kind: "take";
  readonly to: "claimed" | "reclaimed";
  readonly keepsRelayed: boolean;
  /** Given: it was relayed, which is forgotten; the claim counts what is relayed from then on. */
  readonly passed: number | undefined;
}

/** Another gateway holds it, or may: nobody who is not known to be dead is taken over. */
export const isHeldElsewhere = (
  { holder }: LedgerRecord,
  incarnation: number,
  tellsTheDead: boolean,
): boolean => holder !== undefined && holder.incarnation !== incarnation && (holder.alive || !tellsTheDead);

export function takeoverOf(
  { state, holder, relayed, expired, forgotten, digest, bound }: LedgerRecord,
  { since, isAgain }: Pick<Entry, "since" | "isAgain">,
  incarnation: number,
  tellsTheDead: boolean,
): Extract<ClaimResult, { kind: "repeat" }> | Pending | Take {
  const keepsRelayed = relayed !== undefined && !expired;
  const passed = keepsRelayed && forgotten && !isAgain ? relayed.at + 1 : undefined;
  const isRepeat = keepsRelayed && relayed.at >= since && passed === undefined;
  // What this incarnation holds without an entry is left from a call without an answer.
  const isOthers = holder !== undefined && holder.incarnation !== incarnation;
  const isHeld = isOthers && holder.alive;
  // What an older mailonce wrote does not say whether it is bound: it counts as awaited.
  const elsewhere = { kind: "repeat", standing: bound ? "underway" : "awaited", digest } as const;
  // It may be dead, so a repeat can't rely on it. It may be alive without a beat, so nothing is taken over.
  if (isOthers && !holder.alive && !tellsTheDead) return { kind: "pending" };
  switch (state) {
    case "claimed":
    case "queued":
    case "relayed":
      if (isHeld) return state === "claimed" ? { kind: "pending" } : elsewhere;
      if (isRepeat) return { kind: "repeat", standing: "relayed", digest: relayed.digest, at: relayed.at };
      return { kind: "take", to: "claimed", keepsRelayed, passed };
    case "reclaimed":
      if (isHeld) return { kind: "pending" };
      return { kind: "take", to: "reclaimed", keepsRelayed, passed };
    case "attempted":
    case "doubtful":
      if (isHeld) return elsewhere;
      return { kind: "take", to: "reclaimed", keepsRelayed, passed };
    case "remembered":
      return { kind: "take", to: "reclaimed", keepsRelayed, passed };
  }
}
