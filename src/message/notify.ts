// The notifications that a client asked for: the parameters of MAIL and RCPT of RFC 3461, decoded. Pure.

export type NotifyKeyword = "NEVER" | "SUCCESS" | "FAILURE" | "DELAY";

/** Parameters of MAIL FROM. */
export interface MailRequest {
  /** §4.4: handed back in notifications. */
  readonly envid?: string | undefined;
  /** §4.3: how much of a message that failed is to come back. */
  readonly ret?: "FULL" | "HDRS" | undefined;
}

/** Parameters of RCPT TO. */
export interface RecipientRequest {
  /** §4.1; NEVER can't be combined. */
  readonly notify?: readonly NotifyKeyword[];
  /** §4.2: type, semicolon and the address that the sender gave, before anybody rewrote it. */
  readonly orcpt?: string;
}

/**
 * Whether a notification is wanted. Without NOTIFY a failure is reported and success is not. A delay may be
 * reported (RFC 3461 §4.1); a setting decides.
 */
export const wants = (event: Exclude<NotifyKeyword, "NEVER">, { notify }: RecipientRequest = {}): boolean =>
  notify === undefined ? event !== "SUCCESS" : notify.includes(event);
