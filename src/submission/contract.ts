// The boundary between listeners and the decision: what a listener hands over for one mail, and the answer
// that it gets. Nothing here or behind it knows the protocol by which a mail came.
import type { MailRequest, RecipientRequest } from "../message/notify.ts";
import type { Answer } from "./answer.ts";

/** Who submits, and how. */
export interface Client {
  readonly address: string;
  readonly helo: string;
  /** RFC 3848: SMTP, ESMTP or LMTP, with S under TLS and A when authenticated. */
  readonly protocol: string;
  /** The name under which it has authenticated. */
  readonly user?: string | undefined;
}

/** The client's envelope of the mail whose content follows. */
export interface Envelope extends Pick<MailRequest, "ret"> {
  /** Without angle brackets; empty for the null reverse-path. */
  readonly reversePath: string;
  /** Canonical forward-paths, each once, in the order of RCPT. */
  readonly recipients: readonly string[];
  /** RFC 3461 §4.4, decoded. */
  readonly envid: string | undefined;
  /**
   * Where the protocol has no verdict that ends all tries: the same for each try of one mail, and for no other. It counts
   * where nothing names the task.
   */
  readonly invocation?: string | undefined;
  /** What was asked for at RCPT, by canonical forward-path; those without parameters are not in it. */
  readonly requests?: ReadonlyMap<string, RecipientRequest>;
}

/** Takes one mail whole. Rejects only when the client went away before the end of the content. */
export type SubmissionHandler = (
  envelope: Envelope,
  client: Client,
  content: AsyncIterable<Uint8Array>,
) => Promise<Answer>;
