// An operator orders something about one mail, by a form of its page.
import { z } from "zod";
import { type OrderRefusal, REFUSALS } from "../../dispatch/order.ts";
import type { Id } from "../../identity/message-id.ts";
import { StorageError } from "../../storage/storage.ts";
import type { Answer } from "../http/route.ts";
import type { OrderKind } from "../queue/words.ts";
import { reason } from "../reason.ts";
import { deciderOf } from "../routes/body.ts";
import { formOf } from "./form.ts";
import type { MailOrder } from "./mail-forms.ts";
import type { Seen } from "./page.ts";

const yes = z.literal("yes", "tick that you are sure");

const FIELDS = {
  plain: z.strictObject({ reason: reason.optional() }),
  bounce: z.strictObject({ reason }),
  remove: z.strictObject({ yes, reason: reason.optional() }),
  forget: z.strictObject({ yes, reason }),
} as const;

/** What was done, as the query says it; and what the page says then. */
export const DONE = {
  due: "It is due now.",
  held: "It is held now.",
  "already-held": "It was held before: nothing was changed.",
  policy: "It is released. What is done with doubtful mail is done with it next.",
  ended: "It is refused for good, and its report is on its way.",
  removed: "It is out of the queue.",
  relayed: "It counts as relayed now.",
  queued: "It counts as not relayed, and is due now.",
  undone: "It counts as not relayed: its task may submit it again.",
  forgotten: "It is forgotten: the next mail with this id is relayed.",
  "already-forgotten": "It was forgotten before.",
} as const;

export type Done = keyof typeof DONE;

/** What came of it; or an answer to a form that is none. */
export type Came = { readonly done: Done } | { readonly fault: string; readonly status: 409 | 503 } | Answer;

export async function orderMail(order: MailOrder, id: Id, seen: Seen): Promise<Came> {
  const form = await formOf<Form>(seen.asked, FIELDS[isAsked(order) ? order : "plain"]);
  if (!form.ok) return form.answer;
  try {
    return await carryOut(order, id, form.value.reason, seen);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return { fault: `Nothing is certain to have changed: ${error.message}. Do it again.`, status: 503 };
  }
}

interface Form {
  readonly reason?: string | undefined;
}

const isAsked = (order: MailOrder): order is Exclude<keyof typeof FIELDS, "plain"> => order in FIELDS;

async function carryOut(
  order: MailOrder,
  id: Id,
  reason: string | undefined,
  { asked, parts }: Seen,
): Promise<Came> {
  const by = deciderOf(asked);
  if (order === "relayed" || order === "not-relayed") {
    const made = await parts.doubtful.resolve(id, order, reason, by);
    if (!made.ok) return refusal(made.fault);
    return { done: made.next === "forgotten" ? "undone" : made.next };
  }
  if (order === "forget") {
    const made = await parts.forget.forget(id, { reason, by });
    if (made.ok) return { done: made.wasForgotten ? "already-forgotten" : "forgotten" };
    return refusal(made.why === "undecided" ? `${id} ${DECIDE_FIRST}` : made.fault);
  }
  return await orderQueued(order, id, { reason, by }, parts.queue);
}

async function orderQueued(
  kind: OrderKind,
  id: Id,
  why: { readonly reason: string | undefined; readonly by: string | undefined },
  queue: Seen["parts"]["queue"],
): Promise<Came> {
  // A name means one mail; if an older one of this id waits for its report, it is answered beside it.
  const page = await queue.order({ kind, ...why }, { names: [id] }, { all: true, limit: 1 });
  const results = page.kind === "given" ? page.items : [];
  const made = results.find(({ ok }) => ok) ?? results[0];
  if (made === undefined) return refusal(`${id} ${REFUSALS.absent}`);
  if (!made.ok) return refusal(`${id} ${IN_PAGES[made.why] ?? REFUSALS[made.why]}`);
  return { done: made.next === "held" && made.already === true ? "already-held" : made.next };
}

const refusal = (fault: string): Came => ({ fault: `Nothing was changed: ${fault}.`, status: 409 });

const DECIDE_FIRST = "is in doubt: decide first whether its upstream has it";

/** What has a command in its words, for those who have a button. */
const IN_PAGES: Partial<Readonly<Record<OrderRefusal, string>>> = {
  doubt: DECIDE_FIRST,
  resend: DECIDE_FIRST,
  undecided: `${DECIDE_FIRST}, or remove it`,
};
