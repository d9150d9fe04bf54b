// The lines of a users file: `NAME:HASH`, blank lines, and comments ("#" first). A fault quotes only the name
// before a good hash, since the rest of a line may be a password by mistake.

import { USER_NAME } from "../identity/user-name.ts";
import { type PasswordHash, parseHash } from "./password.ts";

/** By name. */
export type UserHashes = ReadonlyMap<string, PasswordHash>;

export type UsersResult =
  | { readonly ok: true; readonly users: UserHashes }
  /** Each with its line: "line 3: …". */
  | { readonly ok: false; readonly faults: readonly string[] };

/** The fault of a user's name, as a predicate of it; undefined when it is right. */
export const userNameFault = (name: string): string | undefined =>
  USER_NAME.test(name) && !name.startsWith("#")
    ? undefined
    : 'is not 1 to 255 printable ASCII characters without space and ":", nor "#" at the beginning';

const isComment = (line: string): boolean => /^\s*(?:#|$)/.test(line);

/** The name on a line; undefined on a blank line and a comment, and where there is no colon. */
export const nameOn = (line: string): string | undefined =>
  isComment(line) ? undefined : /^([^:]*):/.exec(line)?.[1];

/** The hashes by name, or every fault. */
export function parseUsers(text: string): UsersResult {
  const users = new Map<string, PasswordHash>();
  const lines = new Map<string, number>();
  const faults: string[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trimEnd();
    const fault = (what: string): void => void faults.push(`line ${index + 1}: ${what}`);
    const name = nameOn(line);
    if (name === undefined) {
      if (!isComment(line)) fault('has no ":" between name and hash');
      continue;
    }
    const parsed = parseHash(line.slice(name.length + 1));
    const nameFault = userNameFault(name);
    if (nameFault !== undefined) fault(`the name ${nameFault}`);
    if (!parsed.ok) fault(`the hash ${parsed.fault}`);
    if (nameFault !== undefined || !parsed.ok) continue;
    const first = lines.get(name);
    if (first !== undefined) fault(`"${name}" is on line ${first} already`);
    else {
      lines.set(name, index + 1);
      users.set(name, parsed.hash);
    }
  }
  return faults.length === 0 ? { ok: true, users } : { ok: false, faults };
}
