// A second copy is said and counted once, whichever way it is found. The history has what was counted, so that a restart changes
// nothing.
import type { HistoryEvent, HistoryMemory, HistoryNotes } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Log } from "../runtime/log.ts";
import { provenCopies } from "./second-copies.ts";

/** An upstream has accepted a mail that was in doubt, or of which it is known that it was relayed before. */
export interface TakenAgain {
  readonly id: Id;
  readonly upstreamId: string;
  /** By what it is known that it was relayed before. */
  readonly cause?: string;
  /** Of the mail, for the log. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** One call at a time of an id. */
export interface SayCopies {
  /** Those that the history proves and that were not counted. */
  sayProven(id: Id): Promise<void>;
  again(taken: TakenAgain): Promise<void>;
}

export interface SayCopiesParts {
  readonly history: Pick<HistoryNotes, "copied"> & Pick<HistoryMemory, "known">;
  readonly counters: Pick<Counters, "secondCopies">;
  /** Who says later what becomes of mails of an upstream, by the names that its answers have. */
  readonly sourceOf: (upstream: string) => string | undefined;
  readonly log: Log;
  /** Log the recipient. */
  readonly addresses: boolean;
}

export function createSayCopies(parts: SayCopiesParts): SayCopies {
  const { history, counters, sourceOf, log, addresses } = parts;

  function sayCopy(id: Id, upstreamId: string, cause: string, facts: TakenAgain["facts"]): void {
    log.warn("transmission.second_copy", { id, ...facts, upstreamId, cause });
    history.copied(id, { upstreamId, cause });
    counters.secondCopies.add();
  }

  async function sayProven(id: Id, facts?: TakenAgain["facts"]): Promise<void> {
    const events = await history.known(id);
    const { names, counted } = provenCopies(events, sourceOf);
    for (const name of names.slice(1 + counted)) {
      const others = names.filter((other) => other !== name);
      sayCopy(
        id,
        name,
        `the upstream has it as ${others.join(" and as ")} too`,
        facts ?? factsIn(events, name, addresses),
      );
    }
  }

  return {
    sayProven: (id) => sayProven(id),
    async again({ id, upstreamId, cause, facts }) {
      if (cause === undefined) return await sayProven(id, facts);
      const events = await history.known(id).catch(() => []);
      const { names, counted } = provenCopies(events, sourceOf);
      // The copy that was there before may have no name yet: once it has one, it is not counted again.
      if (counted < Math.max(1, names.length - 1)) sayCopy(id, upstreamId, cause, facts);
    },
  };
}

/** What an upstream calls its copy, where the event says it. */
export const nameIn = (event: HistoryEvent): string | undefined =>
  "upstreamId" in event ? event.upstreamId : undefined;

/** For the log, of a mail that may have left the spool. */
function factsIn(events: readonly HistoryEvent[], name: string, addresses: boolean): TakenAgain["facts"] {
  const accepted = events.findLast((event) => event.kind === "accepted");
  const naming = events.find((event) => nameIn(event) === name);
  const upstream =
    naming?.kind === "attempt" ? naming.upstream : naming && "source" in naming && naming.source;
  const { recipient, task, submission } = accepted ?? {};
  return { recipient: addresses ? recipient : undefined, task, submission, upstream };
}
