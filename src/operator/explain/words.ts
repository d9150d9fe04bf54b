// What operators learn about one mail: the words that the desk, the routes and the command share.
import type { HistoryEvent } from "../../history/history.ts";
import type { Id } from "../../identity/message-id.ts";
import type { Looked } from "../../ledger/ledger.ts";
import type { QueueMail } from "../queue/words.ts";

/** What is known. Each part may be missing: another gateway's spool, a ledger that does not answer, a history that is off. */
export interface ExplainFacts {
  readonly looked: Looked | { readonly state: "unknown"; readonly fault: string };
  /** What this gateway's spool has. */
  readonly mail: QueueMail | undefined;
  /** Of this gateway's history, newest first. */
  readonly events: readonly HistoryEvent[];
}

/** For people and for programs. Times are as RFC 3339 writes them. */
export interface Explained {
  readonly id: Id;
  /** One plain sentence or two. */
  readonly answer: string;
  readonly ledger: ExplainedLedger;
  /** As it is in the queue of this gateway. */
  readonly mail?: Partial<QueueMail>;
  /** Oldest first. */
  readonly timeline: readonly ExplainedEvent[];
  /** There is more in the history, and older than this. */
  readonly isCut?: true;
}

export interface ExplainedLedger {
  readonly state: ExplainFacts["looked"]["state"];
  readonly relayedAt?: string;
  readonly forgottenAt?: string;
  /** When it was last attempted, or found doubtful. */
  readonly changedAt?: string;
  readonly holder?: "here" | "elsewhere" | "nobody";
  /** The name of another gateway, where it is known. */
  readonly gateway?: string;
  readonly fault?: string;
}

/** What who asks may not see is left out. */
export type ExplainedEvent = Said<HistoryEvent>;

type Said<Event> = Event extends HistoryEvent
  ? Pick<Event, "kind"> & Partial<Omit<Event, "kind" | "at">> & { readonly at: string }
  : never;

/** One of several that were asked for at once. */
export interface Match {
  readonly id: Id;
  readonly answer: string;
  readonly recipient?: string;
}

/** A mail by what its mailer knows of it. */
export interface TaskQuery {
  readonly task: string;
  readonly to: string;
  readonly part?: string | undefined;
  /** Who submits it, when that takes authentication. */
  readonly user?: string | undefined;
}

export interface ExplainDesk {
  /** @param mask what of it who asks may see; all of it unless given. Undefined: nothing is known */
  explain(id: Id, mask?: (facts: ExplainFacts) => ExplainFacts): Promise<Explained | undefined>;
  /**
   * What is known under that name of an upstream, or of that task and recipient.
   *
   * @throws RangeError for a task, a recipient or a part that is none
   */
  find(query: { readonly upstreamId: string } | TaskQuery): Promise<readonly Match[]>;
}
