// The mailboxes of From. nodemailer's address parser is imported here and nowhere else.
import addressparser from "nodemailer/lib/addressparser";
import { canonicalDomain } from "./domain.ts";

/**
 * A From this long holds hundreds of mailboxes; parsing the rest would be work that a client can order.
 */
const FROM_MAX = 8192;

/**
 * The domain of each mailbox, in lower-case A-labels, in their order; undefined for one that has no valid
 * domain (no address, an address literal).
 *
 * @param from the unfolded value of the field, of which the first 8192 characters are read
 */
export function mailboxDomains(from: string): (string | undefined)[] {
  const plain = PLAIN_MAILBOX.exec(from);
  if (plain !== null) return [canonicalDomain((plain[1] ?? plain[2]) as string)];
  return addressparser(from.slice(0, FROM_MAX), { flatten: true }).map(({ address }) => domainOf(address));
}

/** One mailbox, with or without a name in front, and nothing to quote: most mail. The parser says the same. */
const PLAIN_MAILBOX = /^(?:[\w.+-]{1,64}@([\w.-]{1,253})|[\w .-]{0,200}<[\w.+-]{1,64}@([\w.-]{1,253})>)$/;

/** Whether all of it is read. */
export const isReadable = (from: string): boolean => from.length <= FROM_MAX;

/** @param mailbox without angle brackets */
export function domainOf(mailbox: string): string | undefined {
  const at = mailbox.lastIndexOf("@");
  return at < 0 ? undefined : canonicalDomain(mailbox.slice(at + 1));
}
