// The queue: what is in it, and what operators order about it.
import { z } from "zod";
import { ORDER_KINDS, type OrderKind, type OrderRefusal, REFUSALS } from "../../dispatch/order.ts";
import { type Answer, type Asked, json, type Problem, problem, type Route } from "../http/route.ts";
import { filterSchema, filterShape, type QueueFilter, STATES } from "../queue/filter.ts";
import type { OrderResult, Selection } from "../queue/words.ts";
import { reason } from "../reason.ts";
import { bodyOf, deciderOf, NAME_MAX } from "./body.ts";
import { listensShape } from "./listens.ts";
import { maskedEntry } from "./masked-mail.ts";
import type { OperatorParts, Running } from "./parts.ts";
import { orBadCursor, queryOf } from "./query.ts";

/** Of a page of the list. */
const LIMIT = { usual: 100, max: 1_000 } as const;

/** Orders of one request: they share syncs of the disk, and are answered within a second as a rule. */
const ORDERS_MAX = 200;

/** Names in one request. */
const NAMES_MAX = 1_000;

const limit = z.coerce.number().int().min(1);
const cursor = z.string().max(NAME_MAX);

const listQuery = z.strictObject({
  ...filterShape,
  limit: limit.max(LIMIT.max).default(LIMIT.usual),
  cursor: cursor.optional(),
});

const name = z.string().min(1).max(NAME_MAX);
const nameQuery = z.strictObject({ name });
const contentQuery = z.strictObject({ name, part: z.enum(["header", "body"]) });

const orderShape = {
  ids: z.array(name).min(1).max(NAMES_MAX).optional(),
  filter: filterSchema.optional(),
  all: z.boolean().default(false),
  limit: limit.max(ORDERS_MAX).default(ORDERS_MAX),
  cursor: cursor.optional(),
  reason: reason.optional(),
};

const BODIES = {
  retry: z.strictObject({ ...orderShape, resend: z.boolean().optional() }),
  hold: z.strictObject(orderShape),
  release: z.strictObject(orderShape),
  bounce: z.strictObject({ ...orderShape, reason }),
  remove: z.strictObject({
    ...orderShape,
    yes: z.literal(true, "it leaves the queue without a report: say true"),
  }),
} as const;

const entryAnswer = z.looseObject({
  id: z.string(),
  state: z.enum(STATES),
  recipient: z.string(),
  ...listensShape,
  acceptedAt: z.iso.datetime(),
  dueAt: z.iso.datetime().optional(),
  attempts: z.int(),
  upstream: z.string(),
  size: z.int(),
});
const listAnswer = z.object({ queue: z.array(entryAnswer), next: z.string().optional() });
const mailsAnswer = z.object({ mails: z.array(entryAnswer) });
const countsAnswer = z.object({
  total: z.int(),
  groups: z.array(z.object({ upstream: z.string(), state: z.enum(STATES), count: z.int() })),
});
const orderAnswer = z.object({
  results: z.array(z.looseObject({ name: z.string(), ok: z.boolean() })),
  next: z.string().optional(),
});

const SUMMARIES: Readonly<Record<OrderKind, string>> = {
  retry: "Has mails due now",
  hold: "Holds mails",
  release: "Releases held mails",
  bounce: "Refuses mails for good, with a report",
  remove: "Takes mails out, without a report",
};

/** What a visitor may ask by; the rest would tell whether an address or a task is there. */
const VISITORS: readonly string[] = ["state", "upstream", "older"] satisfies (keyof QueueFilter)[];

