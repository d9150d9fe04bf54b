// What an upstream says later of a mail's fate goes into the history, once: it says things twice, in any order, and to
// several gateways. The history decides what is new, so that a restart changes nothing. By it second copies are proven
// too: say-copies.ts.
import type { HistoryEvent, HistoryMemory, HistoryNotes, Told } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import { StorageError } from "../storage/storage.ts";
import type { Fate } from "./fate.ts";
import { createSayCopies, nameIn, type SayCopiesParts, type TakenAgain } from "./say-copies.ts";

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
   * Notes what is new. Resolves when that is written, can't be, or it is late: a history that fails keeps nothing in a queue.
   * Never rejects.
   *
   * @param isSettled it has just ended a doubt, which is noted too
   */
  tell(id: Id, said: Said, isSettled: boolean): Promise<void>;
  /** Nothing waits for it. */
  takenAgain(taken: TakenAgain): void;
  /** Resolves when all of that has been said, or when it is late. */
  done(): Promise<void>;
}

export interface TellingParts extends SayCopiesParts {
  readonly history: Pick<HistoryNotes, "told" | "copied"> & HistoryMemory;
  /** Aborted at a stop, when nothing is waited for any more: a disk may hang. */
  readonly late: AbortSignal;
}

export function createTelling(parts: TellingParts): Telling {
  const { history, late, log } = parts;
  const copies = createSayCopies(parts);
  /** One at a time of an id: two of the same event may come in the same moment. */
  const underWay = new Map<Id, Promise<void>>();

  async function inTurn(id: Id, work: () => Promise<void>): Promise<void> {
    const turn = (underWay.get(id) ?? Promise.resolve()).then(work).finally(() => {
      if (underWay.get(id) === turn) underWay.delete(id);
    });
    underWay.set(id, turn);
    await turn;
  }

  /** Never rejects: the history decides nothing, and a fault of it or here ends no process. */
  async function unlessUnread(id: Id, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof StorageError) log.debug("evidence.untold", { id, error: String(error) });
      else log.error("evidence.untold", { id, error: error instanceof Error ? error.stack : String(error) });
    }
  }

  async function note(id: Id, said: Said, isSettled: boolean): Promise<void> {
    const news = newsIn(said, await history.known(id, said.upstreamId));
    for (const told of news) history.told(id, told);
    if (isSettled || news.some(({ kind }) => kind === "sent")) await copies.sayProven(id);
    if (isSettled || news.length > 0) await history.written(id);
  }

  return {
    tell: (id, said, isSettled) =>
      untilAborted(
        inTurn(id, () => unlessUnread(id, () => note(id, said, isSettled))),
        late,
      ),
    takenAgain: (taken) => void inTurn(taken.id, () => unlessUnread(taken.id, () => copies.again(taken))),
    done: () => untilAborted(Promise.all(underWay.values()), late),
  };
}

/** @param work never rejects */
const untilAborted = (work: Promise<unknown>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      signal.removeEventListener("abort", end);
      resolve();
    };
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    else void work.then(end);
  });

/** What was not known before. A name of the upstream's that is new is noted by itself, so that it leads to the mail. */
function newsIn(said: Said, known: readonly HistoryEvent[]): readonly Told[] {
  const { source, upstreamId, at, fate, happenedAt } = said;
  const isNamed = upstreamId === undefined || known.some((event) => nameIn(event) === upstreamId);
  const taken: Told[] = isNamed ? [] : [{ kind: "sent", source, upstreamId, happenedAt: at }];
  if (fate === undefined || fate.kind === "sent" || fate.kind === "other") return taken;
  const told: Told = { ...fate, source, upstreamId, happenedAt };
  return known.some((event) => isSame(event, told)) ? taken : [...taken, told];
}

/** An upstream says nothing twice of one copy and one moment but the same. */
const isSame = (event: HistoryEvent, { kind, upstreamId, happenedAt }: Told): boolean =>
  event.kind === kind && event.upstreamId === upstreamId && event.happenedAt === happenedAt;
