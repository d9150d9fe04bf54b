// The lines of a tokens file: `NAME:ROLE:SHA256`. A token is random, so a plain digest of it can't be guessed back, and
// the file is of no use to anybody who reads it.
import { createHash } from "node:crypto";
import { encodeBase32 } from "../runtime/base32.ts";
import type { Random } from "../runtime/random.ts";
import { type LinesResult, parseLines } from "./named-lines.ts";

/** What a token allows. Whoever may operate may read too. */
export type Role = "read" | "operate";

export const ROLES: readonly Role[] = ["read", "operate"];

export interface TokenEntry {
  readonly role: Role;
  /** Of the token, SHA-256 in lower-case hexadecimal digits. */
  readonly digest: string;
}

/** As many bits as the digest has. A multiple of five octets. */
const TOKEN_OCTETS = 35;

/** Programs that look for secrets in a repository find it by its beginning. */
export const newToken = (random: Random): string => `mailonce_${encodeBase32(random.octets(TOKEN_OCTETS))}`;

export const digestOf = (token: string): string => createHash("sha256").update(token).digest("hex");

/** The tokens by name, or every fault. */
export const parseTokens = (text: string): LinesResult<TokenEntry> =>
  parseLines(text, "role", (value) => {
    const [role = "", digest = "", ...more] = value.split(":");
    const known = ROLES.find((one) => one === role);
    if (known === undefined) return { ok: false, fault: 'the role is neither "read" nor "operate"' };
    if (!/^[0-9a-f]{64}$/.test(digest) || more.length > 0) {
      return { ok: false, fault: "behind the role is no SHA-256 in 64 lower-case hexadecimal digits" };
    }
    return { ok: true, value: { role: known, digest } };
  });
