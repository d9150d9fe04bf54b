// Signature Version 4, by which AWS knows who sends a request: read and verified here, as SES does. Which key has which
// secret is the caller's.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** A request as it came, before anything was decoded. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Names and values in turn, as in `rawHeaders` of Node.js. */
  readonly rawHeaders: readonly string[];
  /** SHA-256 of the body, in lower-case hexadecimal digits. */
  readonly bodyDigest: string;
}

/** What an Authorization header says. */
export interface Authorization {
  readonly keyId: string;
  /** YYYYMMDD. */
  readonly day: string;
  readonly region: string;
  /** Lower-case names, in the order that was signed. */
  readonly signedHeaders: readonly string[];
  /** 64 hexadecimal digits. */
  readonly signature: string;
}

/** `malformed`: it can't be verified; `mismatch`: another secret or another request; `expired`: signed too long ago, or ahead. */
export type SignatureFault = { readonly kind: "malformed" | "mismatch" | "expired"; readonly text: string };

/** As AWS: a request may be so much older or younger than our clock. */
const SKEW_MS = 15 * 60_000;

const ALGORITHM = "AWS4-HMAC-SHA256";

/** No more headers than any SDK signs, so that a request costs no more than one. */
const SIGNED_MAX = 64;

/**
 * Reads the header of the form that all SDKs send; a request that is signed in its query has none.
 *
 * @returns undefined where it has another form, or is for another service than SES
 */
export function readAuthorization(header: string): Authorization | undefined {
  const [, algorithm, rest = ""] = /^(\S+)\s+(.*)$/.exec(header.trim()) ?? [];
  if (algorithm !== ALGORITHM) return undefined;
  const parts = new Map(
    rest.split(",").map((part) => {
      const [name = "", ...value] = part.trim().split("=");
      return [name, value.join("=")];
    }),
  );
  const [keyId, day, region, service, end, ...more] = parts.get("Credential")?.split("/") ?? [];
  const signedHeaders = parts.get("SignedHeaders")?.split(";") ?? [];
  const signature = parts.get("Signature");
  if (keyId === undefined || keyId === "" || day === undefined || region === undefined) return undefined;
  if (service !== "ses" || end !== "aws4_request" || more.length > 0) return undefined;
  if (!/^\d{8}$/.test(day) || signature === undefined || !/^[0-9a-f]{64}$/.test(signature)) return undefined;
  if (signedHeaders.length > SIGNED_MAX || signedHeaders.some((name) => !/^[!-~]+$/.test(name)))
    return undefined;
  return { keyId, day, region, signedHeaders, signature };
}

/** @param date as in X-Amz-Date */
export function isFresh(date: string, now: number): boolean {
  const at = timeOf(date);
  return at !== undefined && Math.abs(now - at) <= SKEW_MS;
}

/**
 * Verifies a request. One that says the hash of its body must say the right one, so one with an unsigned body is a mismatch.
 *
 * @param now milliseconds since the epoch
 * @returns undefined when the holder of the secret has signed just this request, within 15 minutes
 */
export function signatureFault(
  request: SignedRequest,
  authorization: Authorization,
  secret: string,
  now: number,
): SignatureFault | undefined {
  const headers = headersOf(request.rawHeaders);
  const { day, region, signedHeaders, signature } = authorization;
  const malformed = (text: string): SignatureFault => ({ kind: "malformed", text });
  for (const name of ["host", "x-amz-date"]) {
    if (!signedHeaders.includes(name) || !headers.has(name)) return malformed(`${name} is not signed`);
  }
  const date = headers.get("x-amz-date") as string;
  if (timeOf(date) === undefined || !date.startsWith(day)) {
    return malformed("X-Amz-Date is no date, or not of the day in the credential's scope");
  }
  const said = headers.get("x-amz-content-sha256");
  if (said !== undefined && said !== request.bodyDigest) {
    return { kind: "mismatch", text: "X-Amz-Content-SHA256 is not the hash of the body" };
  }
  const [path = "", query = ""] = splitOnce(request.target, "?");
  const canonical = [
    request.method,
    canonicalPath(path),
    canonicalQuery(query),
    ...signedHeaders.map((name) => `${name}:${headers.get(name) ?? ""}`),
    "",
    signedHeaders.join(";"),
    request.bodyDigest,
  ].join("\n");
  const scope = `${day}/${region}/ses/aws4_request`;
  const text = [ALGORITHM, date, scope, sha256(canonical)].join("\n");
  const known = `${day}/${region}/${secret}`;
  const key =
    signingKeys.get(known) ??
    [day, region, "ses", "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${secret}`);
  if (!timingSafeEqual(hmac(key, text), Buffer.from(signature, "hex"))) {
    return { kind: "mismatch", text: "the signature does not match the request and the secret of its key" };
  }
  // Only what was right: nobody else can fill it.
  if (!signingKeys.has(known)) {
    if (signingKeys.size >= SIGNING_KEYS_MAX) signingKeys.clear();
    signingKeys.set(known, key);
  }
  if (!isFresh(date, now)) {
    return { kind: "expired", text: `signed at ${date}, and it is ${basicTime(now)} here; check the clocks` };
  }
  return undefined;
}

/** By day, region and secret: a client signs all calls of a day with one. */
const signingKeys = new Map<string, string | Buffer>();

const SIGNING_KEYS_MAX = 100;

const sha256 = (data: string): string => createHash("sha256").update(data).digest("hex");

const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

/** By lower-case name; the values of several fields with a comma between, runs of spaces as one. */
function headersOf(rawHeaders: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    const value = (rawHeaders[at + 1] as string).trim().replace(/ +/g, " ");
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before},${value}`);
  }
  return headers;
}

/** YYYYMMDDTHHMMSSZ. @returns milliseconds since the epoch */
function timeOf(date: string): number | undefined {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  if (parts.length === 0) return undefined;
  const [year, month, ...rest] = parts.map(Number) as [number, number, number, number, number, number];
  const at = Date.UTC(year, month - 1, ...rest);
  return basicTime(at) === date ? at : undefined;
}

const basicTime = (at: number): string => new Date(at).toISOString().replace(/[-:]|\.\d{3}/g, "");

const splitOnce = (text: string, at: string): string[] => {
  const index = text.indexOf(at);
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)];
};

/** RFC 3986 §2.3: all but the unreserved characters, of UTF-8. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);

/** Each segment is encoded once more than it came. */
const canonicalPath = (path: string): string => path.split("/").map(encode).join("/") || "/";

function canonicalQuery(query: string): string {
  if (query === "") return "";
  const pairs = query.split("&").map((pair) => splitOnce(pair, "=").map((part) => encode(decode(part))));
  return pairs
    .map(([name = "", value = ""]) => `${name}=${value}`)
    .sort()
    .join("&");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
