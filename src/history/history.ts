// What became of each mail, for people who ask later. It decides nothing: no part reads it to act on it, and mail goes
// on where it can't be written. What is noted is in memory for a second, and lost if the process ends in it.
import type { Id } from "../identity/message-id.ts";
import type { Page, PageRequest } from "../runtime/page.ts";
import { isFate, type MailFate } from "./fate.ts";
import type { ObservedFacts, PreventedFacts, Would } from "./prevented.ts";

/** One thing that happened to an id. Times are milliseconds since the epoch. */
export type HistoryEvent =
  | ({ readonly kind: "accepted"; readonly at: number } & AcceptedMail & {
        /** Where addresses are kept. */
        readonly recipient?: string | undefined;
      })
  | ({ readonly kind: "attempt"; readonly at: number } & Attempted)
  /** So many since the event before; `at` is the last of them. */
  | { readonly kind: "repeats"; readonly at: number; readonly count: number }
  | ({ readonly kind: "ended"; readonly at: number } & Ended)
  | ({ readonly kind: "decision"; readonly at: number } & Decided)
  | ({ readonly kind: "evidence"; readonly at: number } & Settled)
  | ({ readonly kind: "doubt"; readonly at: number } & Doubted)
  | ({ readonly kind: "second_copy"; readonly at: number } & SecondCopy)
  /** Of the first mail and of the copy. */
  | ({ readonly kind: "observed"; readonly at: number } & Observed)
  /** `at` is when it was noted. */
  | ({ readonly at: number } & Told);

export interface AcceptedMail {
  readonly submission: string;
  readonly task?: string | undefined;
  /** The client's network address. */
  readonly client: string;
  readonly user?: string | undefined;
  /** Where addresses are kept. */
  readonly reversePath?: string | undefined;
}

/** An attempt, when it has ended. */
export interface Attempted {
  readonly upstream: string;
  readonly outcome: "accepted" | "refused" | "later" | "down" | "doubtful";
  /** What the upstream said, at most 200 octets; of a doubtful one, why it is doubtful. */
  readonly reply?: string | undefined;
  /** The upstream's own name of the mail. */
  readonly upstreamId?: string | undefined;
}

/** It left the queue without an attempt that said so. */
export interface Ended {
  readonly reason: "expired" | "lost" | "dropped";
  readonly cause: string;
}

/** What an operator has decided. */
export interface Decided {
  readonly decision: string;
  readonly reason?: string | undefined;
  /** What became of the id by it. */
  readonly next?: string | undefined;
}

/** The source of what this gateway held in doubt, and found settled: by evidence or an operator there, or as relayed there. */
export const ANOTHER_GATEWAY = "another gateway";

/** The source of what evidence or an operator settled here, while the ledger's answer was lost. */
export const THIS_GATEWAY = "this gateway";

/** Its doubt has ended, since an upstream has said later that it took it. */
export interface Settled {
  /** Who says so. */
  readonly source: string;
  /** The upstream's own name of the mail. */
  readonly upstreamId?: string | undefined;
  /** When the upstream took it, where it says so; milliseconds since the epoch. */
  readonly takenAt?: number | undefined;
}

/** It was found in doubt: before this start, for another submission, or at another gateway it was attempted without an answer. */
export interface Doubted {
  readonly cause: string;
  /** When the doubt began, milliseconds since the epoch. */
  readonly since: number;
}

/** An upstream has a copy of it beside another one, though nobody wanted that. */
export interface SecondCopy {
  /** The upstream's own name of this copy. */
  readonly upstreamId?: string | undefined;
  readonly cause: string;
}

/** A mail that mode "observe" has relayed, and "enforce" would not have. */
export interface Observed {
  readonly would: Would;
  /** The id that its task has. Left out of the event of the first mail itself, and of what has no task. */
  readonly first?: Id | undefined;
  /** The id under which it went. Left out of its own event. */
  readonly copy?: Id | undefined;
}

/** What an upstream has said later of a mail that it took. */
export type Told = MailFate & {
  /** Who says so. */
  readonly source: string;
  /** The upstream's own name of the mail. */
  readonly upstreamId?: string | undefined;
  /** When it happened, as the upstream says; milliseconds since the epoch. Of `sent`, when it took the mail. */
  readonly happenedAt?: number | undefined;
};

export const isTold = (event: HistoryEvent): event is Told & { readonly at: number } => isFate(event.kind);

/** Takes note. Nothing waits for it, and no call throws. */
export interface HistoryNotes {
  /** @param recipients those that entered the spool */
  accepted(mail: AcceptedMail, recipients: readonly { readonly id: Id; readonly recipient: string }[]): void;
  repeated(id: Id): void;
  attempted(id: Id, attempt: Attempted): void;
  ended(id: Id, end: Ended): void;
  decided(id: Id, decided: Decided): void;
  settled(id: Id, settled: Settled): void;
  /** @param told the caller sees to it that it is noted once: see `known` */
  told(id: Id, told: Told): void;
  doubted(id: Id, doubted: Doubted): void;
  copied(id: Id, copy: SecondCopy): void;
  observed(observed: Observed & { readonly copy: Id }): void;
}

export interface HistoryMail {
  readonly id: Id;
  /** When it was accepted, or taken by the upstream. */
  readonly at: number;
  readonly recipient?: string;
}

/** All pages are newest first. Reads what has just been noted, too. Rejects with a StorageError when the disk fails. */
export interface HistoryReader {
  /** What happened to the id. @throws RangeError for a cursor that is none */
  ofId(id: Id, page: PageRequest): Promise<Page<HistoryEvent>>;
  /** The ids that were accepted of a task. @param recipient of one recipient only, where addresses are kept */
  ofTask(task: string, recipient: string | undefined, page: PageRequest): Promise<Page<HistoryMail>>;
  /** The ids that an upstream took under this name. */
  ofUpstreamId(upstreamId: string, page: PageRequest): Promise<Page<HistoryMail>>;
}

/** For who notes by what was noted before. */
export interface HistoryMemory {
  /**
   * What is known of the id but for repeats, oldest first, as far as memory and disk go. It writes nothing, unlike the reader.
   * Rejects with a StorageError when the disk fails.
   *
   * @param copy what the upstream calls its copy: then it may be only what was said of that one
   */
  known(id: Id, copy?: string): Promise<readonly HistoryEvent[]>;
  /**
   * Resolves when what is noted of the id is in the store, though not synced: the end of the process does not lose it. While
   * the disk takes nothing it resolves all the same. Never rejects.
   */
  written(id: Id): Promise<void>;
}

export interface History extends HistoryNotes, HistoryReader, HistoryMemory {
  /** How many second mails were prevented; undefined without a history, or while that can't be read. */
  prevented(): PreventedFacts | undefined;
  /** So too, what mode "observe" has relayed and "enforce" would not have. */
  observations(): ObservedFacts | undefined;
  /** Writes what is noted. Never rejects. */
  close(): Promise<void>;
}

const nothing = async (): Promise<Page<never>> => ({ items: [] });

export const noHistory: History = {
  accepted() {},
  repeated() {},
  attempted() {},
  ended() {},
  decided() {},
  settled() {},
  told() {},
  doubted() {},
  copied() {},
  observed() {},
  known: async () => [],
  async written() {},
  ofId: nothing,
  ofTask: nothing,
  ofUpstreamId: nothing,
  prevented: () => undefined,
  observations: () => undefined,
  async close() {},
};
