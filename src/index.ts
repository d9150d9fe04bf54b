// The library: the same identity that the gateway derives, so that a mailer can compute the Message-ID of a
// mail before or after it is sent, and check that both agree.

import { canonicalRecipient } from "./address/recipient.ts";
import { domainOfFrom, idRightOf } from "./identity/id-right.ts";
import { deriveId, messageIdOf } from "./identity/message-id.ts";
import { canonicalNamespace, canonicalPart, canonicalTask } from "./identity/task.ts";

export { canonicalRecipient, type RecipientResult } from "./address/recipient.ts";
export { domainOfFrom, type IdRightSources, idRightOf } from "./identity/id-right.ts";
export { deriveId, type Id, type IdentityParts, messageIdOf } from "./identity/message-id.ts";
export {
  canonicalNamespace,
  canonicalPart,
  canonicalTask,
  type NamespaceResult,
  type PartResult,
  type TaskResult,
} from "./identity/task.ts";

export interface MessageIdOptions {
  /** The task id; any spelling of a UUID. */
  readonly task: string;
  /** The recipient as in RCPT TO: one address without display name or angle brackets. */
  readonly to: string;
  /** The value of From, or just its address; its domain becomes the right side. */
  readonly from?: string;
  /** The value of X-Task-Part, for several mails of one task to one recipient. */
  readonly part?: string;
  /** The gateway's `[identity] namespace`, or the user name that the mailer authenticates with. */
  readonly namespace?: string;
  /** The gateway's `[identity] secret`. */
  readonly secret?: string;
  /** The gateway's hostname: the right side when From has no domain. */
  readonly hostname?: string;
}

/**
 * The Message-ID, angle brackets included, that the gateway gives the mail.
 *
 * @example
 * messageId({
 *   task: "a9e5a73a-4d4a-4995-a91c-90295e27100a",
 *   to: "user@example.com",
 *   from: "Difio <noreply@difio.example>",
 * });
 * // "<lcks3wwstomfwm4avx64lrefbcg4tatq@difio.example>"
 *
 * @throws TypeError when a value is no string, or neither `from` nor `hostname` is given
 * @throws RangeError when a value has no canonical form; the message names it and its fault
 */
export function messageId(options: MessageIdOptions): string {
  const { task, to, from, part = "", namespace = "", secret = "", hostname } = options;
  for (const [name, value] of Object.entries({ task, to, part, namespace, secret })) {
    if (typeof value !== "string") throw new TypeError(`${name} is not a string`);
  }
  if (from === undefined && hostname === undefined) {
    throw new TypeError("neither from nor hostname is given");
  }
  const canonical = {
    secret,
    namespace: orThrow("namespace", canonicalNamespace(namespace)).namespace,
    task: orThrow("task", canonicalTask(task)).task,
    recipient: orThrow("to", canonicalRecipient(to)).recipient,
    part: orThrow("part", canonicalPart(part)).part,
  };
  if (hostname === undefined && domainOfFrom(from) === undefined) {
    throw new RangeError("from has no valid domain, and no hostname is given");
  }
  return messageIdOf(deriveId(canonical), idRightOf({ from, reversePath: "", hostname: hostname ?? "" }));
}

function orThrow<Result extends { readonly ok: boolean }>(name: string, result: Result) {
  if ("fault" in result) throw new RangeError(`${name} ${result.fault}`);
  return result as Extract<Result, { readonly ok: true }>;
}
