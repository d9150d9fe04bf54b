// Identity, version 1: the ledger's key and the Message-ID of one mail of one task to one recipient.
// Frozen by fixtures/vectors/message-id.json; a change here is a new version, never an edit.
import { createHmac } from "node:crypto";
import { encodeBase32 } from "../runtime/base32.ts";

/** 32 characters of lower-case base32: 20 octets of HMAC-SHA-256. The ledger's key. */
export type Id = string;

/** Octets of an id before it is written as base32. */
export const ID_OCTETS = 20;

export interface IdentityParts {
  /** The configured secret, or empty. */
  readonly secret: string;
  readonly namespace: string;
  /** In canonical form, from canonicalTask(). */
  readonly task: string;
  /** In canonical form, from canonicalRecipient(). */
  readonly recipient: string;
  /** Empty for most mails. */
  readonly part: string;
}

/**
 * NUL separates the fields, and no field can contain one (canonical forms are printable). So no two mails
 * share a text by moving a character from one field to the next.
 */
export function deriveId(parts: IdentityParts): Id {
  const text = `mailonce-1\0${parts.namespace}\0${parts.task}\0${parts.recipient}\0${parts.part}`;
  const mac = createHmac("sha256", parts.secret).update(text, "utf8").digest();
  return encodeBase32(mac.subarray(0, ID_OCTETS));
}

/** RFC 5322 §3.6.4 msg-id, angle brackets included. `idRight` is a domain in A-labels. */
export function messageIdOf(id: Id, idRight: string): string {
  return `<${id}@${idRight}>`;
}
