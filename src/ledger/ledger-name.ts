// What a ledger is known by outside of it: a random name that its mails carry to an upstream, so that what the upstream
// says about them later can be told from what it says about the mails of another ledger. Pure.
import { createHash } from "node:crypto";
import { encodeBase32 } from "../runtime/base32.ts";

/** 80 bits: no two of a million ledgers meet. 16 characters of base32. */
export const LEDGER_NAME_OCTETS = 10;

export const isLedgerName = (text: string): boolean => /^[a-z2-7]{16}$/.test(text);

/**
 * Of a ledger that several gateways share: they have agreed on its salt when the first of them opened it, and whatever
 * keeps that keeps the name. Nothing about the salt can be read from the name.
 */
export function sharedLedgerName(salt: string): string {
  const digest = createHash("sha256").update(`mailonce ledger name\0${salt}`).digest();
  return encodeBase32(digest.subarray(0, LEDGER_NAME_OCTETS));
}
