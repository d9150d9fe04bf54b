// What a client may submit: sender, From, recipients, and how much in an hour. MAIL and RCPT decide; only
// From has to wait for the header.

import { allDomains } from "../address/mailboxes.ts";
import { addressKey } from "../address/networks.ts";
import { type AddressPatterns, addressPatterns } from "../address/pattern.ts";
import type { Config, UserConfig } from "../config/config.ts";
import type { SesNames } from "../message/ses-fields.ts";
import { createQuota, type Quota } from "./quota.ts";
import { type AllowedSesNames, forbiddenSesName } from "./ses-names.ts";

/** The submitter: their address, and the name under which they have authenticated. */
export interface Submitter {
  readonly address: string;
  readonly user?: string | undefined;
}

/** Why something may not be submitted: never, or not now. */
export interface Refusal {
  readonly kind: "never" | "now";
  /** For the client and the log. */
  readonly reason: string;
}

export interface Policy {
  /** What keeps this submitter's tasks apart from those of others. */
  namespaceOf(user: string | undefined): string;
  recipientsMaxOf(user: string | undefined): number;
  /** At MAIL; counts a message. @param reversePath canonical, empty for the null one */
  mail(submitter: Submitter, reversePath: string): Refusal | undefined;
  /** At RCPT; counts a recipient. @param recipient canonical */
  recipient(submitter: Submitter, recipient: string): Refusal | undefined;
  /** After the header. @param from the values of all From fields, unfolded */
  from(user: string | undefined, from: readonly string[]): Refusal | undefined;
  /** After the header. @param names what it names to SES */
  sesNames(user: string | undefined, names: SesNames): Refusal | undefined;
}

/** One user's rules, or the rules for all users that have none. */
interface Rules {
  readonly reversePaths: AddressPatterns | undefined;
  readonly fromDomains: AddressPatterns | undefined;
  readonly allowed: AddressPatterns | undefined;
  readonly denied: AddressPatterns | undefined;
  readonly sesNames: AllowedSesNames;
  readonly recipientsMax: number;
  readonly messages: Quota | undefined;
  readonly recipients: Quota | undefined;
}

const HOUR_MS = 3_600_000;

export function createPolicy({ policy, users, identity, smtp }: Config): Policy {
  const patternsOf = (texts: readonly string[] | undefined) =>
    texts === undefined || texts.length === 0 ? undefined : addressPatterns(texts);
  const setOf = (texts: readonly string[] | undefined) => (texts === undefined ? undefined : new Set(texts));
  const quotaOf = (points: number | undefined) =>
    points === undefined ? undefined : createQuota({ points, perMs: HOUR_MS });
  const rulesFor = (own: UserConfig): Rules => ({
    reversePaths: patternsOf(own.reverse_paths ?? policy.reverse_paths),
    fromDomains: patternsOf(own.from_domains ?? policy.from_domains),
    allowed: patternsOf(own.allowed_recipients ?? policy.allowed_recipients),
    denied: patternsOf([...(policy.denied_recipients ?? []), ...(own.denied_recipients ?? [])]),
    sesNames: {
      configurationSets: setOf(own.ses_configuration_sets ?? policy.ses_configuration_sets),
      tenants: setOf(own.ses_tenants ?? policy.ses_tenants),
      contactLists: setOf(own.ses_contact_lists ?? policy.ses_contact_lists),
      tags: setOf(own.ses_tags ?? policy.ses_tags),
    },
    recipientsMax: Math.min(
      own.recipients_max ?? policy.recipients_max ?? smtp.recipients_max,
      smtp.recipients_max,
    ),
    messages: quotaOf(own.messages_per_hour ?? policy.messages_per_hour),
    recipients: quotaOf(own.recipients_per_hour ?? policy.recipients_per_hour),
  });
  const everybody = rulesFor({});
  const rulesOfUsers = new Map(Object.entries(users).map(([name, own]) => [name, rulesFor(own)]));
  const rulesOf = (user: string | undefined): Rules =>
    (user === undefined ? undefined : rulesOfUsers.get(user)) ?? everybody;
  const namespaces = new Map(Object.entries(users).map(([name, { namespace }]) => [name, namespace]));
  const addressMessages = quotaOf(policy.address_messages_per_hour);
  const addressRecipients = quotaOf(policy.address_recipients_per_hour);

  /** Takes one from both; without authentication the address counts as the user. */
  const take = (
    { address, user }: Submitter,
    ofUser: Quota | undefined,
    ofAddress: Quota | undefined,
    what: string,
  ): Refusal | undefined => {
    if (ofUser === undefined && ofAddress === undefined) return undefined;
    const place = addressKey(address);
    // The two kinds of keys are kept apart: a user may be named like an address.
    if (ofUser !== undefined && !ofUser.consume(user === undefined ? `@${place}` : `:${user}`)) {
      return { kind: "now", reason: `too many ${what} this hour` };
    }
    if (ofAddress !== undefined && !ofAddress.consume(place)) {
      return { kind: "now", reason: `too many ${what} from this address this hour` };
    }
    return undefined;
  };

  return {
    namespaceOf(user) {
      const own = user === undefined ? undefined : namespaces.get(user);
      return own ?? (identity.namespace === "" ? (user ?? "") : identity.namespace);
    },

    recipientsMaxOf: (user) => rulesOf(user).recipientsMax,

    mail(submitter, reversePath) {
      const { reversePaths, messages } = rulesOf(submitter.user);
      if (reversePaths !== undefined && !reversePaths.has(reversePath)) {
        return { kind: "never", reason: "this reverse-path is not yours to use" };
      }
      return take(submitter, messages, addressMessages, "messages");
    },

    recipient(submitter, recipient) {
      const { allowed, denied, recipients } = rulesOf(submitter.user);
      if (denied?.has(recipient) === true || allowed?.has(recipient) === false) {
        return { kind: "never", reason: "no mail to this recipient from here" };
      }
      return take(submitter, recipients, addressRecipients, "recipients");
    },

    from(user, values) {
      const { fromDomains } = rulesOf(user);
      if (fromDomains === undefined) return undefined;
      const refused = (reason: string): Refusal => ({ kind: "never", reason });
      // RFC 5322 §3.6: once. With two, a receiver may show the one that was not checked.
      if (values.length !== 1) return refused(`${values.length} From fields; one is needed`);
      const [value = ""] = values;
      const domains = allDomains(value) ?? [];
      if (domains.length === 0) return refused("From is no list of mailboxes as RFC 5322 has it");
      const mayUse = (domain: string | undefined): boolean =>
        domain !== undefined && fromDomains.hasDomain(domain);
      return domains.every(mayUse) ? undefined : refused("From has a domain that is not yours to use");
    },

    sesNames(user, names) {
      const forbidden = forbiddenSesName(rulesOf(user).sesNames, names);
      return forbidden === undefined
        ? undefined
        : { kind: "never", reason: `this SES ${forbidden} is not yours to use` };
    },
  };
}
