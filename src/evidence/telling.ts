// What an upstream says later of a mail's fate goes into the history, once: it says things twice, in any order, and to
// several gateways. The history decides what is new, so that a restart changes nothing.

import type { HistoryEvent, HistoryMemory, HistoryNotes, Told } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { Log } from "../runtime/log.ts";
import { StorageError } from "../storage/storage.ts";
import type { Fate } from "./fate.ts";

export interface Said {
  readonly source: string;
  readonly upstreamId?: string;
  /** When the mail was taken. */
  readonly at?: number;
  readonly fate?: Fate;
  readonly happenedAt?: number;
}

export interface Telling {
  /**
   * Notes what is new. Resolves when that is written, or can't be: a history that fails keeps nothing in a queue. Never rejects.
   *
   * @param isSettled it has just ended a doubt, which is noted too
   */
  tell(id: Id, said: Said, isSettled: boolean): Promise<void>;
}

export interface TellingParts {
  readonly history: Pick<HistoryNotes, "told"> & HistoryMemory;
  readonly log: Log;
}

export function createTelling({ history, log }: TellingParts): Telling {
  /** One at a time of an id: two of the same event may come in the same moment. */
  const underWay = new Map<Id, Promise<void>>();

  async function inTurn(id: Id, work: () => Promise<void>): Promise<void> {
    const turn = (underWay.get(id) ?? Promise.resolve()).then(work);
    underWay.set(id, turn);
    await turn;
    if (underWay.get(id) === turn) underWay.delete(id);
  }

  async function note(id: Id, said: Said, isSettled: boolean): Promise<void> {
    try {
      const news = newsIn(said, await history.known(id, said.upstreamId));
      for (const told of news) history.told(id, told);
      if (news.length > 0 || isSettled) await history.written(id);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      log.debug("evidence.untold", { id, error: String(error) });
    }
  }

  return { tell: (id, said, isSettled) => inTurn(id, () => note(id, said, isSettled)) };
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
