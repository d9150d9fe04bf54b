// Reads what a form of a page sends.
import type { z } from "zod";
import { type Asked, problem } from "../http/route.ts";
import { type Body, faultsIn } from "../routes/body.ts";

/** A field that was left empty is none. @param schema of an object of texts; of a field that is there more than once, of a list */
export async function formOf<T>(asked: Asked, schema: z.ZodType<T>): Promise<Body<T>> {
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(asked.header("content-type") ?? "")) {
    return { ok: false, answer: problem(415, "send application/x-www-form-urlencoded") };
  }
  const fields = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(await asked.text())) {
    if (value.trim() === "") continue;
    const values = fields.get(name);
    if (values === undefined) fields.set(name, [value]);
    else values.push(value);
  }
  const values = [...fields].map(([name, [first, ...others]]) => [
    name,
    others.length === 0 ? first : [first, ...others],
  ]);
  const parsed = schema.safeParse(Object.fromEntries(values));
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, answer: problem(400, faultsIn(parsed.error)) };
}
