// What the embedded ledger knows of one id.
import type { Id } from "../../identity/message-id.ts";
import { decodeBase32 } from "../../runtime/base32.ts";
import type { Claims } from "../claims.ts";
import type { Looked } from "../ledger.ts";
import type { Forgets } from "./forgets.ts";
import type { Generations } from "./generations.ts";
import type { MarkedEntry, Marks } from "./marks.ts";

export interface LookingParts {
  readonly claims: Claims<MarkedEntry>;
  readonly marks: Marks;
  readonly forgets: Forgets;
  readonly generations: Pick<Generations, "maybe" | "find">;
}

/** As in Ledger. */
export function createLook({ claims, marks, forgets, generations }: LookingParts) {
  return async (id: Id): Promise<Looked> => {
    const entry = claims.get(id);
    const mark = marks.get(id);
    if (mark !== undefined) {
      const { state: marked, firstDate, digest, time: changedAt } = mark;
      const holder = entry === undefined ? "nobody" : "here";
      const isPending = entry?.isAccepted === false && marked === "doubtful";
      const state = entry === undefined ? "remembered" : isPending ? "reclaimed" : marked;
      return { state, firstDate, changedAt, digest, holder };
    }
    if (entry !== undefined) return { state: entry.isAccepted ? "queued" : "claimed", holder: "here" };
    const key = decodeBase32(id);
    const relayed = generations.maybe(key) ? await generations.find(key) : undefined;
    if (relayed === undefined) return { state: "absent" };
    const { time: at, digest } = relayed;
    const forgotten = forgets.of(id, relayed);
    if (forgotten === undefined) return { state: "relayed", at, digest };
    return { state: "forgotten", at, forgottenAt: forgotten.forgottenAt, digest };
  };
}
