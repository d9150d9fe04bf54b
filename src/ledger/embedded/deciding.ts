// An operator decides about an id of the embedded ledger: under its live claim, in turn with what an attempt does, or
// under a claim for as long as the decision takes.
import type { Id } from "../../identity/message-id.ts";
import type { Claims } from "../claims.ts";
import type { Decided, Decision } from "../ledger.ts";
import { DECISION_EVENTS, decidedBy, type IdEvent, PROTOCOL } from "../protocol.ts";
import type { Fences } from "./fences.ts";
import type { MarkedEntry, Marks } from "./marks.ts";

/** As in Ledger. */
export type Decide = (id: Id, decision: Decision) => Promise<Decided>;

export interface DecidingParts {
  readonly claims: Claims<MarkedEntry>;
  readonly marks: Marks;
  readonly fences: Fences;
  /** Records the id as relayed, durably, and ends the claim. */
  readonly relay: (entry: MarkedEntry) => Promise<void>;
}

export function createDecide({ claims, marks, fences, relay }: DecidingParts): Decide {
  async function decide(id: Id, decision: Decision): Promise<Decided> {
    const event = DECISION_EVENTS[decision];
    const held = claims.get(id);
    if (held === undefined) return await decideRemembered(id, event);
    const decided = await claims.inTurn(held, async () => {
      if (claims.get(id) !== held) return undefined;
      const pending = marks.get(id) === undefined ? "claimed" : "reclaimed";
      const next = decidedBy(PROTOCOL[held.isAccepted ? marks.stateOf(id) : pending][event]);
      if (next === "relayed") await relay(held);
      if (next === "queued") await marks.remove(held);
      return next;
    });
    // The claim has ended, and with it what would be decided; perhaps there is another one.
    return decided ?? (await decide(id, decision));
  }

  async function decideRemembered(id: Id, event: IdEvent): Promise<Decided> {
    const mark = marks.get(id);
    if (mark === undefined) return decidedBy(PROTOCOL.absent[event]);
    const entry = claims.begin({ id, digest: mark.digest }, fences.next());
    return await claims.inTurn(entry, async () => {
      try {
        const next = decidedBy(PROTOCOL.remembered[event]);
        if (next === "relayed") await relay(entry);
        else await marks.remove(entry);
        return next;
      } finally {
        claims.end(entry);
      }
    });
  }

  return decide;
}
