// From a submission to the ids of its transmissions: keyed by its task, or, without a task, by policy. Pure
// but for the chance that makes an unkeyed id and the decoding behind a fingerprint.

import { type Identification, type IdentitySources, identify } from "../identity/identify.ts";
import { deriveId, ID_OCTETS, type Id, messageIdOf } from "../identity/message-id.ts";
import type { HeaderField } from "../message/header.ts";
import { ownMessageId } from "../message/rewrite.ts";
import type { Identity } from "../metrics/counters.ts";
import { encodeBase32 } from "../runtime/base32.ts";
import type { Random } from "../runtime/random.ts";
import type { Envelope } from "./contract.ts";
import { type Reply, replies } from "./reply.ts";

export interface KeyingOptions extends IdentitySources {
  readonly secret: string;
  readonly unkeyed: "relay" | "reject" | "fingerprint";
  /**
   * Of mail with a task: "keep" leaves the mailer's own Message-ID, and the derived id is in X-Mailonce-ID only. "own" leaves
   * it too, and the mail is known by it, as mail without a task is.
   */
  readonly messageId: "derive" | "keep" | "own";
  /** How long the same content without a task id is a repeat, milliseconds. */
  readonly fingerprintWindowMs: number;
}

/** How one submission is distinguished from others. */
export interface Keying {
  /** Canonical; absent when unkeyed. */
  readonly task?: string;
  /** The header field that named the task, as configured, or "ENVID"; absent when unkeyed. */
  readonly source?: string;
  /** What makes the same mail the same id. */
  readonly identity: Identity;
  /** Another mail under the same id can be a conflict: it has a task, and a task has a part. */
  readonly canConflict: boolean;
  /** The mailer's own Message-ID stays. */
  readonly keepMessageId: boolean;
  /** There was an ENVID that is no UUID. */
  readonly passedOver?: "ENVID";
  /** See ClaimRequest.since. */
  readonly since?: number;
  idFor(recipient: string): Id;
  /**
   * What the mail is known by: derived, or of mail without a task its own Message-ID, where it has one.
   *
   * @param idRight the right side, a domain in A-labels
   */
  messageIdFor(id: Id, idRight: string): string;
}

/**
 * @param fingerprint decodes the content; called for unkeyed mail under that policy only
 * @param now milliseconds since the epoch
 */
export async function keySubmission(
  fields: readonly HeaderField[],
  envelope: Pick<Envelope, "envid" | "invocation">,
  namespace: string,
  options: KeyingOptions,
  random: Random,
  now: number,
  fingerprint: () => Promise<string>,
): Promise<Keying | Reply> {
  const { secret } = options;
  const found: Identification = identify(fields, envelope.envid, options);
  if (found.kind === "bad") return replies.badTask(found.fault);
  if (found.kind === "keyed") {
    const { task, part, source } = found;
    return {
      task,
      source,
      identity: "task",
      canConflict: true,
      keepMessageId: options.messageId !== "derive",
      idFor: (recipient) => deriveId({ secret, namespace, task, recipient, part }),
      messageIdFor: options.messageId === "own" ? ownOr(ownMessageId(fields)) : messageIdOf,
    };
  }
  if (options.unkeyed === "reject") return replies.noTask(options.headers[0] ?? "X-Task-Id");
  const own = ownMessageId(fields);
  const passedOver = found.passedOver === undefined ? {} : { passedOver: found.passedOver };
  const unkeyed = { ...passedOver, canConflict: false, keepMessageId: true };
  // The control character keeps what is no task apart from every task, which is printable.
  const derived =
    (what: string) =>
    (recipient: string): Id =>
      deriveId({ secret, namespace, task: `\x01${what}`, recipient, part: "" });
  if (options.unkeyed === "relay") {
    if (envelope.invocation === undefined) return { ...keyByChance(fields, random), ...passedOver };
    const idFor = derived(`sdk ${envelope.invocation}`);
    return { ...unkeyed, identity: "sdk", idFor, messageIdFor: ownOr(own) };
  }
  return {
    ...unkeyed,
    identity: "fingerprint",
    since: now - options.fingerprintWindowMs,
    idFor: derived(`fingerprint ${await fingerprint()}`),
    // The same content may rightly go out again after the window; receivers must not take it for a repeat.
    messageIdFor: (id, idRight) => own ?? messageIdOf(`${id}.${now.toString(36)}`, idRight),
  };
}

/** Of mail that is like no other: each transmission has an id of chance. */
export function keyByChance(fields: readonly HeaderField[], random: Random): Keying {
  return {
    identity: "none",
    canConflict: false,
    keepMessageId: true,
    idFor: () => encodeBase32(random.octets(ID_OCTETS)),
    messageIdFor: ownOr(ownMessageId(fields)),
  };
}

const ownOr =
  (own: string | undefined): Keying["messageIdFor"] =>
  (id, idRight) =>
    own ?? messageIdOf(id, idRight);
