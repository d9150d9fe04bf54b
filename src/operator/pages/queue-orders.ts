// What operators order on the page of the queue, as forms. What destroys is asked about on a page of its own.
import { z } from "zod";
import { ORDER_KINDS, type OrderKind, type OrderRefusal, REFUSALS } from "../../dispatch/order.ts";
import { countOf } from "../../runtime/amounts.ts";
import { type Answer, type Asked, problem } from "../http/route.ts";
import type { OrderResult, QueueDesk } from "../queue/words.ts";
import { reason } from "../reason.ts";
import { deciderOf } from "../routes/body.ts";
import { formOf } from "./form.ts";
import { type Html, html } from "./html.ts";
import type { Page, Seen, Shown } from "./page.ts";
import { hrefOf, type View, viewFields, viewShape } from "./queue-view.ts";

/** Mails of one form: their ids fit into the largest body. */
export const IDS_MAX = 1_000;

/** Orders at once: they share syncs of the disk. */
const TOGETHER = 200;

/** Links on a page that asks. */
const NAMED_MAX = 10;

const text = z.string();

/** A field for each mail, or one with the ids of many. */
const ids = z
  .union([text, z.array(text)])
  .transform((fields) => [...new Set([fields].flat().flatMap((field) => field.trim().split(/\s+/)))])
  .pipe(
    z
      .array(z.string().regex(/^[a-z2-7]{32}$/, "this is no id"))
      .max(IDS_MAX, `at most ${countOf(IDS_MAX)} mails at once`),
  );

const orderFields = z.strictObject({
  ...viewShape,
  id: ids.optional(),
  /** The ids of all that the page lists, which are meant with `all`. */
  listed: ids.optional(),
  all: z.literal("yes").optional(),
  reason: reason.optional(),
  yes: z.literal("yes").optional(),
});

export const queueOrderPages: readonly Page[] = ORDER_KINDS.map((kind) => ({
  ...{ method: "POST", path: `/queue/${kind}`, needs: "operate" },
  show: (seen) => order(kind, seen),
}));

async function order(kind: OrderKind, { asked, parts }: Seen): Promise<Shown> {
  const form = await formOf(asked, orderFields);
  if (!form.ok) return form.answer;
  const { id, listed, all, reason, yes, ...view } = form.value;
  const names = (all === "yes" ? listed : id) ?? [];
  if (names.length === 0) return problem(400, "id: choose at least one mail");
  const asks = kind === "bounce" ? reason === undefined : kind === "remove" && yes === undefined;
  if (asks) {
    const readers = await readersOf(names, parts.queue);
    return question(kind === "bounce" ? BOUNCE : REMOVE, { names, readers, reason, view });
  }
  const results = await give(kind, { names, reason, asked }, parts.queue);
  return { kind: "redirect", to: hrefOf(view, doneQueryOf(kind, results)) } satisfies Answer;
}

interface Given {
  readonly names: readonly string[];
  readonly reason: string | undefined;
  readonly asked: Asked;
}

async function give(
  kind: OrderKind,
  { names, reason, asked }: Given,
  queue: QueueDesk,
): Promise<OrderResult[]> {
  const results: OrderResult[] = [];
  const order = { kind, reason, by: deciderOf(asked) };
  for (let at = 0; at < names.length; at += TOGETHER) {
    const some = { names: names.slice(at, at + TOGETHER) };
    const page = await queue.order(order, some, { all: true, limit: TOGETHER });
    if (page.kind === "given") results.push(...page.items);
  }
  return results;
}

/** What was done, in fixed words and numbers only. */
function doneQueryOf(kind: OrderKind, results: readonly OrderResult[]): Record<string, string | number> {
  const query: Record<string, string | number> = { done: kind, count: 0 };
  for (const result of results) {
    const name = result.ok ? "count" : result.why;
    query[name] = Number(query[name] ?? 0) + 1;
  }
  return query;
}

const REFUSAL_KINDS = Object.keys(REFUSALS) as readonly OrderRefusal[];

const count = z.coerce.number().int().min(0).max(IDS_MAX);

const doneQuery = z.object({
  ...{ done: z.enum(ORDER_KINDS), count },
  ...(Object.fromEntries(REFUSAL_KINDS.map((why) => [why, count.optional()])) as Record<
    OrderRefusal,
    z.ZodOptional<typeof count>
  >),
});

