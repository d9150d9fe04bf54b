// An operator decides about an id of the embedded ledger: under its live claim, in turn with what an attempt does, or
// under a claim for as long as the decision takes.
import type { Id } from "../../identity/message-id.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Claims } from "../claims.ts";
import { type Decided, type Decision, DIGEST_OCTETS, type Ledger } from "../ledger.ts";
import {
  DECISION_EVENTS,
  decidedBy,
  forgottenBy,
  type IdEvent,
  type IdState,
  PROTOCOL,
} from "../protocol.ts";
import type { Fences } from "./fences.ts";
import type { Forgets } from "./forgets.ts";
import type { Generations } from "./generations.ts";
import type { MarkedEntry, Marks } from "./marks.ts";

export type Deciding = Pick<Ledger, "decide" | "forget">;

export interface DecidingParts {
  readonly claims: Claims<MarkedEntry>;
  readonly marks: Marks;
  readonly fences: Fences;
  readonly forgets: Forgets;
  readonly generations: Pick<Generations, "find">;
  readonly clock: Clock;
  /** Records the id as relayed, durably, and ends the claim. */
  readonly relay: (entry: MarkedEntry) => Promise<void>;
}

export function createDeciding(parts: DecidingParts): Deciding {
  const { claims, marks, fences, forgets, generations, clock, relay } = parts;

  /** Whether a mark is there tells a claim of an id in doubt from any other. */
  const stateOf = (held: MarkedEntry): IdState => {
    if (held.isAccepted) return marks.stateOf(held.id);
    return marks.get(held.id) === undefined ? "claimed" : "reclaimed";
  };

  async function decide(id: Id, decision: Decision): Promise<Decided> {
    const event = DECISION_EVENTS[decision];
    const held = claims.get(id);
    if (held === undefined) return await decideRemembered(id, event);
    const decided = await claims.inTurn(held, async () => {
      if (claims.get(id) !== held) return undefined;
      const next = decidedBy(PROTOCOL[stateOf(held)][event]);
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

  return {
    decide,
    async forget(id) {
      const held = claims.get(id);
      if (held !== undefined) return forgottenBy(PROTOCOL[stateOf(held)].forget);
      if (marks.get(id) !== undefined) return forgottenBy(PROTOCOL.remembered.forget);
      // A claim that comes meanwhile waits for this one.
      const entry = claims.begin({ id, digest: new Uint8Array(DIGEST_OCTETS) }, fences.next());
      try {
        const relayed = await generations.find(entry.key);
        if (relayed === undefined) return forgottenBy(PROTOCOL.absent.forget);
        if (forgets.of(id, relayed) === undefined) {
          await forgets.forget(id, { relayedAt: relayed.time, forgottenAt: clock.now() });
        }
        return forgottenBy(PROTOCOL.relayed.forget);
      } finally {
        claims.end(entry);
      }
    },
  };
}
