// Patterns of mail addresses in the policy: one mailbox, a domain, a domain with all below it, or the null
// reverse-path. Case never matters here: what a rule denies stays denied in capitals.
import { canonicalDomain } from "./domain.ts";
import { canonicalRecipient } from "./recipient.ts";

/** What is wrong with a pattern, or undefined. */
export const addressPatternFault = (text: string): string | undefined =>
  canonicalPattern(text) === undefined
    ? `"${text}" is no address, no domain, no "*.domain" and not "<>"`
    : undefined;

/** Addresses and domains that a list of patterns names. */
export interface AddressPatterns {
  /** @param address canonical (see canonicalRecipient); empty is the null reverse-path */
  has(address: string): boolean;
  /** @param domain in lower-case A-labels */
  hasDomain(domain: string): boolean;
}

/** @param texts each without a fault */
export function addressPatterns(texts: readonly string[]): AddressPatterns {
  const patterns = new Set(texts.map(canonicalPattern));
  const hasDomain = (domain: string): boolean => {
    if (patterns.has(domain)) return true;
    for (let dot = domain.indexOf("."); dot >= 0; dot = domain.indexOf(".", dot + 1)) {
      if (patterns.has(`*${domain.slice(dot)}`)) return true;
    }
    return false;
  };
  return {
    hasDomain,
    has(address) {
      if (address === "") return patterns.has("<>");
      if (patterns.has(address.toLowerCase())) return true;
      return hasDomain(address.slice(address.lastIndexOf("@") + 1));
    },
  };
}

function canonicalPattern(text: string): string | undefined {
  if (text === "<>") return text;
  if (text.includes("@")) {
    const canonical = canonicalRecipient(text);
    return canonical.ok ? canonical.recipient.toLowerCase() : undefined;
  }
  const below = text.startsWith("*.");
  const domain = canonicalDomain(below ? text.slice(2) : text);
  return domain === undefined ? undefined : `${below ? "*." : ""}${domain}`;
}
