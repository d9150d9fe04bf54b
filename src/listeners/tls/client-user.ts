// Which user a client's certificate names.
import type { TLSSocket } from "node:tls";
import { USER_NAME } from "../../identity/user-name.ts";

/**
 * One alternative name, as Node.js writes them: `DNS:a.example, email:"a, b"`. Quotes are there when the value
 * could be taken for several names.
 */
const ALTERNATIVE_NAME = /([^:,"]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/gy;

/**
 * The user that a client's verified certificate names: the common name of its subject when that can be a
 * user name, else its first DNS or mail address among the alternative names (RFC 5280 §4.2.1.6).
 *
 * @returns undefined unless an authority of the listener vouches for the certificate, no list revokes it, and
 *   it names somebody
 */
export function clientUser(socket: TLSSocket): string | undefined {
  // Without a certificate, a session can still be called authorized: a resumed one of TLS 1.3.
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  // Several common names are a list here, and none of them is the one.
  const common: unknown = socket.getPeerCertificate().subject?.CN;
  if (typeof common === "string" && USER_NAME.test(common)) return common;
  const names = certificate.subjectAltName ?? "";
  for (const [, kind, value = ""] of names.matchAll(ALTERNATIVE_NAME)) {
    if ((kind === "DNS" || kind === "email") && !value.startsWith('"') && USER_NAME.test(value)) return value;
  }
  return undefined;
}
