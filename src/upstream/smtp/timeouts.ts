// How long each phase of an SMTP exchange may take. Defaults are RFC 5321 §4.5.3.2's minimums, which
// are patient on purpose: giving up early after the final dot is what makes duplicates (RFC 1047).

export interface SmtpTimeouts {
  /** Until the connection is there, name look-up included. Ours: a host that is up answers in less. */
  readonly connectMs: number;
  /** §4.5.3.2.1 to .3: greeting, EHLO, STARTTLS, AUTH and RSET each; MAIL, RCPT and DATA together. */
  readonly commandMs: number;
  /** §4.5.3.2.5: until the connection has taken the next block of content. */
  readonly blockMs: number;
  /** §4.5.3.2.6: from the end of the content to its reply. */
  readonly replyMs: number;
  /** How long an unused connection is kept. Servers end idle ones after 1 to 5 minutes. */
  readonly idleMs: number;
  /** For QUIT, which is a courtesy. */
  readonly quitMs: number;
}

const MINUTE_MS = 60_000;

export const smtpTimeouts: SmtpTimeouts = {
  connectMs: 30_000,
  commandMs: 5 * MINUTE_MS,
  blockMs: 3 * MINUTE_MS,
  replyMs: 10 * MINUTE_MS,
  idleMs: 30_000,
  quitMs: 2_000,
};
