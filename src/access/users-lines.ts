// The lines of a users file: `NAME:HASH`.
import { type LinesResult, parseLines } from "./named-lines.ts";
import { type PasswordHash, parseHash } from "./password.ts";

/** The hashes by name, or every fault. */
export const parseUsers = (text: string): LinesResult<PasswordHash> =>
  parseLines(text, "hash", (hash) => {
    const parsed = parseHash(hash);
    return parsed.ok ? { ok: true, value: parsed.hash } : { ok: false, fault: `the hash ${parsed.fault}` };
  });
