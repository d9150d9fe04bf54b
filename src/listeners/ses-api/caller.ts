// Who calls: a request is signed, by a key of ours where there is a keys file. Without one nobody's signature can be verified,
// and the caller's network decides, as for SMTP; the form of a signature is asked for all the same, since no web page can send
// it.
import { createHash } from "node:crypto";
import type { Keys } from "../../access/keys-file.ts";
import type { AccessKey } from "../../access/keys-lines.ts";
import { CallError } from "./call.ts";
import {
  type Authorization,
  isFresh,
  readAuthorization,
  type SignatureFault,
  type SignedRequest,
  signatureFault,
} from "./sigv4.ts";

/** What the header of a request says about its caller. */
export interface Claims {
  readonly authorization: string | undefined;
  readonly origin: string | undefined;
  /** X-Amz-Date. */
  readonly date: string | undefined;
  /** The same for all tries of one call, where the SDK says so. */
  readonly invocation: string | undefined;
}

/** What is known of a caller before the body has come. */
export interface Claimant {
  readonly authorization: Authorization;
  /** Undefined where there is no keys file. */
  readonly key: AccessKey | undefined;
}

const KINDS = {
  malformed: "incomplete",
  mismatch: "mismatch",
  expired: "expired",
} as const satisfies Record<SignatureFault["kind"], CallError["kind"]>;

/**
 * What can be told from the header alone, so that nobody's body is received.
 *
 * @param keys undefined where there is no keys file
 * @throws CallError when a web page asks, the request is not signed as SDKs sign, or by a key that nobody has
 */
export function claimantOf({ authorization: header, origin }: Claims, keys: Keys | undefined): Claimant {
  if (origin !== undefined) throw new CallError("denied", "web pages may not call this API");
  if (header === undefined) throw new CallError("unsigned", "the request has no Authorization header");
  const authorization = readAuthorization(header);
  if (authorization === undefined) {
    throw new CallError("incomplete", "Authorization is not a signature (version 4) for SES");
  }
  const key = keys?.get(authorization.keyId);
  if (keys !== undefined && key === undefined) {
    throw new CallError("unknown-key", "the access key is not in the keys file of mailonce");
  }
  return { authorization, key };
}

/**
 * @param fields of the header, which the key must have signed where the request has them
 * @param now milliseconds since the epoch
 * @throws CallError when the key's holder has not signed just this request
 */
export function verify(
  request: SignedRequest,
  { authorization, key }: Claimant,
  fields: readonly string[],
  now: number,
): void {
  if (key === undefined) return;
  const fault = signatureFault(request, authorization, key.secret, now);
  if (fault !== undefined) throw new CallError(KINDS[fault.kind], fault.text);
  const unsigned = fields.find((name) => !authorization.signedHeaders.includes(name.toLowerCase()));
  if (unsigned !== undefined) {
    throw new CallError("incomplete", `${unsigned} is not signed: set it before the SDK signs the request`);
  }
}

/**
 * What all tries of one call have in common, and no other call: the SDK's own id of it, or the signature of an SDK that repeats
 * the request as it is. Undefined where it is signed by nobody that we know, and at no time.
 */
export function invocationOf(
  { bodyDigest }: Pick<SignedRequest, "bodyDigest">,
  { invocation, date = "" }: Claims,
  { authorization, key }: Claimant,
  now: number,
): string | undefined {
  if (invocation === undefined && key === undefined && !isFresh(date, now)) return undefined;
  const { keyId, signature } = authorization;
  const parts = [keyId, invocation ?? `${date} ${signature}`, bodyDigest];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
