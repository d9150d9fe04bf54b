// A file with a line for each name: `NAME:VALUE`, blank lines, and comments ("#" first). A fault quotes only the name
// before a good value, since the rest of a line may be a password by mistake.
import { USER_NAME } from "../identity/user-name.ts";

export type LinesResult<T> =
  | { readonly ok: true; readonly values: ReadonlyMap<string, T> }
  /** Each with its line: "line 3: …". */
  | { readonly ok: false; readonly faults: readonly string[] };

export type ValueResult<T> =
  | { readonly ok: true; readonly value: T }
  /** A predicate, with its subject: "the hash is cut short". */
  | { readonly ok: false; readonly fault: string };

/** The fault of a name, as a predicate of it; undefined when it is right. */
export const nameFaultOf = (name: string): string | undefined =>
  USER_NAME.test(name) && !name.startsWith("#")
    ? undefined
    : 'is not 1 to 255 printable ASCII characters without space and ":", nor "#" at the beginning';

const isComment = (line: string): boolean => /^\s*(?:#|$)/.test(line);

/** The name on a line; undefined on a blank line and a comment, and where there is no colon. */
export const nameOn = (line: string): string | undefined =>
  isComment(line) ? undefined : /^([^:]*):/.exec(line)?.[1];

/** The values by name, or every fault. @param valueWord what comes behind the colon */
export function parseLines<T>(
  text: string,
  valueWord: string,
  parseValue: (text: string, name: string) => ValueResult<T>,
): LinesResult<T> {
  const values = new Map<string, T>();
  const lines = new Map<string, number>();
  const faults: string[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trimEnd();
    const fault = (what: string): void => void faults.push(`line ${index + 1}: ${what}`);
    const name = nameOn(line);
    if (name === undefined) {
      if (!isComment(line)) fault(`has no ":" between name and ${valueWord}`);
      continue;
    }
    const parsed = parseValue(line.slice(name.length + 1), name);
    const nameFault = nameFaultOf(name);
    if (nameFault !== undefined) fault(`the name ${nameFault}`);
    if (!parsed.ok) fault(parsed.fault);
    if (nameFault !== undefined || !parsed.ok) continue;
    const first = lines.get(name);
    if (first !== undefined) fault(`"${name}" is on line ${first} already`);
    else {
      lines.set(name, index + 1);
      values.set(name, parsed.value);
    }
  }
  return faults.length > 0 ? { ok: false, faults } : { ok: true, values };
}
