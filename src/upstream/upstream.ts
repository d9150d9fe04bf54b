// The boundary to where transmissions go. An upstream makes one attempt for one message and one
// recipient and says how it ended; it never retries, never decides, and never guesses.
import type { Id } from "../identity/message-id.ts";
import type { MailRequest, RecipientRequest } from "../message/notify.ts";
import type { Rate } from "../runtime/rate.ts";

/** One message for one recipient, rendered: what the upstream is to receive. */
export interface Transmission {
  readonly id: Id;
  /** The derived Message-ID with its angle brackets, as the content has it. */
  readonly messageId: string;
  /** RFC 5321 reverse-path without angle brackets; empty for the null reverse-path. */
  readonly reversePath: string;
  /** The forward-path without angle brackets, its domain in A-labels. */
  readonly recipient: string;
  /** Octets of the content. */
  readonly size: number;
  /** True when the content has octets above 127 (RFC 6152). */
  readonly eightBit: boolean;
  /** To be handed on where the upstream reports to senders itself (RFC 3461). */
  readonly request?: (MailRequest & RecipientRequest) | undefined;
  /** The content in one piece, when it is in memory. */
  readonly octets?: Uint8Array | undefined;
  /** The content from its beginning, CRLF line ends, not dot-stuffed. The same octets at each call. */
  content(): AsyncIterable<Uint8Array>;
}

/**
 * How an attempt ended.
 *
 * - accepted: the upstream has taken responsibility.
 * - refused: it will never take this transmission.
 * - later: it does not take this transmission now, and may take it at another time.
 * - down: it would take no transmission now, whichever it is. It can't be reached, or our credentials are wrong. All
 *   mail that goes there waits, or goes to the next of several upstreams. It is never for good: somebody repairs it.
 * - doubtful: anything else. A time-out, a lost connection or an unreadable answer after the message
 *   may have been complete is doubtful, however likely either outcome seems.
 *
 * After `refused`, `later` and `down` it is *certain* that the upstream does not have the message.
 *
 * Of several upstreams behind one, `upstream` names the one that it is about.
 */
export type Outcome = OutcomeOfOne & { readonly upstream?: string };

type OutcomeOfOne =
  | {
      readonly kind: "accepted";
      readonly upstreamId: string;
      /** The request was handed on: from here on it is the upstream that reports (RFC 3461 §5.2.1). */
      readonly reports?: true;
    }
  | ({ readonly kind: "refused" } & Reply)
  | ({
      readonly kind: "later";
      /** It was one too many, and nothing else: due again after `retryAfterMs`, without growing waits. */
      readonly throttled?: boolean;
    } & Reply &
      Wait)
  | ({ readonly kind: "down" } & Reply & Wait)
  | { readonly kind: "doubtful"; readonly cause: string };

interface Reply {
  /** What the upstream said, or what kept us from asking it; one line, for log and notification. */
  readonly reply: string;
}

interface Wait {
  /** Not sooner than this, when the upstream said so. */
  readonly retryAfterMs?: number;
}

/** What an upstream can't take, so that submission refuses it at once instead of later. */
export interface UpstreamLimits {
  /** Octets of a whole message. Infinity when there is no limit. */
  readonly messageOctets: number;
  /** Octets of a line without its CRLF. Infinity when there is no limit. */
  readonly lineOctets: number;
  /** False when addresses with characters outside ASCII can't be handed on (RFC 6531). */
  readonly smtpUtf8: boolean;
}

/** What the account at an upstream may send in 24 hours, counted in recipients. */
export interface SendingQuota {
  /** Absent where there is no limit. */
  readonly max?: number;
  readonly sent: number;
  /** When the upstream said so, milliseconds since the epoch. */
  readonly at: number;
}

/** What a test without sending has found: one line, for a person. */
export interface UpstreamCheck {
  readonly isUsable: boolean;
  readonly finding: string;
}

export interface Upstream {
  /** For the log: kind and place, no credentials; of several, what the configuration calls it. */
  readonly name: string;
  /** Kind and place, where the name is another. */
  readonly place?: string;
  readonly limits: UpstreamLimits;
  /** The rate that the upstream allows, when it can tell. Left out: the configured one holds. */
  readonly rate?: Rate;
  /** What it has said last; absent or undefined where it says nothing. */
  quota?(): SendingQuota | undefined;
  /**
   * Octets of memory that an attempt holds for each octet of the content. Absent when the content is
   * streamed: then it holds some chunks of it, whatever its size.
   */
  readonly memoryPerOctet?: number;
  /**
   * Makes one attempt. Never rejects: what is unexpected is an outcome. Never reaches the upstream
   * twice for one call. Several upstreams behind one are one attempt too: the next is called only
   * after `down`, never after anything that is doubtful.
   *
   * @param signal aborts the attempt; it then ends as `later` or `doubtful` by how far it had come
   */
  transmit(transmission: Transmission, signal: AbortSignal): Promise<Outcome>;
  /** What it can't work without and does not have, known without asking anybody: region, credentials. Never rejects. */
  lacks?(): Promise<string | undefined>;
  /**
   * Why it would refuse mail from this address, as far as it tells without sending. Never rejects.
   *
   * @param what the address is the sender of; reports unless given
   */
  senderFault?(address: string, signal: AbortSignal, what?: "reports" | "mail"): Promise<string | undefined>;
  /** Goes as far towards the upstream as one can without sending. Never rejects. */
  check?(signal: AbortSignal): Promise<UpstreamCheck>;
  /** An operator wants it tried at once: no wait from an earlier refusal holds any more. */
  forgetRefusals?(): void;
  /** Closes idle connections. No transmit is under way or follows. */
  close(): Promise<void>;
}
