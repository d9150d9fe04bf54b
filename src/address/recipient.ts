// The canonical form of a forward-path. Spellings that RFC 5321 calls the same become one; nothing that a
// receiver may tell apart (the case of the local-part, RFC 5321 §2.4) is touched.
import { isIPv4, isIPv6 } from "node:net";
import { canonicalDomain } from "./domain.ts";

export type RecipientResult =
  | { readonly ok: true; readonly recipient: string }
  | { readonly ok: false; readonly fault: string };

/**
 * The sum of RFC 5321 §4.5.3.1.1 and .2 (64 and 255) and the "@". A longer local-part with a short domain
 * passes, since addresses that encode another address in theirs exist.
 */
const PATH_MAX = 320;

/** RFC 5321 §4.1.2 Dot-string, with the characters that RFC 6531 §3.3 adds. */
const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\u{a0}-\\u{10ffff}-]";
const DOT_STRING = new RegExp(`^${ATEXT}+(?:\\.${ATEXT}+)*$`, "u");
/** Dots at the ends or in a row: against the grammar, and in use. Without quotes they stay without. */
const DOTS_ANYWHERE = new RegExp(`^(?:${ATEXT}|\\.)+$`, "u");
const QUOTABLE = /^[\x20-\x7e\u{a0}-\u{10ffff}]*$/u;
/** Half a character: in UTF-8 all of them would become the same replacement. */
const SURROGATE = /\p{Surrogate}/u;

/**
 * The recipient in canonical form: the local-part without quotes and backslashes that it doesn't need, the
 * domain in lower-case A-labels. Address literals and `postmaster` without a domain are taken too.
 *
 * @param forwardPath without angle brackets
 */
export function canonicalRecipient(forwardPath: string): RecipientResult {
  const fault = (text: string): RecipientResult => ({ ok: false, fault: text });
  if (forwardPath === "") return fault("is empty");
  if (forwardPath.length > PATH_MAX) {
    return fault(`is ${forwardPath.length} characters long; at most ${PATH_MAX} are allowed`);
  }
  if (SURROGATE.test(forwardPath)) return fault("has half a character");
  // RFC 5321 §4.5.1: the one mailbox that needs no domain, in any case.
  if (forwardPath.toLowerCase() === "postmaster") return { ok: true, recipient: "postmaster" };

  const quoted = forwardPath.startsWith('"');
  const at = quoted ? endOfQuotes(forwardPath) : forwardPath.lastIndexOf("@");
  if (at < 0) return fault(quoted ? "has quotes that aren't closed before an @" : "has no domain");
  const local = canonicalLocalPart(forwardPath.slice(0, at), quoted);
  if (local === undefined) return fault("has no valid local-part");
  const domain = canonicalHost(forwardPath.slice(at + 1));
  if (domain === undefined) return fault("has no valid domain");
  return { ok: true, recipient: `${local}@${domain}` };
}

/** The offset of the "@" after the quoted local-part, or -1. */
function endOfQuotes(path: string): number {
  for (let at = 1; at < path.length; at++) {
    if (path[at] === "\\") at++;
    else if (path[at] === '"') return path[at + 1] === "@" ? at + 1 : -1;
  }
  return -1;
}

function canonicalLocalPart(local: string, quoted: boolean): string | undefined {
  const inner = quoted ? local.slice(1, -1) : local;
  const content = inner.replace(/\\(.)/gsu, "$1");
  if (DOT_STRING.test(content)) return content;
  if (!quoted && DOTS_ANYWHERE.test(content)) return content;
  // RFC 821 allowed a backslash instead of quotes.
  if (!quoted && content === inner) return undefined;
  return QUOTABLE.test(content) ? `"${content.replace(/["\\]/g, "\\$&")}"` : undefined;
}

function canonicalHost(host: string): string | undefined {
  if (!host.startsWith("[")) return canonicalDomain(host);
  const literal = host.toLowerCase();
  if (!literal.endsWith("]")) return undefined;
  const address = literal.slice(1, -1);
  const valid = address.startsWith("ipv6:") ? isIPv6(address.slice(5)) : isIPv4(address);
  return valid && !address.includes("%") ? literal : undefined;
}