export const queueRoutes = (running: Running): Route[] => [
  {
    ...{ method: "GET", path: "/api/v1/queue", needs: "visitor" },
    about: { summary: "The mails of the queue, by pages", query: listQuery, answer: listAnswer },
    answer: running(async (asked, { queue }) => {
      const query = queryOf(asked, listQuery);
      if (!query.ok) return query.answer;
      const { limit, cursor, ...filter } = query.value;
      const refusal = tooMuch(asked, filter);
      if (refusal !== undefined) return refusal;
      return await orBadCursor(async () => {
        const { items, next } = await queue.list(filter, { limit, cursor });
        return json({ queue: asked.asker.role === "visitor" ? items.map(maskedEntry) : items, next });
      });
    }),
  },
  {
    ...{ method: "GET", path: "/api/v1/queue/counts", needs: "visitor" },
    about: { summary: "How many mails there are", query: filterSchema, answer: countsAnswer },
    answer: running(async (asked, { queue }) => {
      const query = queryOf(asked, filterSchema);
      if (!query.ok) return query.answer;
      return tooMuch(asked, query.value) ?? json(await queue.counts(query.value));
    }),
  },
  {
    ...{ method: "GET", path: "/api/v1/queue/mail", needs: "read" },
    about: { summary: "All that is known of mails of the queue", query: nameQuery, answer: mailsAnswer },
    answer: running(async (asked, { queue }) => {
      const query = queryOf(asked, nameQuery);
      if (!query.ok) return query.answer;
      const { name } = query.value;
      const mails = await queue.show(name);
      return mails.length === 0 ? problem(404, `${name} ${REFUSALS.absent}`) : json({ mails });
    }),
  },
  {
    ...{ method: "GET", path: "/api/v1/queue/content", needs: "read" },
    about: {
      summary: "Header or body of a mail",
      query: contentQuery,
      contentType: "application/octet-stream",
    },
    answer: running(async (asked, { queue }) => {
      const query = queryOf(asked, contentQuery);
      if (!query.ok) return query.answer;
      const { name, part } = query.value;
      const octets = await queue.content(name, part);
      if (octets === undefined) return problem(404, `${name} ${REFUSALS.absent}, or its content is lost`);
      return { kind: "octets", octets };
    }),
  },
  ...ORDER_KINDS.map(
    (kind): Route => ({
      ...{ method: "POST", path: `/api/v1/queue/${kind}`, needs: "operate" },
      about: { summary: SUMMARIES[kind], body: BODIES[kind], answer: orderAnswer },
      answer: running((asked, parts) => order(kind, asked, parts)),
    }),
  ),
];

async function order(kind: OrderKind, asked: Asked, { queue }: OperatorParts): Promise<Answer> {
  const body = await bodyOf<OrderBody>(asked, BODIES[kind]);
  if (!body.ok) return body.answer;
  const { ids, filter, all, limit, cursor, reason, resend } = body.value;
  const selection = selectionOf(ids, filter, all);
  if (typeof selection === "string") return problem(400, selection);
  const order = { kind, reason, resend, by: deciderOf(asked) };
  return await orBadCursor(async () => {
    const page = await queue.order(order, selection, { all, limit, cursor });
    if (page.kind === "many") {
      const detail = `${page.count} mails match: say all, or a filter that fits one`;
      return { ...problem(409, detail), more: { matches: page.count } };
    }
    const results = page.items.map(resultOf);
    const [only, ...others] = page.items;
    if (ids?.length === 1 && others.length === 0 && only !== undefined && !only.ok) {
      return { ...problem(statusOf(only.why), `${only.name} ${REFUSALS[only.why]}`), more: { results } };
    }
    return json({ results, next: page.next });
  });
}

type OrderBody = z.output<(typeof BODIES)["hold"]> & { readonly resend?: boolean | undefined };

/** What is wrong with it, as text. */
export function selectionOf(
  names: readonly string[] | undefined,
  filter: QueueFilter | undefined,
  all: boolean,
): Selection | string {
  const isFiltered = filter !== undefined && Object.values(filter).some((value) => value !== undefined);
  if (names !== undefined && names.length > 0) {
    return isFiltered ? "name mails, or give a filter: not both" : { names };
  }
  return isFiltered || all ? { filter: filter ?? {} } : "name mails, give a filter, or say all";
}

/** With the sentence for people. */
export const resultOf = (result: OrderResult): object =>
  result.ok ? result : { ...result, detail: `${result.name} ${REFUSALS[result.why]}` };

const statusOf = (why: OrderRefusal): 404 | 409 => (why === "absent" ? 404 : 409);

/** What keeps who asks from asking by this filter. */
export const tooMuch = ({ asker }: Asked, filter: QueueFilter): Problem | undefined =>
  asker.role === "visitor" &&
  Object.entries(filter).some(([name, value]) => value !== undefined && !VISITORS.includes(name))
    ? problem(403, `without a token, filter by ${VISITORS.join(", ")}`)
    : undefined;
