// The form that decides about mail in doubt: about one, about those ticked, or about all that are so old.
import { z } from "zod";
import { duration } from "../../config/values.ts";
import { StorageError } from "../../storage/storage.ts";
import type { Decision, DoubtfulDesk, DoubtfulEntry, Resolution } from "../doubtful.ts";
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
  let meant: readonly string[] = [...new Set(id)];
  if (which === "older") {
    if (older === undefined) return problem(400, "older: say for how long they are in doubt");
    try {
      meant = await olderThan(doubtful, now - older);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return { fault: `The ledger does not answer: ${error.message}`, status: 503 };
    }
  } else if (meant.length === 0) return problem(400, "id: tick the mails that you decide about");
  const by = deciderOf(asked);
  const some = meant.slice(0, DOUBTS_MAX);
  const made = await Promise.all(some.map((name) => resolved(doubtful, name, decision, reason, by)));
  const [first] = made;
  if (which === "ticked" && made.length === 1 && first?.ok === false) {
    return { fault: first.fault, status: 409 };
  }
  const count = made.filter(({ ok }) => ok).length;
  return { done: decision, count, refused: made.length - count, left: meant.length - made.length };
}

export const oldestFirst = (entries: readonly DoubtfulEntry[]): readonly DoubtfulEntry[] =>
  entries.toSorted((one, other) => Date.parse(one.since) - Date.parse(other.since));

/** What another gateway has is decided there. */
async function olderThan(doubtful: DoubtfulDesk, before: number): Promise<readonly string[]> {
  const entries = oldestFirst(await doubtful.list());
  return entries.flatMap(({ id, since, standing }) =>
    standing !== "elsewhere" && Date.parse(since) <= before ? [id] : [],
  );
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
