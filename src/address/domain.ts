// Domains as they enter an identity: lower case, every label an A-label (RFC 5890 §2.3.2.1).
import { domainToASCII } from "node:url";

/** RFC 1035 §2.3.4, without the length octets and the root label. */
const DOMAIN_MAX = 253;

/**
 * RFC 5321 §4.1.2 sub-domain, and the underscore, which names in private networks do have: to refuse a
 * mail for it would help nobody.
 */
const DOMAIN = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

const ASCII = /^[\x20-\x7e]*$/;

/**
 * The domain in lower-case A-labels, or undefined when it is not one. Takes A-labels and U-labels, as
 * smtp-server hands on the one for the other.
 */
export function canonicalDomain(domain: string): string | undefined {
  // domainToASCII reads a host as a browser does: it decodes "%6d" and takes "0x7f.1" for 127.0.0.1. So it
  // sees only what needs it.
  const ascii = ASCII.test(domain) ? domain.toLowerCase() : browserSafe(domain);
  return ascii.length <= DOMAIN_MAX && DOMAIN.test(ascii) ? ascii : undefined;
}

function browserSafe(domain: string): string {
  return domain.includes("%") ? "" : domainToASCII(domain);
}
