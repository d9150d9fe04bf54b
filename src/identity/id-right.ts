// The right side of the Message-ID: whose mail it is. It is no part of the id, so a change here doubles
// nothing.
import { canonicalDomain } from "../address/domain.ts";
import { domainOf, mailboxDomains } from "../address/mailboxes.ts";

export interface IdRightSources {
  /** The unfolded value of From; undefined when there is none. */
  readonly from: string | undefined;
  /** Without angle brackets; empty for the null reverse-path. */
  readonly reversePath: string;
  /** The gateway's own name. */
  readonly hostname: string;
}

/**
 * The domain of the From mailbox; failing that of the reverse-path; failing that the hostname. Only a
 * domain in A-labels counts (no address literal): receivers replace a Message-ID with anything else in it.
 * "localhost" when even the hostname is none.
 */
export const idRightOf = (sources: IdRightSources): string =>
  idRightFor(senderDomainsOf(sources), sources.hostname);

/** As idRightOf, for who knows the sender's domains. */
export const idRightFor = ({ from, reversePath }: SenderDomains, hostname: string): string =>
  from ?? reversePath ?? canonicalDomain(hostname) ?? "localhost";

/** The domains by which a mail is routed, in A-labels; absent where there is none. */
export interface SenderDomains {
  /** Of the first mailbox in From that has one. */
  readonly from?: string | undefined;
  readonly reversePath?: string | undefined;
}

export const senderDomainsOf = ({ from, reversePath }: Omit<IdRightSources, "hostname">): SenderDomains => ({
  from: domainOfFrom(from),
  reversePath: domainOf(reversePath),
});

/** The domain of the first mailbox that has a valid one. */
export const domainOfFrom = (from: string | undefined): string | undefined =>
  from === undefined ? undefined : mailboxDomains(from).find((domain) => domain !== undefined);
