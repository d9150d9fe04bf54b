// What the gateways of a shared ledger know to be in doubt: the engine's records, and decisions of this gateway that
// were not answered.
import type { Id } from "../../identity/message-id.ts";
import { encodeBase32 } from "../../runtime/base32.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Claims } from "../claims.ts";
import type { Doubt } from "../ledger.ts";
import { type Engine, isInDoubt, type LedgerRecord } from "./engine.ts";
import type { Held } from "./held.ts";

export interface Doubts {
  /** See Ledger. */
  all(): Promise<Doubt[]>;
}

export interface DoubtsParts {
  readonly engine: Engine;
  readonly claims: Claims<Held>;
  readonly incarnation: number;
  readonly clock: Clock;
}

export function createDoubts({ engine, claims, incarnation, clock }: DoubtsParts): Doubts {
  function doubtOf(id: Id, record: LedgerRecord): Doubt | undefined {
    const { state, firstDate = "", digest, changedAt, holder } = record;
    const isOurs = holder?.incarnation === incarnation;
    const claimed = isOurs ? claims.get(id) !== undefined : holder?.alive === true;
    if (!isInDoubt(state) || (state === "attempted" && claimed)) return undefined;
    return { id, firstDate, digest, changedAt, claimed };
  }

  /** A decision without an answer has taken effect, and nothing has followed from it: it is decided once more. */
  function undecided({ id, doubt, digest, ...held }: Held): Doubt | undefined {
    if (doubt !== "doubtful" || (!held.mayBeRelayed && !held.mayBeCleared)) return undefined;
    return { id, firstDate: held.firstDate ?? "", digest, changedAt: clock.now(), claimed: true };
  }

  return {
    async all() {
      const doubts = new Map<Id, Doubt>();
      for await (const { key, record } of engine.open()) {
        const id = encodeBase32(key);
        const doubt = doubtOf(id, record);
        if (doubt !== undefined) doubts.set(id, doubt);
      }
      for (const held of claims.all()) {
        const doubt = doubts.has(held.id) ? undefined : undecided(held);
        if (doubt !== undefined) doubts.set(held.id, doubt);
      }
      return [...doubts.values()].sort((a, b) => a.changedAt - b.changedAt);
    },
  };
}
