// What an exchange with an SMTP server means. Pure: the whole table from facts to outcome is here.

import type { Progress } from "../content.ts";
import { oneLine } from "../line.ts";
import { PAUSED_FOR_SOME, SENDING_PAUSED } from "../paused.ts";
import type { Outcome } from "../upstream.ts";
import type { Conceal } from "./conceal.ts";
import { queueIdOf, replyCode } from "./reply.ts";

/** The facts of one exchange: what was read of the content and what the server answered. */
export interface Exchange {
  /** "setup": everything before MAIL (connecting, greeting, EHLO, STARTTLS, AUTH). */
  readonly step: "setup" | "transaction";
  readonly progress: Progress;
  /** The reply that ended the exchange; undefined when no terminated reply did. */
  readonly reply?: string | undefined;
  /** What happened instead of, or around, a reply. */
  readonly problem: string;
  /** The server was shown our password and refused it, now or a short while ago. */
  readonly isPasswordRefused?: true | undefined;
  /** What the client asked for in reports went along. */
  readonly reports?: true | undefined;
}

/**
 * 530, 534, 535 and 538 (RFC 4954 §6, RFC 3207 §4) find fault with how the session was secured or
 * authenticated: our configuration, whatever the message.
 */
const SESSION_CODES: ReadonlySet<number> = new Set([530, 534, 535, 538]);

/** What waits for a better password asks again after it: one that was put right is used within a minute. */
export const PASSWORD_RETRY_MS = 60_000;

/** 503: the session is out of step. The message was not judged, so it can't be refused for good. */
const OUT_OF_STEP = 503;

/** @param conceal applied to what the outcome quotes; what it says is read from the reply as it came */
export function outcomeOf(exchange: Exchange, conceal: Conceal = (text) => text): Outcome {
  const { step, progress, reply, problem } = exchange;
  const text = oneLine(conceal(reply ?? problem));
  // A server that can't be reached, turns us away at the door or does not take our password would do
  // so with every transmission. Even a 5yz here must not bounce a queue: someone has to repair it.
  if (step === "setup") {
    const outcome = { kind: "down", reply: text } as const;
    return exchange.isPasswordRefused ? { ...outcome, retryAfterMs: PASSWORD_RETRY_MS } : outcome;
  }
  const code = reply === undefined ? undefined : replyCode(reply);
  if (code !== undefined && code >= 400) return refusedWith(code, text);
  if (code !== undefined && code < 300 && progress === "complete") {
    const reports = exchange.reports === undefined ? {} : { reports: exchange.reports };
    return { kind: "accepted", upstreamId: queueIdOf(text), ...reports };
  }
  // RFC 5321 §4.1.1.4: a message without its final dot is not to be processed. But a server that
  // claims acceptance before the dot has its own idea of the end, and nothing is certain any more.
  if (progress !== "complete" && (code === undefined || code >= 300)) {
    return { kind: "later", reply: text };
  }
  return { kind: "doubtful", cause: text };
}

function refusedWith(code: number, reply: string): Outcome {
  if (SESSION_CODES.has(code)) return { kind: "down", reply };
  // SES says it by 554. It refuses all messages, not this one, and sending may be resumed.
  if (SENDING_PAUSED.test(reply)) return { kind: PAUSED_FOR_SOME.test(reply) ? "later" : "down", reply };
  return { kind: code >= 500 && code !== OUT_OF_STEP ? "refused" : "later", reply };
}
