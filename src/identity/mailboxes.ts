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
export const mailboxDomains = (from: string): (string | undefined)[] =>
  addressparser(from.slice(0, FROM_MAX), { flatten: true }).map(({ address }) => domainOf(address));

/** Whether all of it is read. */
export const isReadable = (from: string): boolean => from.length <= FROM_MAX;

/** @param mailbox without angle brackets */
export function domainOf(mailbox: string): string | undefined {
  const at = mailbox.lastIndexOf("@");
  return at < 0 ? undefined : canonicalDomain(mailbox.slice(at + 1));
}
