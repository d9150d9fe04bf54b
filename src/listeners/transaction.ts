// One mail transaction as it builds up between MAIL and DATA. smtp-server keeps recipients apart by their
// address in lower case and lets a later one replace an earlier one; identity distinguishes User@ from user@
// (RFC 5321 §2.4), so the list is kept here.
import { canonicalRecipient } from "../address/recipient.ts";
import type { RecipientRequest } from "../message/notify.ts";
import type { Envelope } from "../submission/contract.ts";
import { type Reply, replies } from "../submission/reply.ts";

export interface Transaction {
  /** Canonical; empty for the null reverse-path. */
  readonly reversePath: string;
  /** The canonical recipient, or the reply when it can't be taken. */
  read(forwardPath: string): { readonly recipient: string } | { readonly reply: Reply };
  /** @param recipient canonical */
  add(recipient: string, request?: RecipientRequest): void;
  envelope(): Envelope;
  /** The canonical forward-path of each RCPT that was taken, in order: one named twice is in it twice. */
  readonly named: readonly string[];
}

const isAscii = (text: string): boolean => /^[\x20-\x7e]*$/.test(text);

/**
 * A canonical path whose local-part has characters outside ASCII can't be handed to an upstream without
 * SMTPUTF8 (RFC 6531); the domain is no obstacle, it is in A-labels.
 */
const refusedPath = (path: string, smtpUtf8: boolean): Reply | undefined =>
  smtpUtf8 || isAscii(path) ? undefined : replies.needsSmtpUtf8;

/** In quotes it is right (RFC 5321 §4.1.2), and SMTP clients refuse it: what follows it could be read as parameters. */
const ANGLE = /[<>]/;
const ANGLE_FAULT = "has an angle bracket, with which no mail can be handed on";

/** @returns the transaction, or the reply when the reverse-path can't be taken */
export function beginTransaction(
  { reversePath, envid, ret, invocation }: Pick<Envelope, "reversePath" | "envid" | "ret" | "invocation">,
  smtpUtf8: boolean,
): { transaction: Transaction } | { reply: Reply } {
  const sender = reversePath === "" ? { ok: true as const, recipient: "" } : canonicalRecipient(reversePath);
  if (!sender.ok) return { reply: replies.badSender(`the reverse-path ${sender.fault}`) };
  if (ANGLE.test(sender.recipient)) return { reply: replies.badSender(`the reverse-path ${ANGLE_FAULT}`) };
  const refused = refusedPath(sender.recipient, smtpUtf8);
  if (refused !== undefined) return { reply: refused };
  const recipients = new Set<string>();
  const requests = new Map<string, RecipientRequest>();
  const named: string[] = [];
  return {
    transaction: {
      reversePath: sender.recipient,
      read(forwardPath) {
        const canonical = canonicalRecipient(forwardPath);
        if (!canonical.ok) return { reply: replies.badRecipient(`the recipient ${canonical.fault}`) };
        if (ANGLE.test(canonical.recipient)) {
          return { reply: replies.badRecipient(`the recipient ${ANGLE_FAULT}`) };
        }
        const reply = refusedPath(canonical.recipient, smtpUtf8);
        return reply === undefined ? canonical : { reply };
      },
      add(recipient, request) {
        recipients.add(recipient);
        named.push(recipient);
        if (request !== undefined) requests.set(recipient, request);
      },
      named,
      envelope: () => ({
        reversePath: sender.recipient,
        recipients: [...recipients],
        envid,
        ret,
        invocation,
        requests,
      }),
    },
  };
}