export const DONE_NAMES: readonly string[] = Object.keys(doneQuery.shape);

const DONE: Readonly<Record<OrderKind, string>> = {
  retry: "due now",
  hold: "held, until somebody releases them",
  release: "released",
  bounce: "refused, and their senders get a report",
  remove: "removed",
};

const NOT_DONE: Readonly<Record<OrderRefusal, string>> = {
  absent: "not in the queue any more",
  busy: "being attempted just now: try again",
  ended: "ended already, waiting for the report",
  held: "held by an operator: release them first",
  unheld: "not held",
  doubt: "held since they are in doubt: decide on their own pages",
  resend: "in doubt, so that a reader may get a second copy: decide on their own pages",
  undecided: "in doubt: decide on their own pages first",
  awaited: "mails whose clients wait for the verdict: try again soon",
  elsewhere: "taken over by another gateway: order it there",
};

/** What was done by the form before. Nothing, where the query does not say so. */
export function doneText(queries: Readonly<Record<string, string>>): Html {
  const parsed = doneQuery.safeParse(queries);
  if (!parsed.success) return html``;
  const { done, count } = parsed.data;
  const refused = REFUSAL_KINDS.flatMap((why) => {
    const many = parsed.data[why] ?? 0;
    return many === 0 ? [] : [`${countOf(many)} ${NOT_DONE[why]}`];
  });
  return html`<p class="done" role="status">${mails(count)} ${count === 1 ? "is" : "are"} ${DONE[done]}.${
    refused.length === 0 ? "" : ` Not done: ${refused.join("; ")}.`
  }</p>`;
}

export const mails = (count: number): string => `${countOf(count)} ${count === 1 ? "mail" : "mails"}`;

interface Question {
  readonly kind: OrderKind;
  readonly title: (what: string) => string;
  /** What it does. */
  readonly text: string;
  readonly isReasonNeeded: boolean;
}

const BOUNCE: Question = {
  kind: "bounce",
  title: (what) => `Bounce ${what}`,
  text: "What is bounced is refused for good, as if the upstream said so. Its sender gets a report with the reason.",
  isReasonNeeded: true,
};

const REMOVE: Question = {
  kind: "remove",
  title: (what) => `Remove ${what}`,
  text: "What is removed leaves the queue for good. Nobody gets a report; its task may submit it again. What is in doubt stays so.",
  isReasonNeeded: false,
};

interface About {
  readonly names: readonly string[];
  /** Of the first of them: to whom it is; undefined when it has left the queue. */
  readonly readers: readonly (readonly [id: string, recipient: string | undefined])[];
  readonly reason: string | undefined;
  readonly view: View;
}

const readersOf = (names: readonly string[], queue: QueueDesk): Promise<About["readers"]> =>
  Promise.all(
    names.slice(0, NAMED_MAX).map(async (id) => [id, (await queue.show(id))[0]?.recipient] as const),
  );

function question(
  { kind, title, text, isReasonNeeded }: Question,
  { names, readers, reason, view }: About,
): Shown {
  const what = title(mails(names.length));
  return {
    frame: { title: what, here: "queue" },
    content: html`<h1>${what}?</h1>
<p>${text}</p>
<ul>${readers.map(
      ([id, reader]) =>
        html`<li><a href="/mails/${id}">${reader ?? html`<code>${id}</code>`}</a>${reader === undefined ? ", not in the queue any more" : ""}</li>`,
    )}${names.length > NAMED_MAX ? html`<li>and ${countOf(names.length - NAMED_MAX)} more</li>` : ""}</ul>
<form method="post" action="/queue/${kind}" class="question">${viewFields(view)}<input type="hidden" name="id" value="${names.join(" ")}">${
      kind === "remove" ? html`<input type="hidden" name="yes" value="yes">` : ""
    }
<label>Reason${isReasonNeeded ? "" : ", for the log"} <input name="reason" maxlength="500" value="${reason ?? ""}"${isReasonNeeded ? html` required` : ""}></label>
<button class="danger">${what}</button>
<a href="${hrefOf(view)}">Back, and change nothing</a></form>`,
  };
}
