// What operators learn about one mail: the words that the desk, the routes and the command share.
import type { HistoryEvent, Told } from "../../history/history.ts";
import type { Id } from "../../identity/message-id.ts";
import type { Looked } from "../../ledger/ledger.ts";
import type { Page, PageRequest } from "../../runtime/page.ts";
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
  ? Pick<Event, "kind"> &
      Partial<Omit<Event, "kind" | "at" | "happenedAt" | "takenAt" | "since">> & {
        readonly at: string;
      } & (Event extends Told ? Learned : unknown) &
      (Event extends { readonly kind: "evidence" } ? { readonly takenAt?: string } : unknown) &
      (Event extends { readonly kind: "doubt" } ? { readonly since: string } : unknown)
  : never;

/** Of what an upstream said later: `at` is when it happened, as the upstream says. */
interface Learned {
  readonly learnedAt: string;
}

/** One of several that were asked for at once. */
export interface Match {
  readonly id: Id;
  readonly answer: string;
  readonly recipient?: string;
}

/** Mails by what their mailer knows of them: all of a task that the history has, or those to one recipient. */
export interface TaskQuery {
  readonly task: string;
  readonly to?: string | undefined;
  /** With a recipient only, as `user` too: the id is computed from all of them. */
  readonly part?: string | undefined;
  /** Who submits it, when that takes authentication. */
  readonly user?: string | undefined;
}

/** Mails of a page, unless it is said: more than a person reads. */
export const MATCHES = 100;

export interface ExplainDesk {
  /** @param mask what of it who asks may see; all of it unless given. Undefined: nothing is known */
  explain(id: Id, mask?: (facts: ExplainFacts) => ExplainFacts): Promise<Explained | undefined>;
  /**
   * What is known under that name of an upstream, or of that task, newest first.
   *
   * @throws RangeError for a task, a recipient, a part or a cursor that is none
   */
  find(query: { readonly upstreamId: string } | TaskQuery, page: PageRequest): Promise<Page<Match>>;
}
