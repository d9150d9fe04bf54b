// Canonical forms of the texts that name a mail: task, part and namespace. What can't be brought into one is
// refused with a fault, never repaired, so that two tasks can't become one.
import { unfold } from "../message/header.ts";

export type TaskResult =
  | { readonly ok: true; readonly task: string }
  | { readonly ok: false; readonly fault: string };
export type PartResult =
  | { readonly ok: true; readonly part: string }
  | { readonly ok: false; readonly fault: string };
export type NamespaceResult =
  | { readonly ok: true; readonly namespace: string }
  | { readonly ok: false; readonly fault: string };

/** Long enough for a UUID beside a queue's name, short enough for a line of the log. */
export const NAME_MAX = 255;

/** A UUID (RFC 9562 §4) with or without hyphens, in braces, as urn:uuid:, in any case. */
const UUID =
  /^(?:urn:uuid:)?(\{?)([0-9a-f]{8})(-?)([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{12})(\}?)$/i;

/**
 * The task in canonical form: unfolded and trimmed; any spelling of a UUID as lower-case hyphenated UUID,
 * anything else as it is.
 */
export function canonicalTask(value: string): TaskResult {
  const text = unfold(value);
  const fault = text === "" ? "is empty" : faultOf(text);
  if (fault !== undefined) return { ok: false, fault };
  return { ok: true, task: hyphenated(text) ?? text };
}

/** The part in canonical form: unfolded and trimmed. It may be empty. */
export function canonicalPart(value: string): PartResult {
  const part = unfold(value);
  const fault = faultOf(part);
  return fault === undefined ? { ok: true, part } : { ok: false, fault };
}

/** The namespace in canonical form: unfolded and trimmed. It may be empty. */
export function canonicalNamespace(value: string): NamespaceResult {
  const namespace = unfold(value);
  const fault = faultOf(namespace);
  return fault === undefined ? { ok: true, namespace } : { ok: false, fault };
}

/** @param task canonical */
export const isUuid = (task: string): boolean => hyphenated(task) === task;

function hyphenated(text: string): string | undefined {
  const match = UUID.exec(text);
  if (match === null || (match[1] === "{") !== (match[8] === "}")) return undefined;
  return [match[2], match[4], match[5], match[6], match[7]].join("-").toLowerCase();
}

/** What is wrong, as a predicate of the value. Positions count from 1. */
function faultOf(text: string): string | undefined {
  if (text.length > NAME_MAX) return `is ${text.length} characters long; at most ${NAME_MAX} are allowed`;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0x20 && code <= 0x7e) continue;
    const name = code > 0x7e && code !== 0x7f ? "character outside ASCII" : "control character";
    return `has a ${name} (U+${code.toString(16).toUpperCase().padStart(4, "0")}) at position ${at + 1}`;
  }
  return undefined;
}
