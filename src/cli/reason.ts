// `--reason` of a decision, as the gateway takes it.
import { reason as schema } from "../operator/reason.ts";

export function reasonFaults(reason: string | undefined): string[] {
  const parsed = schema.optional().safeParse(reason);
  return parsed.success ? [] : [`--reason: ${parsed.error.issues[0]?.message ?? "is no reason"}`];
}
