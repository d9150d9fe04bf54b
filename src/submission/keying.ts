// From a submission to the ids of its transmissions: keyed by its task, or, without a task, by policy. Pure
// but for the chance that makes an unkeyed id and the decoding behind a fingerprint.

import { type Identification, type IdentitySources, identify } from "../identity/identify.ts";
import { deriveId, ID_OCTETS, type Id, messageIdOf } from "../identity/message-id.ts";
import type { HeaderField } from "../message/header.ts";
import { ownMessageId } from "../message/rewrite.ts";
import { encodeBase32 } from "../runtime/base32.ts";
import type { Random } from "../runtime/random.ts";
import { type Reply, replies } from "./reply.ts";

export interface KeyingOptions extends IdentitySources {
  readonly secret: string;
  readonly unkeyed: "relay" | "reject" | "fingerprint";
  /** Of mail with a task: "keep" leaves the mailer's own Message-ID, and the derived id is in X-Mailonce-ID only. */
  readonly messageId: "derive" | "keep";
  /** How long the same content without a task id is a repeat, milliseconds. */
  readonly fingerprintWindowMs: number;
}

/** How one submission is distinguished from others. */
export interface Keying {
  /** Canonical; absent when unkeyed. */
  readonly task?: string;
  /** The header field that named the task, as configured, or "ENVID"; absent when unkeyed. */
  readonly source?: string;
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
  envid: string | undefined,
  namespace: string,
  options: KeyingOptions,
  random: Random,
  now: number,
  fingerprint: () => Promise<string>,
): Promise<Keying | Reply> {
  const { secret } = options;
  const found: Identification = identify(fields, envid, options);
  if (found.kind === "bad") return replies.badTask(found.fault);
  if (found.kind === "keyed") {
    const { task, part, source } = found;
    return {
      task,
      source,
      canConflict: true,
      keepMessageId: options.messageId === "keep",
      idFor: (recipient) => deriveId({ secret, namespace, task, recipient, part }),
      messageIdFor: messageIdOf,
    };
  }
  if (options.unkeyed === "reject") return replies.noTask(options.headers[0] ?? "X-Task-Id");
  const own = ownMessageId(fields);
  const passedOver = found.passedOver === undefined ? {} : { passedOver: found.passedOver };
  if (options.unkeyed === "relay") {
    return {
      ...passedOver,
      canConflict: false,
      keepMessageId: true,
      idFor: () => encodeBase32(random.octets(ID_OCTETS)),
      messageIdFor: (id, idRight) => own ?? messageIdOf(id, idRight),
    };
  }
  // The control character keeps fingerprints apart from every task, which is printable.
  const task = `\x01fingerprint ${await fingerprint()}`;
  return {
    ...passedOver,
    canConflict: false,
    keepMessageId: true,
    since: now - options.fingerprintWindowMs,
    idFor: (recipient) => deriveId({ secret, namespace, task, recipient, part: "" }),
    // The same content may rightly go out again after the window; receivers must not take it for a repeat.
    messageIdFor: (id, idRight) => own ?? messageIdOf(`${id}.${now.toString(36)}`, idRight),
  };
}
