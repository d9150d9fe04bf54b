// Where a submission's task comes from: the configured header fields in their order, then ENVID. A bad value
// is refused; the next source is not tried, since it might name another task.

import { decodeWords } from "../address/encoded-words.ts";
import type { HeaderField } from "../message/header.ts";
import { placeholderFault, taskFault } from "./placeholder.ts";
import { canonicalPart, canonicalTask, isUuid, type TaskResult } from "./task.ts";

export interface IdentitySources {
  /** Names of the header fields that may carry the task, the first has precedence; any case. */
  readonly headers: readonly string[];
  /** Name of the header field that carries the part; any case. */
  readonly partHeader: string;
  /**
   * Whether ENVID of MAIL FROM (RFC 3461 §4.4) may carry the task: when it is a UUID, whatever it is, or never.
   * Mailers that know nothing of tasks set a constant one, as an example of a well-known library does.
   */
  readonly envid: EnvidPolicy;
}

export type EnvidPolicy = "uuid" | "any" | "off";

export type Identification =
  /** Task and part in canonical form; `source` is the header field's name as configured, or "ENVID". */
  | { readonly kind: "keyed"; readonly task: string; readonly part: string; readonly source: string }
  /** `passedOver`: there was an ENVID, and it is no UUID. */
  | { readonly kind: "unkeyed"; readonly passedOver?: "ENVID" }
  /** For a 554 and the log. Names the source and the fault, and quotes nothing that the client sent. */
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
  if (sources.envid === "off" || envid === undefined || envid === null) return { kind: "unkeyed" };
  const task = named(canonicalTask(envid));
  if (sources.envid === "uuid" && !(task.ok && isUuid(task.text))) {
    return { kind: "unkeyed", passedOver: "ENVID" };
  }
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

const taskOf = (value: string): Canonical => named(canonicalTask(decodeWords(value)));

function named(result: TaskResult): Canonical {
  if (!result.ok) return result;
  const fault = taskFault(result.task);
  return fault === undefined ? { ok: true, text: result.task } : { ok: false, fault };
}

/** A part may be empty by having no field; a field without a value is more likely a failed template. */
function partOf(value: string): Canonical {
  const result = canonicalPart(decodeWords(value));
  if (!result.ok) return result;
  const fault = result.part === "" ? "is empty" : placeholderFault(result.part);
  return fault === undefined ? { ok: true, text: result.part } : { ok: false, fault };
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
