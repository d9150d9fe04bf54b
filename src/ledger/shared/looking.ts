// What a shared ledger knows of one id: its record, and what this gateway holds of it.
import type { Id } from "../../identity/message-id.ts";
import { decodeBase32 } from "../../runtime/base32.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Claims } from "../claims.ts";
import type { Looked } from "../ledger.ts";
import type { Calls } from "./calls.ts";
import { isInDoubt, type LedgerRecord } from "./engine.ts";
import type { Held } from "./held.ts";
import { isHeldElsewhere } from "./takeover.ts";

export interface LookingParts {
  readonly calls: Calls;
  readonly claims: Claims<Held>;
  readonly incarnation: number;
  /** Ids attempted or doubtful, as far as this gateway knows. */
  readonly open: Set<Id>;
  /** See Heartbeat. */
  readonly tellsTheDead: () => boolean;
  readonly clock: Clock;
}

/** As in Ledger. */
export function createLook({ calls, claims, incarnation, open, tellsTheDead, clock }: LookingParts) {
  return async (id: Id): Promise<Looked> => {
    const record = await calls.read.ask(decodeBase32(id));
    const held = claims.get(id);
    // A claim that is being made has no record yet. Any other without one is lost.
    if (record === undefined) return held?.fence === 0 ? ours(held, clock.now()) : { state: "absent" };
    const { holder, changedAt, state } = record;
    // A decision without an answer has taken effect, and nothing has followed from it: it is decided once more.
    if (held?.doubt === "doubtful" && held.mayBeRelayed && holder === undefined) {
      return { ...ours(held, changedAt), ...(state === "relayed" ? { isSettled: true } : {}) };
    }
    if (held !== undefined && holder?.incarnation === incarnation) return ours(held, changedAt);
    // Another gateway may have settled it.
    if (state === "relayed") open.delete(id);
    return isHeldElsewhere(record, incarnation, tellsTheDead()) ? theirs(record) : nobodys(record);
  };
}

function ours(held: Held, changedAt: number): Looked {
  const { doubt, isAccepted, firstDate = "", digest } = held;
  if (doubt === undefined) return { state: isAccepted ? "queued" : "claimed", holder: "here" };
  const state = doubt === "doubtful" && !isAccepted ? "reclaimed" : doubt;
  return { state, firstDate, changedAt, digest: held.doubtDigest ?? digest, holder: "here" };
}

function theirs({ state, firstDate = "", changedAt, digest, holder }: LedgerRecord): Looked {
  const other = { holder: "elsewhere", ...named(holder?.gateway) } as const;
  switch (state) {
    case "claimed":
    case "queued":
      return { state, ...other };
    case "relayed":
      throw new Error("what is relayed has no holder");
    default:
      return { state, firstDate, changedAt, digest, ...other };
  }
}

/** Held by nobody, or by a gateway that is dead. */
function nobodys(record: LedgerRecord): Looked {
  const { state, firstDate = "", changedAt, digest, holder, relayed, expired, forgotten, fence } = record;
  const before = named(holder?.gateway);
  if (isInDoubt(state)) {
    return { state: "remembered", firstDate, changedAt, digest, holder: "nobody", ...before };
  }
  if (relayed === undefined || expired) {
    return holder === undefined ? { state: "absent" } : { state: "absent", left: { changedAt, ...before } };
  }
  const { at } = relayed;
  if (!forgotten) return { state: "relayed", at, digest: relayed.digest, fence };
  return { state: "forgotten", at, forgottenAt: changedAt, digest: relayed.digest };
}

const named = (gateway: string | undefined) => (gateway === undefined ? {} : { gateway });
