// The digest by which the ledger distinguishes a conflict (another mail of the same id) from a repeat, and a
// repeat with the same body from one whose body was rendered again. It holds no address and no subject.
import { createHash, hash } from "node:crypto";

/** Octets of each half: From and Subject, then the body. Together they are the ledger's DIGEST_OCTETS. */
export const HALF_DIGEST_OCTETS = 8;

export interface MailDigest {
  /** Takes the next octets of the body. */
  body(chunk: Uint8Array): void;
  /** The 16 octets; to be called once, after the last of the body. */
  digest(): Uint8Array;
}

/** Unfolded field values, or undefined where the message has no such field. */
export function createMailDigest(from: string | undefined, subject: string | undefined): MailDigest {
  const body = createHash("sha256");
  // NUL parts the two, and canonical values can't hold one: white space around the colon doesn't count.
  const header = hash("sha256", `${collapsed(from)}\0${collapsed(subject)}`, "buffer");
  return {
    body: (chunk) => {
      body.update(chunk);
    },
    digest() {
      // The claim holds it as long as the mail is queued: a slice of Node's pool would hold 8 KB with it.
      const octets = new Uint8Array(2 * HALF_DIGEST_OCTETS);
      octets.set(header.subarray(0, HALF_DIGEST_OCTETS));
      octets.set(body.digest().subarray(0, HALF_DIGEST_OCTETS), HALF_DIGEST_OCTETS);
      return octets;
    },
  };
}

/** True when the digests are of mails with the same From and Subject. */
export function sameFromAndSubject(a: Uint8Array, b: Uint8Array): boolean {
  const half = HALF_DIGEST_OCTETS;
  return Buffer.compare(a.subarray(0, half), b.subarray(0, half)) === 0;
}

/** True when the digests are of mails with the same body. */
export function sameBody(a: Uint8Array, b: Uint8Array): boolean {
  const half = HALF_DIGEST_OCTETS;
  return Buffer.compare(a.subarray(half), b.subarray(half)) === 0;
}

function collapsed(value: string | undefined): string {
  return (value ?? "").replace(/[\0\s]+/g, " ").trim();
}
