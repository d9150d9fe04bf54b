// Lists the queue for an operator and gives their orders, for a gateway that runs and for one that doesn't: both have the
// spool, and `QueueParts` has what differs.

import type { DoubtfulPolicy } from "../../dispatch/doubt.ts";
import { type Order, type Ordered, refused } from "../../dispatch/order.ts";
import type { QueueState } from "../../dispatch/queue-state.ts";
import type { Id } from "../../identity/message-id.ts";
import { render } from "../../message/rewrite.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Page, PageRequest } from "../../runtime/page.ts";
import {
  holdOf,
  type SpooledTransmission,
  type Submission,
  type TransmissionKey,
} from "../../spool/record.ts";
import type { Spool } from "../../spool/spool.ts";
import { idIn } from "../id-in.ts";
import { listensOf } from "../listens.ts";
import {
  fits,
  fitsSubmission,
  isOfLanes,
  type ListedState,
  needsSubmission,
  type QueueFilter,
} from "./filter.ts";
import type {
  LastReply,
  OrderResult,
  QueueCounts,
  QueueDesk,
  QueueEntry,
  QueueGlance,
  QueueMail,
  Selection,
} from "./words.ts";

/** Where a transmission is that has not ended. */
export interface Standing {
  readonly state: QueueState;
  /** Milliseconds since the epoch. */
  readonly dueAt: number;
}

export interface QueueParts {
  readonly spool: Pick<Spool, "list" | "listOf" | "submission" | "read">;
  readonly standingOf: (transmission: SpooledTransmission) => Standing;
  readonly isDoubtful: (id: Id) => boolean;
  /** The key of the transmission with this id. Undefined: it has to be looked for, and "absent": it is not there. */
  readonly find: (id: Id) => TransmissionKey | "absent" | undefined;
  /** The name of its lane. */
  readonly upstreamOf: (transmission: SpooledTransmission) => string;
  /** How much is in each lane, if that is known without looking at each mail. */
  readonly tally?: () => QueueCounts["groups"];
  /** What happens to what is in doubt. */
  readonly policy: DoubtfulPolicy;
  readonly give: (key: TransmissionKey, id: Id, order: Order) => Promise<Ordered>;
  readonly clock: Clock;
}

type Listed = readonly [key: TransmissionKey, transmission: SpooledTransmission];

/** Records that one page looks at, at most: a tenth of a second's work, in pieces. */
const LOOK_MAX = 20_000;

