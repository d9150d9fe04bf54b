// The right side of the Message-ID: whose mail it is. It is no part of the id, so a change here doubles
// nothing. nodemailer's address parser is imported here and nowhere else.
import addressparser from "nodemailer/lib/addressparser";
import { canonicalDomain } from "./domain.ts";

export interface IdRightSources {
  /** The unfolded value of From; undefined when there is none. */
  readonly from: string | undefined;
  /** Without angle brackets; empty for the null reverse-path. */
  readonly reversePath: string;
  /** The gateway's own name. */
  readonly hostname: string;
}

/**
 * A From this long holds hundreds of mailboxes; the first decides, and parsing the rest would be work that
 * a client can order.
 */
const FROM_MAX = 8192;

/**
 * The domain of the From mailbox; failing that of the reverse-path; failing that the hostname. Only a
 * domain in A-labels counts (no address literal): receivers replace a Message-ID with anything else in it.
 * "localhost" when even the hostname is none.
 */
export function idRightOf(sources: IdRightSources): string {
  return (
    domainOfFrom(sources.from) ??
    domainOf(sources.reversePath) ??
    canonicalDomain(sources.hostname) ??
    "localhost"
  );
}

/** The domains by which a mail is routed, in A-labels; absent where there is none. */
export interface SenderDomains {
  /** Of the first mailbox in From that has one. */
  readonly from?: string;
  readonly reversePath?: string;
}

export function senderDomainsOf({ from, reversePath }: Omit<IdRightSources, "hostname">): SenderDomains {
  const [ofFrom, ofReversePath] = [domainOfFrom(from), domainOf(reversePath)];
  return {
    ...(ofFrom === undefined ? {} : { from: ofFrom }),
    ...(ofReversePath === undefined ? {} : { reversePath: ofReversePath }),
  };
}

/** The domain of the first mailbox that has a valid one. */
export function domainOfFrom(from: string | undefined): string | undefined {
  if (from === undefined) return undefined;
  for (const mailbox of addressparser(from.slice(0, FROM_MAX), { flatten: true })) {
    const domain = domainOf(mailbox.address);
    if (domain !== undefined) return domain;
  }
  return undefined;
}

function domainOf(mailbox: string): string | undefined {
  const at = mailbox.lastIndexOf("@");
  return at < 0 ? undefined : canonicalDomain(mailbox.slice(at + 1));
}
