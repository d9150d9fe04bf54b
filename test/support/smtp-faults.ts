// How an SMTP server can go wrong, as data: at which point, what it says there and what it does then.

/**
 * Where in a session a fault strikes. content: when the first octet of content arrives, the end not
 * awaited; dot: when the content has arrived whole.
 */
export type SmtpStage = "greeting" | "ehlo" | "mail" | "rcpt" | "data" | "content" | "dot";

export interface FaultPlan {
  readonly at: SmtpStage;
  /** Octets instead of the proper reply; nothing when absent. */
  readonly say?: string;
  /** hang: nothing is read or said any more. release: says it when the test calls release(). */
  readonly next: "go-on" | "drop" | "hang" | "release" | "go-on-slowly";
  /** True when the server has the message nevertheless; it is then counted. */
  readonly takes?: boolean;
}

const refusal = (at: SmtpStage, say: string): FaultPlan => ({ at, say: `${say}\r\n`, next: "go-on" });
const farewell = (at: SmtpStage): FaultPlan => ({ at, say: "421 4.3.2 closing\r\n", next: "drop" });
const dot = (plan: Omit<FaultPlan, "at">): FaultPlan => ({ at: "dot", ...plan });

export const smtpFaults = {
  "drop-at-greeting": { at: "greeting", next: "drop" },
  "hang-at-greeting": { at: "greeting", next: "hang" },
  "421-at-greeting": farewell("greeting"),
  "refuse-greeting-5": { at: "greeting", say: "554 5.3.2 not today\r\n", next: "drop" },
  "drop-at-ehlo": { at: "ehlo", next: "drop" },
  "hang-at-ehlo": { at: "ehlo", next: "hang" },
  "421-at-ehlo": farewell("ehlo"),
  "drop-at-mail": { at: "mail", next: "drop" },
  "hang-at-mail": { at: "mail", next: "hang" },
  "421-at-mail": farewell("mail"),
  "refuse-mail-4": refusal("mail", "451 4.3.0 try later"),
  "refuse-mail-5": refusal("mail", "550 5.7.1 sender refused"),
  "demand-auth": refusal("mail", "530 5.7.0 authenticate first"),
  "drop-at-rcpt": { at: "rcpt", next: "drop" },
  "hang-at-rcpt": { at: "rcpt", next: "hang" },
  "421-at-rcpt": farewell("rcpt"),
  "refuse-rcpt-4": refusal("rcpt", "450 4.2.1 mailbox busy"),
  "refuse-rcpt-5": refusal("rcpt", "550 5.1.1 no such mailbox"),
  "drop-at-data": { at: "data", next: "drop" },
  "hang-at-data": { at: "data", next: "hang" },
  "421-at-data": farewell("data"),
  "refuse-data-4": refusal("data", "451 4.3.0 try later"),
  "refuse-data-5": refusal("data", "554 5.5.1 no"),
  /** 250 where 354 belongs: the two sides are out of step. */
  "250-at-data": refusal("data", "250 2.0.0 ok"),
  "drop-in-content": { at: "content", next: "drop" },
  "hang-in-content": { at: "content", next: "hang" },
  "refuse-in-content-5": { at: "content", say: "552 5.3.4 too much\r\n", next: "drop" },
  /** Says so before the end, and goes on reading. */
  "early-refusal": { at: "content", say: "552 5.3.4 too much\r\n", next: "go-on" },
  /** The message arrived whole, and the server died before it was stored. */
  "drop-untaken": dot({ next: "drop" }),
  "drop-before-reply": dot({ next: "drop", takes: true }),
  "hang-before-reply": dot({ next: "hang", takes: true }),
  "half-code": dot({ say: "25", next: "drop", takes: true }),
  "short-code": dot({ say: "25\r\n", next: "go-on", takes: true }),
  "unended-reply": dot({ say: "250 2.0.0 ok", next: "drop", takes: true }),
  "half-multiline": dot({ say: "250-2.0.0 ok\r\n", next: "drop", takes: true }),
  "unended-refusal": dot({ say: "550 par", next: "drop" }),
  "refuse-content-4": dot({ say: "451 4.3.0 try later\r\n", next: "go-on" }),
  "refuse-content-5": dot({ say: "554 5.6.0 bad content\r\n", next: "go-on" }),
  "421-at-content": dot({ say: "421 4.3.2 closing\r\n", next: "drop" }),
  /** Accepts, and says something more that nobody asked for. */
  "stray-reply": dot({ say: "250 2.0.0 ok\r\n250 2.0.0 again\r\n", next: "go-on", takes: true }),
  /** The same with a refusal, which the next message must not be taken to have met. */
  "stray-refusal": dot({ say: "250 2.0.0 ok\r\n550 5.0.0 what?\r\n", next: "go-on", takes: true }),
  "drop-after-reply": dot({ say: "250 2.0.0 ok\r\n", next: "drop", takes: true }),
  "slow-reply": dot({ say: "250 2.0.0 ok\r\n", next: "go-on-slowly", takes: true }),
  "held-reply": dot({ say: "250 2.0.0 ok\r\n", next: "release", takes: true }),
} as const satisfies Record<string, FaultPlan>;

export type SmtpFault = "accept" | keyof typeof smtpFaults;

export function planOf(fault: SmtpFault): FaultPlan | undefined {
  return fault === "accept" ? undefined : smtpFaults[fault];
}
