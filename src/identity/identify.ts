// Where a submission's task comes from: the configured header fields in their order, then ENVID. A source
// that is there and bad is never passed over for the next one, which might name something else.
import type { HeaderField } from "../message/header.ts";
import { canonicalPart, canonicalTask } from "./task.ts";

export interface IdentitySources {
  /** Names of the header fields that may carry the task, the first has precedence; any case. */
  readonly headers: readonly string[];
  /** Name of the header field that carries the part; any case. */
  readonly partHeader: string;
  /** True when ENVID of MAIL FROM may carry the task (RFC 3461 §4.4). */
  readonly envid: boolean;
}

export type Identification =
  /** Task and part in canonical form; `source` is the header field's name as configured, or "ENVID". */
  | { readonly kind: "keyed"; readonly task: string; readonly part: string; readonly source: string }
  | { readonly kind: "unkeyed" }
  /** For a 554 and the log. Names the source and what is wrong, and quotes nothing that the client sent. */
  | { readonly kind: "bad"; readonly fault: string };

type Found =
  | { readonly kind: "found"; readonly text: string }
  | { readonly kind: "absent" }
  | { readonly kind: "bad"; readonly fault: string };

/** @param envid decoded from xtext; undefined or null when MAIL FROM had none */
export function identify(
  fields: readonly HeaderField[],
  envid: string | null | undefined,
  sources: IdentitySources,
): Identification {
  for (const source of sources.headers) {
    const task = single(fields, source, taskOf);
    if (task.kind === "bad") return task;
    if (task.kind === "found") return keyed(fields, task.text, source, sources);
  }
  if (!sources.envid || envid === undefined || envid === null) return { kind: "unkeyed" };
  const task = taskOf(envid);
  if (!task.ok) return { kind: "bad", fault: `ENVID ${task.fault}` };
  return keyed(fields, task.text, "ENVID", sources);
}

function keyed(
  fields: readonly HeaderField[],
  task: string,
  source: string,
  sources: IdentitySources,
): Identification {
  const part = single(fields, sources.partHeader, partOf);
  if (part.kind === "bad") return part;
  return { kind: "keyed", task, part: part.kind === "found" ? part.text : "", source };
}

type Canonical =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly fault: string };

function taskOf(value: string): Canonical {
  const result = canonicalTask(value);
  return result.ok ? { ok: true, text: result.task } : result;
}

/** A part may be empty by having no field; a field without a value is more likely a failed template. */
function partOf(value: string): Canonical {
  const result = canonicalPart(value);
  if (!result.ok) return result;
  return result.part === "" ? { ok: false, fault: "is empty" } : { ok: true, text: result.part };
}

/** The one canonical value that all fields of that name have. */
function single(
  fields: readonly HeaderField[],
  name: string,
  canonical: (value: string) => Canonical,
): Found {
  const wanted = name.toLowerCase();
  let text: string | undefined;
  for (const field of fields) {
    if (field.name !== wanted) continue;
    const value = canonical(field.value());
    if (!value.ok) return { kind: "bad", fault: `${name} ${value.fault}` };
    if (text !== undefined && text !== value.text) {
      return { kind: "bad", fault: `${name} occurs several times with different values` };
    }
    text = value.text;
  }
  return text === undefined ? { kind: "absent" } : { kind: "found", text };
}
