// Where a mailer wrote the task, and the gateway does not look: a field whose name is nearly right, or a line that
// turned out to be in the body. Pure; it only finds, for a warning.
import type { HeaderField } from "../message/header.ts";

/** Names that were looked at: each mail has the same ones, and clients may make up others. */
const ESSENCES_MAX = 1_000;
const essences = new Map<string, string>();

/** X-Task-Id, X_Task_Id, X-TaskId and Task-ID are one. */
function essence(name: string): string {
  const known = essences.get(name);
  if (known !== undefined) return known;
  const made = name
    .toLowerCase()
    .replace(/[-_. ]/g, "")
    .replace(/^x/, "");
  if (essences.size >= ESSENCES_MAX) essences.clear();
  essences.set(name, made);
  return made;
}

export interface NearName {
  /** The name that the message has, in lower case. */
  readonly field: string;
  /** The one that was meant, as given. */
  readonly wanted: string;
}

/**
 * The first field whose name is nearly one of `names` and none of them.
 *
 * @param names any case
 */
export function nearlyNamed(fields: readonly HeaderField[], names: readonly string[]): NearName | undefined {
  const exact = new Set(names.map((name) => name.toLowerCase()));
  const near = new Map(names.map((name) => [essence(name), name]));
  for (const { name } of fields) {
    const wanted = exact.has(name) ? undefined : near.get(essence(name));
    if (wanted !== undefined) return { field: name, wanted };
  }
  return undefined;
}

/**
 * The first of `names` with which a line of the octets begins, as a field does. What ends the header too early is a
 * byte order mark, an empty line or a line that is no field; the fields behind it are body.
 *
 * @param beginning of the body, CRLF line ends
 */
export function fieldInBody(beginning: Uint8Array, names: readonly string[]): string | undefined {
  const lines = Buffer.from(beginning).toString("latin1").toLowerCase().split("\r\n");
  const isField = (line: string, name: string): boolean =>
    line.startsWith(name) && line.slice(name.length).trimStart().startsWith(":");
  return names.find((name) => {
    const wanted = name.toLowerCase();
    // A byte order mark, as UTF-8 or as what a program made of it, stands before the first line's name.
    return lines.some((line) => isField(line.replace(/^[^\t\x20-\x7e]+/, ""), wanted));
  });
}
