// The form that decides about mail in doubt: about one, about those ticked, or about all that are so old.
import { z } from "zod";
import { duration } from "../../config/values.ts";
import { StorageError } from "../../storage/storage.ts";
import type { Decision, DoubtfulDesk, Resolution } from "../doubtful.ts";
import { type Answer, problem } from "../http/route.ts";
import { reason } from "../reason.ts";
import { deciderOf, NAME_MAX } from "../routes/body.ts";
import { DECISIONS } from "./doubt-words.ts";
import { formOf } from "./form.ts";
import type { Seen } from "./page.ts";

/** Mails that a page shows, and that one form decides about: they share syncs of the disk. */
export const DOUBTS_MAX = 200;

/** One that is ticked, or several. */
const ids = z.preprocess(
  (value) => (typeof value === "string" ? [value] : value),
  z.array(z.string().max(NAME_MAX)).max(DOUBTS_MAX, `at most ${DOUBTS_MAX} at once`).default([]),
);
const fields = z.strictObject({
  which: z.enum(["ticked", "older"]).default("ticked"),
  id: ids,
  older: duration.optional(),
  decision: z.enum(DECISIONS),
  reason: reason.optional(),
});

/** What came of it; or an answer to a form that is none. */
export type Decided =
  | {
      readonly done: Decision;
      readonly count: number;
      /** Could not be decided. */
      readonly refused: number;
      /** More were meant than are decided at once. */
      readonly left: number;
    }
  /** Nothing was decided. */
  | { readonly fault: string; readonly status: 409 | 503 }
  | Answer;

/** One that names a mail is answered with why it can't be decided; of many it is said how many could not. */
export async function decideDoubtful({ asked, parts: { doubtful }, now }: Seen): Promise<Decided> {
  const form = await formOf(asked, fields);
  if (!form.ok) return form.answer;
  const { which, id, older, decision, reason } = form.value;
  let names: readonly string[] = [...new Set(id)];
  let left = 0;
  if (which === "older") {
    if (older === undefined) return problem(400, "older: say for how long they are in doubt");
    try {
      const { items, total } = await doubtful.oldest({ limit: DOUBTS_MAX, until: now - older, isOurs: true });
      names = items.map(({ id }) => id);
      left = total - names.length;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return { fault: `The ledger does not answer: ${error.message}`, status: 503 };
    }
  } else if (names.length === 0) return problem(400, "id: tick the mails that you decide about");
  const by = deciderOf(asked);
  const made = await Promise.all(names.map((name) => resolved(doubtful, name, decision, reason, by)));
  const [first] = made;
  if (which === "ticked" && made.length === 1 && first?.ok === false) {
    return { fault: first.fault, status: 409 };
  }
  const count = made.filter(({ ok }) => ok).length;
  return { done: decision, count, refused: made.length - count, left };
}

/** What the ledger can't write is not decided, and the others are all the same. */
async function resolved(
  doubtful: DoubtfulDesk,
  ...decision: Parameters<DoubtfulDesk["resolve"]>
): Promise<Resolution> {
  try {
    return await doubtful.resolve(...decision);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return { ok: false, fault: `${decision[0]} can't be decided now: ${error.message}` };
  }
}
