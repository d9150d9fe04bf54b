// Finds a task that a mailer wrote where the gateway does not read it: in a field whose name is nearly right,
// or in a line of the body. Pure, and only for a warning.
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

/** One letter more, less, or another one, or two letters the other way round. */
function isTypo(name: string, meant: string): boolean {
  if (Math.abs(name.length - meant.length) > 1) return false;
  let start = 0;
  while (start < name.length && name[start] === meant[start]) start++;
  const [rest, wanted] = [name.slice(start), meant.slice(start)];
  return (
    rest.slice(1) === wanted.slice(1) ||
    rest.slice(1) === wanted ||
    rest === wanted.slice(1) ||
    (rest.slice(2) === wanted.slice(2) && rest[0] === wanted[1] && rest[1] === wanted[0])
  );
}

/**
 * The first field whose name is nearly one of `names` and none of them: other separators, with X- or without, or one
 * letter wrong.
 *
 * @param names any case
 */
export function nearlyNamed(fields: readonly HeaderField[], names: readonly string[]): NearName | undefined {
  const exact = new Set(names.map((name) => name.toLowerCase()));
  const near = new Map(names.map((name) => [essence(name), name]));
  for (const { name } of fields) {
    if (exact.has(name)) continue;
    const found = essence(name);
    const meant = near.has(found) ? found : [...near.keys()].find((one) => isTypo(found, one));
    if (meant !== undefined) return { field: name, wanted: near.get(meant) as string };
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
    // A byte order mark, in UTF-8 or as a program has garbled it, comes before the first line's name.
    return lines.some((line) => isField(line.replace(/^[^\t\x20-\x7e]+/, ""), wanted));
  });
}
