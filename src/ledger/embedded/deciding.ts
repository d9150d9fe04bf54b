// An operator or evidence decides about an id of the embedded ledger: under its live claim, in turn with what an attempt does, or
// under a claim for as long as the decision takes.
import type { Id } from "../../identity/message-id.ts";
import { decodeBase32 } from "../../runtime/base32.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Claims } from "../claims.ts";
import { isOfThisMail } from "../evidence-time.ts";
import { type Decided, DIGEST_OCTETS, type Ledger } from "../ledger.ts";
import {
  DECISION_EVENTS,
  decidedBy,
  forgottenBy,
  type IdEvent,
  type IdState,
  PROTOCOL,
  provedBy,
} from "../protocol.ts";
import type { Fences } from "./fences.ts";
import type { Forgets } from "./forgets.ts";
import type { Generations } from "./generations.ts";
import type { MarkedEntry, Marks } from "./marks.ts";

export type Deciding = Pick<Ledger, "decide" | "prove" | "forget">;

export interface DecidingParts {
  readonly claims: Claims<MarkedEntry>;
  readonly marks: Marks;
  readonly fences: Fences;
  readonly forgets: Forgets;
  readonly generations: Pick<Generations, "find">;
  readonly clock: Clock;
  readonly retentionMs: number;
  /** Records the id as relayed, durably, and ends the claim. */
  readonly relay: (entry: MarkedEntry) => Promise<void>;
}

export function createDeciding(parts: DecidingParts): Deciding {
  const { claims, marks, fences, forgets, generations, clock, retentionMs, relay } = parts;

  /** Whether a mark is there tells a claim of an id in doubt from any other. */
  const stateOf = (held: MarkedEntry): IdState => {
    if (held.isAccepted) return marks.stateOf(held.id);
    return marks.get(held.id) === undefined ? "claimed" : "reclaimed";
  };

  async function decide(id: Id, event: IdEvent): Promise<Decided> {
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
    return decided ?? (await decide(id, event));
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
    decide: (id, decision) => decide(id, DECISION_EVENTS[decision]),
    async prove(id, at) {
      const found = await generations.find(decodeBase32(id));
      // What was relayed at the time of the mark or later is this mail: a settlement that failed has taken effect.
      const isEarlier = found !== undefined && found.time < (marks.get(id)?.time ?? 0);
      const isOfThis = isOfThisMail(at, isEarlier ? found.time : undefined, clock.now() - retentionMs);
      return isOfThis ? provedBy(await decide(id, "evidence")) : "nothing";
    },
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
