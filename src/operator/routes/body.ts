// The body of a request that changes something: JSON of a known shape.
import type { z } from "zod";
import { type Answer, type Asked, problem } from "../http/route.ts";

/** Characters of an id or a Message-ID; RFC 5322 lines have at most so many. */
export const NAME_MAX = 998;

export type Body<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly answer: Answer };

export async function bodyOf<T>(asked: Asked, schema: z.ZodType<T>): Promise<Body<T>> {
  // A form of a stranger's page can't send it without asking first (CORS).
  if (!/^application\/json\s*(;|$)/i.test(asked.header("content-type") ?? "")) {
    return { ok: false, answer: problem(415, "send application/json") };
  }
  let value: unknown;
  try {
    value = JSON.parse(await asked.text());
  } catch {
    return { ok: false, answer: problem(400, "the body is not JSON") };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, answer: problem(400, faultsIn(parsed.error)) };
}

/** What is wrong with each member, in one line. */
export const faultsIn = ({ issues }: z.ZodError): string =>
  issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");

/** Who decided, for the log: over the operator's socket it is the owner, whom the log does not name. */
export const deciderOf = ({ address, asker }: Asked): string | undefined =>
  address === "" ? undefined : asker.name;