export function createQueueDesk(parts: QueueParts): QueueDesk & QueueGlance {
  const { spool, standingOf, isDoubtful, find, upstreamOf, tally, policy, give, clock } = parts;

  const stateOf = (transmission: SpooledTransmission): ListedState =>
    transmission.ended === undefined ? standingOf(transmission).state : "ended";

  /** Those of one submission come one after the other, and it is read once for them. */
  const createSubmissions = (): ((key: TransmissionKey) => Promise<Submission | undefined>) => {
    let last: { readonly id: string; readonly read: Promise<Submission | undefined> } | undefined;
    return ({ submission: id }) => {
      if (last?.id !== id) last = { id, read: spool.submission(id) };
      return last.read;
    };
  };

  const entryOf = (
    { submission: id }: TransmissionKey,
    transmission: SpooledTransmission,
    submission: Submission | undefined,
  ): QueueEntry => {
    const { ended, lastAttemptAt } = transmission;
    const { state, dueAt } =
      ended === undefined ? standingOf(transmission) : { state: "ended" as const, dueAt: 0 };
    const hold = state === "held" ? (holdOf(transmission) ?? "doubt") : undefined;
    const reversePath = submission?.reversePath ?? transmission.reversePath;
    return {
      ...{ id: transmission.id, messageId: transmission.messageId, submission: id, state },
      ...(hold === undefined ? {} : { hold, ...listensOf(transmission, policy) }),
      ...(isDoubtful(transmission.id) ? { doubtful: true as const } : {}),
      recipient: transmission.recipient,
      ...(reversePath === undefined ? {} : { reversePath }),
      acceptedAt: timeOf(transmission.acceptedAt),
      ...(state === "due" || state === "waiting" ? { dueAt: timeOf(dueAt) } : {}),
      ...{ attempts: transmission.attempts, upstream: upstreamOf(transmission) },
      ...(submission?.task === undefined ? {} : { task: submission.task }),
      ...(submission?.submitter?.user === undefined ? {} : { user: submission.submitter.user }),
      size: transmission.size,
      ...(transmission.lastReply === undefined ? {} : { lastReply: transmission.lastReply }),
      ...(lastAttemptAt === undefined ? {} : { lastAttemptAt: timeOf(lastAttemptAt) }),
      ...(transmission.lastUpstream === undefined ? {} : { lastUpstream: transmission.lastUpstream }),
    };
  };

  /** What fits, and how far was looked. */
  async function* matches(
    filter: QueueFilter,
    after: TransmissionKey | undefined,
  ): AsyncGenerator<{ readonly key: TransmissionKey; readonly found?: Listed }> {
    const now = clock.now();
    const submissionOf = createSubmissions();
    for await (const [key, transmission] of spool.list(after)) {
      const seen = { state: stateOf(transmission), upstream: upstreamOf(transmission) };
      const isMeant =
        fits(filter, transmission, seen, now) &&
        (!needsSubmission(filter) || fitsSubmission(filter, await submissionOf(key)));
      yield isMeant ? { key, found: [key, transmission] } : { key };
    }
  }

  const pageOf = async (
    filter: QueueFilter,
    { limit, cursor }: PageRequest,
    lookMax = LOOK_MAX,
  ): Promise<Page<Listed>> => {
    const items: Listed[] = [];
    let looked = 0;
    let last: TransmissionKey | undefined;
    for await (const { key, found } of matches(filter, cursor === undefined ? undefined : keyOf(cursor))) {
      // Only when there is more than this page has is there a next one.
      if (items.length >= limit || looked >= lookMax) return { items, ...(last && { next: cursorOf(last) }) };
      looked += 1;
      last = key;
      if (found !== undefined) items.push(found);
    }
    return { items };
  };

  const counts = async (filter: QueueFilter): Promise<QueueCounts> => {
    if (tally !== undefined && isOfLanes(filter)) {
      const { state, upstream } = filter;
      const isMeant = (group: QueueCounts["groups"][number]): boolean =>
        (state === undefined || group.state === state) &&
        (upstream === undefined ||
          group.upstream === upstream ||
          group.upstream.split(", ").includes(upstream));
      const groups = tally().filter((group) => group.count > 0 && isMeant(group));
      return { total: groups.reduce((sum, { count }) => sum + count, 0), groups };
    }
    const found = new Map<string, { upstream: string; state: ListedState; count: number }>();
    let total = 0;
    for await (const { found: listed } of matches(filter, undefined)) {
      if (listed === undefined) continue;
      total += 1;
      const [, transmission] = listed;
      const upstream = upstreamOf(transmission);
      const state = stateOf(transmission);
      const name = `${state} ${upstream}`;
      const group = found.get(name) ?? { upstream, state, count: 0 };
      group.count += 1;
      found.set(name, group);
    }
    return { total, groups: [...found.values()] };
  };

  /** Those that each name is of. Whatever is not found by its id is looked for among all, unless it is surely not there. */
  const named = async (names: readonly string[]): Promise<Map<string, Listed[]>> => {
    const found = new Map<string, Listed[]>(names.map((name) => [name, []]));
    /** By what a record has: the names that mean it. */
    const wanted = new Map<string, string[]>();
    const want = (text: string, name: string): void =>
      void wanted.set(text, [...(wanted.get(text) ?? []), name]);
    for (const name of found.keys()) {
      const id = idIn(name);
      const key = id === undefined ? undefined : find(id);
      const mail = key === undefined || key === "absent" ? undefined : await spool.read(key);
      if (typeof key === "object" && mail !== undefined && mail.transmission.id === id) {
        found.get(name)?.push([key, mail.transmission]);
        continue;
      }
      if (SUBMISSION_ID.test(name)) {
        for await (const listed of spool.listOf(name)) found.get(name)?.push(listed);
        continue;
      }
      if (id !== undefined && key !== "absent") want(id, name);
      // A mailer's own Message-ID may begin as an id does.
      if (id === undefined || name.includes("@")) want(`<${name.trim().replace(/^<|>$/g, "")}>`, name);
    }
    if (wanted.size === 0) return found;
    for await (const [key, transmission] of spool.list()) {
      const meant = [transmission.id, transmission.messageId].flatMap((text) => wanted.get(text) ?? []);
      for (const name of new Set(meant)) found.get(name)?.push([key, transmission]);
    }
    return found;
  };

  const giveOne = async (
    [key, { id, messageId, recipient }]: Listed,
    order: Order,
  ): Promise<OrderResult> => ({
    ...{ name: id, messageId, recipient },
    ...(isDoubtful(id) ? { doubtful: true as const } : {}),
    ...(await give(key, id, order)),
  });

  const meant = async (
    selection: Selection,
    page: PageRequest,
  ): Promise<Page<Listed> & { readonly missing: readonly string[] }> => {
    if ("filter" in selection) return { ...(await pageOf(selection.filter, page)), missing: [] };
    const found = await named(selection.names);
    const items = new Map([...found.values()].flat().map((listed) => [cursorOf(listed[0]), listed] as const));
    const missing = [...found].flatMap(([name, listed]) => (listed.length === 0 ? [name] : []));
    return { items: [...items.values()], missing };
  };

  return {
    async list(filter, request) {
      // Not one record is read to find out that there is none.
      if (tally !== undefined && isOfLanes(filter) && (await counts(filter)).total === 0)
        return { items: [] };
      const { items, next } = await pageOf(filter, request);
      const submissionOf = createSubmissions();
      // Together, which takes half the time of one after the other.
      const entries = await Promise.all(
        items.map(async ([key, transmission]) => entryOf(key, transmission, await submissionOf(key))),
      );
      return { items: entries, ...(next === undefined ? {} : { next }) };
    },

    async lastReplies(filter, { limit, cursor }) {
      const { items, next } = await pageOf(filter, { limit, cursor }, limit);
      const replies = items.map(([, transmission]): LastReply => {
        const { id, lastReply } = transmission;
        return {
          ...{ id, state: stateOf(transmission) },
          ...(isDoubtful(id) ? { doubtful: true as const } : {}),
          ...(lastReply === undefined ? {} : { lastReply }),
        };
      });
      return { items: replies, ...(next === undefined ? {} : { next }) };
    },

    counts,

    async show(name) {
      const mails: QueueMail[] = [];
      for (const [key, transmission] of (await named([name])).get(name) ?? []) {
        const mail = await spool.read(key);
        const submission = mail?.kind === "whole" ? mail.submission : undefined;
        const { request, awaited, firstDate, ended } = transmission;
        mails.push({
          ...entryOf(key, transmission, submission),
          ...(submission?.submitter === undefined ? {} : { client: submission.submitter.address }),
          ...(submission?.envid === undefined ? {} : { envid: submission.envid }),
          ...(request === undefined ? {} : { request }),
          ...(awaited === undefined ? {} : { awaited }),
          ...(firstDate === undefined ? {} : { firstDate }),
          ...(ended === undefined ? {} : { ended: { ...ended, at: timeOf(ended.at) } }),
          ...(mail?.kind === "lost" ? { lost: mail.cause } : {}),
        });
      }
      return mails;
    },

    async content(name, part) {
      const [first] = (await named([name])).get(name) ?? [];
      const mail = first && (await spool.read(first[0]));
      if (mail?.kind !== "whole") return undefined;
      const { messageId, firstDate } = mail.transmission;
      return part === "body" ? mail.bodyOctets() : one(render(mail.header, { messageId, firstDate }));
    },

    async order(order, selection, { all, ...page }) {
      const first = await meant(selection, all ? page : { ...page, limit: Math.max(page.limit, 2) });
      const expected = "names" in selection ? selection.names.length : 1;
      if (!all && (first.items.length > expected || ("filter" in selection && first.next !== undefined))) {
        const count = "filter" in selection ? (await counts(selection.filter)).total : first.items.length;
        if (count > expected) return { kind: "many", count };
      }
      const items = all || "names" in selection ? first.items : first.items.slice(0, 1);
      const given = await Promise.all(items.map((listed) => giveOne(listed, order)));
      const missing = first.missing.map((name): OrderResult => ({ name, ...refused("absent") }));
      const { next } = first;
      return { kind: "given", items: [...given, ...missing], ...(next === undefined ? {} : { next }) };
    },
  };
}

async function* one(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets;
}

const timeOf = (ms: number): string => new Date(ms).toISOString();

const SUBMISSION_ID = /^[a-z2-7]{16}$/;

const cursorOf = ({ submission, index }: TransmissionKey): string => `${submission}.${index}`;

function keyOf(cursor: string): TransmissionKey {
  const [, submission, index] = /^([a-z2-7]{16})\.(\d{1,6})$/.exec(cursor) ?? [];
  if (submission === undefined) throw new RangeError("the cursor is none of a page");
  return { submission, index: Number(index) };
}
