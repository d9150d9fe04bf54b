// The digest by which the ledger distinguishes a conflict (another mail of the same id) from a repeat, and a
// repeat with the same body from one whose body was rendered again. It holds no address and no subject.
import { createHash, hash } from "node:crypto";
import { decodeWords } from "../address/encoded-words.ts";
import { mailboxList } from "../address/mailboxes.ts";

/** Octets of each half: From and Subject, then the body. Together they are the ledger's DIGEST_OCTETS. */
export const HALF_DIGEST_OCTETS = 8;

/** Of one mail; each of 16 octets. */
export interface MailDigests {
  /** From and Subject as people read them. */
  readonly digest: Uint8Array;
  /** From and Subject as they are written: what 0.1.0 has put into the ledger. Mostly the same object. */
  readonly formerDigest: Uint8Array;
}

export interface MailDigest {
  /** Takes the next octets of the body. */
  body(chunk: Uint8Array): void;
  /** To be called once, after the last of the body. */
  digests(): MailDigests;
}

/**
 * Two writers of one mail write its From and Subject differently: in quotes or not, as encoded words of one or the other
 * kind, folded here or there.
 *
 * @param from unfolded value of the field, or undefined where the message has no such field
 * @param subject so too
 */
export function createMailDigest(from: string | undefined, subject: string | undefined): MailDigest {
  const body = createHash("sha256");
  const written = [collapsed(from), collapsed(subject)] as const;
  const read = [collapsed(mailboxList(written[0])), collapsed(decodeWords(written[1]))] as const;
  return {
    body: (chunk) => {
      body.update(chunk);
    },
    digests() {
      const ofBody = body.digest();
      const digest = joined(read, ofBody);
      const isAsWritten = read.every((text, index) => text === written[index]);
      return { digest, formerDigest: isAsWritten ? digest : joined(written, ofBody) };
    },
  };
}

function joined([from, subject]: readonly [string, string], ofBody: Uint8Array): Uint8Array {
  // NUL parts the two, and neither can hold one: it counts as white space.
  const ofHeader = hash("sha256", `${from}\0${subject}`, "buffer");
  // The claim holds it as long as the mail is queued: a slice of Node's pool would hold 8 KB with it.
  const octets = new Uint8Array(2 * HALF_DIGEST_OCTETS);
  octets.set(ofHeader.subarray(0, HALF_DIGEST_OCTETS));
  octets.set(ofBody.subarray(0, HALF_DIGEST_OCTETS), HALF_DIGEST_OCTETS);
  return octets;
}

/** True when `known`, of the ledger, is of a mail with the same From and Subject. */
export function sameFromAndSubject(known: Uint8Array, { digest, formerDigest }: MailDigests): boolean {
  return sameFirstHalf(known, digest) || (formerDigest !== digest && sameFirstHalf(known, formerDigest));
}

function sameFirstHalf(a: Uint8Array, b: Uint8Array): boolean {
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
