// Digests of the settings that ids are derived from, so that a start can tell that they are other ones than before,
// or than another gateway's. Nothing that is kept says what they are: a secret is stretched by scrypt first.
import { createHash, createHmac, scryptSync } from "node:crypto";

/** What ids are derived from, beside the mail. */
export interface IdentityRules {
  /** Empty when none is set. */
  readonly secret: string;
  /** Where a task and a part are read from, in their order. */
  readonly fields: readonly string[];
  /** The namespace, and those of users, in a fixed order. */
  readonly namespaces: readonly string[];
}

/** Hexadecimal digits, one for each setting. */
export interface IdentityDigests {
  readonly secret: string;
  readonly fields: string;
  readonly namespaces: string;
}

/**
 * scrypt's N; r=8 and p=1 (RFC 7914 §2): 16 MiB and some 40 ms, once a start. It guards a secret that a person made
 * up; one of chance needs no stretching.
 */
const COST = 2 ** 14;

/** Of which the first half is kept, and the second is the key of the other digests. */
const KEY_OCTETS = 64;

/** @param salt another one for each ledger, so that no digest can be looked up in a table made before */
export function digestIdentity({ secret, fields, namespaces }: IdentityRules, salt: string): IdentityDigests {
  const stretched =
    secret === ""
      ? createHash("sha512").update(`no secret\0${salt}`).digest()
      : scryptSync(secret, `mailonce identity\0${salt}`, KEY_OCTETS, { N: COST });
  const key = stretched.subarray(KEY_OCTETS / 2);
  const digest = (name: string, values: readonly string[]) =>
    createHmac("sha256", key)
      .update(JSON.stringify([name, ...values]))
      .digest("hex");
  return {
    secret: stretched.toString("hex", 0, KEY_OCTETS / 2),
    fields: digest("fields", fields),
    namespaces: digest("namespaces", namespaces),
  };
}
