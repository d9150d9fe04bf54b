// The query of a request, of a known shape, and its cursor: where a page of a list begins.
import type { z } from "zod";
import { type Answer, type Asked, type Problem, problem } from "../http/route.ts";

/** The answer; or, where the cursor is none of a page (RangeError), a problem. */
export async function orBadCursor<T>(answer: () => Promise<T>): Promise<T | Problem> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof RangeError) return problem(400, `cursor: ${error.message}`);
    throw error;
  }
}

type Query<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly answer: Answer };

/** The query of a request; or a problem that names each parameter that is wrong. */
export function queryOf<T>(asked: Asked, schema: z.ZodType<T>): Query<T> {
  const parsed = schema.safeParse(asked.queries());
  if (parsed.success) return { ok: true, value: parsed.data };
  const faults = parsed.error.issues.map(({ path, message }) =>
    [...path.slice(0, 1).map(String), message].join(": "),
  );
  return { ok: false, answer: problem(400, faults.join("; ")) };
}
