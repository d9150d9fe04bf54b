// What an upstream says later of a mail's fate goes into the history, once: it says things twice, in any order, and to
// several gateways. The history decides what is new, so that a restart changes nothing. By it a second copy is proven, and each is
// said and counted once, whichever way it is found.
import type { HistoryEvent, HistoryMemory, HistoryNotes, Told } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Log } from "../runtime/log.ts";
import { StorageError } from "../storage/storage.ts";
import type { Fate } from "./fate.ts";
import { provenCopies } from "./second-copies.ts";

export interface Said {
  readonly source: string;
  readonly upstreamId?: string;
  /** When the mail was taken. */
  readonly at?: number;
  readonly fate?: Fate;
  readonly happenedAt?: number;
}

/** An upstream has accepted a mail that was in doubt, or of which it is known that it was relayed before. */
export interface TakenAgain {
  readonly id: Id;
  readonly upstreamId: string;
  /** By what it is known that it was relayed before. */
  readonly cause?: string;
  /** Of the mail, for the log. */
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface Telling {
  /**
   * Notes what is new. Resolves when that is written, or can't be: a history that fails keeps nothing in a queue. Never rejects.
   *
   * @param isSettled it has just ended a doubt, which is noted too
   */
  tell(id: Id, said: Said, isSettled: boolean): Promise<void>;
  /** Nothing waits for it. */
  takenAgain(taken: TakenAgain): void;
  /** Resolves when all of that has been said. */
  done(): Promise<void>;
}

export interface TellingParts {
  readonly history: Pick<HistoryNotes, "told" | "copied"> & HistoryMemory;
  readonly counters: Pick<Counters, "secondCopies">;
  /** Who says later what becomes of mails of an upstream, by the names that its answers have. */
  readonly sourceOf: (upstream: string) => string | undefined;
  readonly log: Log;
  /** Log the recipient. */
  readonly addresses: boolean;
}

export function createTelling({ history, counters, sourceOf, log, addresses }: TellingParts): Telling {
  /** One at a time of an id: two of the same event may come in the same moment. */
  const underWay = new Map<Id, Promise<void>>();

  async function inTurn(id: Id, work: () => Promise<void>): Promise<void> {
    const turn = (underWay.get(id) ?? Promise.resolve()).then(work).finally(() => {
      if (underWay.get(id) === turn) underWay.delete(id);
    });
    underWay.set(id, turn);
    await turn;
  }

  async function unlessUnread(id: Id, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      log.debug("evidence.untold", { id, error: String(error) });
    }
  }

  function sayCopy(id: Id, upstreamId: string, cause: string, facts: TakenAgain["facts"]): void {
    log.warn("transmission.second_copy", { id, ...facts, upstreamId, cause });
    history.copied(id, { upstreamId, cause });
    counters.secondCopies.add();
  }

  /** Those that the history proves and that were not counted. */
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

  async function note(id: Id, said: Said, isSettled: boolean): Promise<void> {
    const news = newsIn(said, await history.known(id, said.upstreamId));
    for (const told of news) history.told(id, told);
    if (isSettled || news.some(({ kind }) => kind === "sent")) await sayProven(id);
    if (isSettled || news.length > 0) await history.written(id);
  }

  async function again({ id, upstreamId, cause, facts }: TakenAgain): Promise<void> {
    if (cause === undefined) return await sayProven(id, facts);
    const events = await history.known(id).catch(() => []);
    const { names, counted } = provenCopies(events, sourceOf);
    // The copy that was there before may have no name yet: once it has one, it is not counted again.
    if (counted < Math.max(1, names.length - 1)) sayCopy(id, upstreamId, cause, facts);
  }

  return {
    tell: (id, said, isSettled) => inTurn(id, () => unlessUnread(id, () => note(id, said, isSettled))),
    takenAgain: (taken) => void inTurn(taken.id, () => unlessUnread(taken.id, () => again(taken))),
    async done() {
      await Promise.all(underWay.values());
    },
  };
}

/** What was not known before. A name of the upstream's that is new is noted by itself, so that it leads to the mail. */
function newsIn(said: Said, known: readonly HistoryEvent[]): readonly Told[] {
  const { source, upstreamId, at, fate, happenedAt } = said;
  const isNamed = upstreamId === undefined || known.some((event) => nameIn(event) === upstreamId);
  const taken: Told[] = isNamed ? [] : [{ kind: "sent", source, upstreamId, happenedAt: at }];
  if (fate === undefined || fate.kind === "sent" || fate.kind === "other") return taken;
  const told: Told = { ...fate, source, upstreamId, happenedAt };
  return known.some((event) => isSame(event, told)) ? taken : [...taken, told];
}

const nameIn = (event: HistoryEvent): string | undefined =>
  "upstreamId" in event ? event.upstreamId : undefined;

/** An upstream says nothing twice of one copy and one moment but the same. */
const isSame = (event: HistoryEvent, { kind, upstreamId, happenedAt }: Told): boolean =>
  event.kind === kind && event.upstreamId === upstreamId && event.happenedAt === happenedAt;

/** For the log, of a mail that may have left the spool. */
function factsIn(events: readonly HistoryEvent[], name: string, addresses: boolean): TakenAgain["facts"] {
  const accepted = events.findLast((event) => event.kind === "accepted");
  const naming = events.find((event) => nameIn(event) === name);
  const upstream =
    naming?.kind === "attempt" ? naming.upstream : naming && "source" in naming && naming.source;
  const { recipient, task, submission } = accepted ?? {};
  return { recipient: addresses ? recipient : undefined, task, submission, upstream };
}
