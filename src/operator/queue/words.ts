// What operators see and order of the queue: the words that the desk, the routes and the commands share.
import type { Order, Ordered, OrderKind } from "../../dispatch/order.ts";
import type { Id } from "../../identity/message-id.ts";
import type { RecipientRequest } from "../../message/notify.ts";
import type { Page, PageRequest } from "../../runtime/page.ts";
import type { Hold } from "../../spool/record.ts";
import type { Listens } from "../listens.ts";
import type { ListedState, QueueFilter } from "./filter.ts";

/** One mail of the queue. Times are as RFC 3339 writes them. */
export interface QueueEntry extends Listens {
  readonly id: Id;
  readonly messageId: string;
  readonly submission: string;
  readonly state: ListedState;
  /** Why it is held. */
  readonly hold?: Hold;
  /** The upstream may have it. */
  readonly doubtful?: true;
  readonly recipient: string;
  readonly reversePath?: string;
  /** When it was accepted, or freed by an operator. */
  readonly acceptedAt: string;
  /** Left out where it does not count: it is held, being attempted, or has ended. */
  readonly dueAt?: string;
  readonly attempts: number;
  /** What its lane is called. */
  readonly upstream: string;
  readonly task?: string;
  readonly user?: string;
  /** Octets of the content. */
  readonly size: number;
  readonly lastReply?: string;
  readonly lastAttemptAt?: string;
  readonly lastUpstream?: string;
}

/** One mail with all that its record says. */
export interface QueueMail extends QueueEntry {
  readonly client?: string;
  readonly envid?: string;
  readonly request?: RecipientRequest;
  /** Its client waits for the verdict. */
  readonly awaited?: true;
  /** The Date that each attempt has, where it is not that of the header. */
  readonly firstDate?: string;
  /** How it has ended, and waits for its report. */
  readonly ended?: { readonly reason: string; readonly reply: string; readonly at: string };
  /** Why nothing of its content can be read. */
  readonly lost?: string;
}

export interface QueueCounts {
  /** Without those that have ended, unless they are asked for. */
  readonly total: number;
  readonly groups: readonly {
    readonly upstream: string;
    readonly state: ListedState;
    readonly count: number;
  }[];
}

/** Mails by their names, each an id, a Message-ID, or the id of a submission; or all that fit a filter. */
export type Selection = { readonly names: readonly string[] } | { readonly filter: QueueFilter };

/** What came of an order about one mail. */
export type OrderResult = Ordered & {
  /** As it was named, where nothing is found. */
  readonly name: string;
  readonly messageId?: string;
  readonly recipient?: string;
  /** The upstream may have it. */
  readonly doubtful?: true;
};

export type OrderPage =
  | ({ readonly kind: "given" } & Page<OrderResult>)
  /** More mails are meant than the order says. */
  | { readonly kind: "many"; readonly count: number };

export interface OrderRequest extends PageRequest {
  /** More than one mail may be meant. */
  readonly all: boolean;
}

export type ContentPart = "header" | "body";

/** Each call rejects with a RangeError for a cursor that is none, and with a StorageError when the disk fails. */
export interface QueueDesk {
  /** In no order that means anything: that of the spool. */
  list(filter: QueueFilter, page: PageRequest): Promise<Page<QueueEntry>>;
  counts(filter: QueueFilter): Promise<QueueCounts>;
  /** Those that the name is of. */
  show(name: string): Promise<readonly QueueMail[]>;
  /** The octets as they leave. Undefined when there is no such mail, or its content is lost. */
  content(name: string, part: ContentPart): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Each mail is either done or not, whatever happens; done again it says so. */
  order(order: Order, selection: Selection, page: OrderRequest): Promise<OrderPage>;
}

/** What was last said of a mail, from its record alone. */
export interface LastReply extends Pick<QueueEntry, "id" | "state" | "doubtful"> {
  readonly lastReply?: string;
}

/** For a look at many mails, which has to be cheap. */
export interface QueueGlance {
  /**
   * Of the mails that fit among the next so many of the spool: here `limit` is how many are looked at. `next` is left out when
   * all were.
   *
   * @throws as QueueDesk
   */
  lastReplies(filter: QueueFilter, page: PageRequest): Promise<Page<LastReply>>;
}

export type { Order, OrderKind };
