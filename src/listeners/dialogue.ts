// One client's dialogue: the decision at each command, and the state between commands. It uses no library;
// server.ts reads the commands and sends the replies. access/ decides who may submit, and what.
import type { Authenticator } from "../access/authenticator.ts";
import type { Policy, Refusal, Submitter } from "../access/policy.ts";
import type { Networks } from "../address/networks.ts";
import type { MailRequest, RecipientRequest } from "../message/notify.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Log } from "../runtime/log.ts";
import type { Answer } from "../submission/answer.ts";
import type { SubmissionHandler } from "../submission/contract.ts";
import { type Reply, replies } from "../submission/reply.ts";
import { beginTransaction, type Transaction } from "./transaction.ts";

/** The client as the connection knows it now; TLS, authentication and XCLIENT change it. */
export interface Peer {
  /** An IP address. */
  readonly address: string;
  readonly helo: string;
  /** See Client. */
  readonly protocol: string;
  readonly isSecure: boolean;
  /** Under TLS the client's state begins anew (RFC 3207 §4.2). */
  readonly isAuthenticated: boolean;
  /** A proxy's own connection: it has named no client yet. */
  readonly isProxy: boolean;
}

/** The parameters of MAIL, with their keywords and values checked. */
export interface MailParameters {
  readonly reversePath: string;
  /** RFC 3461 §4.4, decoded. */
  readonly envid: string | undefined;
  readonly ret: MailRequest["ret"];
  /** SIZE (RFC 1870), 0 where it is not given. */
  readonly octets: number;
  /** See Envelope. */
  readonly invocation?: string | undefined;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** The user that it asks to act for (RFC 4616 §2); empty for itself. */
  readonly authzid: string;
}

/** What a mail is answered. */
export interface Answered {
  readonly answer: Answer;
  /** One for each RCPT that was taken, in their order (RFC 2033 §4.2). */
  readonly each: readonly Reply[];
}

export interface Dialogue {
  /** Nothing but authentication is missing for a mail, or not even that. */
  isPermitted(): boolean;
  /** It has a name without a password: by its certificate, or by the word of a relay that authenticated it. */
  vouched(user: string): void;
  /** The name under which it may submit from now on, or the reply that refuses. Never rejects. */
  authenticate(credentials: Credentials): Promise<{ readonly user: string } | Reply>;
  /** The reply that refuses; undefined when the transaction has begun. Never rejects. */
  mail(parameters: MailParameters): Promise<Reply | undefined>;
  /** The reply that refuses; undefined when the recipient was added. Never rejects. */
  recipient(forwardPath: string, request: RecipientRequest | undefined): Promise<Reply | undefined>;
  /** The content of the transaction. Never rejects. */
  data(content: AsyncIterable<Uint8Array>): Promise<Answered>;
}

export interface DialogueParts {
  readonly policy: Policy;
  /** Absent where there is no users file. */
  readonly authenticator: Authenticator | undefined;
  readonly trusted: Networks;
  /** See Gate. */
  room(octets: number): Promise<Reply | undefined>;
  readonly submit: SubmissionHandler;
  readonly counters: Pick<Counters, "authentications">;
  readonly log: Log;
}

export interface DialogueOptions {
  readonly tls: "none" | "opportunistic" | "required" | "implicit";
  /** Who has to authenticate: clients that are not trusted, or all. */
  readonly auth: "untrusted" | "everyone";
  /** Offer SMTPUTF8 (RFC 6531): the upstream can hand such addresses on. */
  readonly smtpUtf8: boolean;
}

/** A name, for as long as it is valid. */
interface Grant {
  readonly user: string;
  valid(): boolean;
}

const always = (): boolean => true;

const replyTo = ({ kind, reason }: Refusal): Reply =>
  kind === "never" ? replies.notAllowed(reason) : replies.tooMuchForNow(reason);

export function createDialogue(parts: DialogueParts, options: DialogueOptions, peer: Peer): Dialogue {
  const { policy, authenticator, log } = parts;
  let grant: Grant | undefined;
  let transaction: Transaction | undefined;
  /** Asked for each command, and the same for all of a connection unless XCLIENT names another client. */
  let standing: { readonly address: string; readonly trusted: boolean } | undefined;

  const currentGrant = (): Grant | undefined => (peer.isAuthenticated ? grant : undefined);
  const submitter = (): Submitter => ({ address: peer.address, user: currentGrant()?.user });

  const isTrusted = (): boolean => {
    const { address } = peer;
    if (standing?.address !== address) {
      const trusted = options.auth === "untrusted" && parts.trusted.has(address) && !peer.isProxy;
      standing = { address, trusted };
    }
    return standing.trusted;
  };

  /** Why the client may not submit. */
  const obstacle = (): Reply | undefined => {
    if (options.tls === "required" && !peer.isSecure) return replies.startTlsFirst;
    const current = currentGrant();
    const isAllowed = current === undefined ? isTrusted() : current.valid();
    return isAllowed ? undefined : replies.authenticateFirst;
  };

  const decideMail = async (parameters: MailParameters): Promise<Reply | undefined> => {
    const blocking = obstacle();
    if (blocking !== undefined) return blocking;
    const began = beginTransaction(parameters, options.smtpUtf8);
    if ("reply" in began) return began.reply;
    const full = await parts.room(parameters.octets);
    if (full !== undefined) return full;
    const refusal = policy.mail(submitter(), began.transaction.reversePath);
    if (refusal !== undefined) return replyTo(refusal);
    transaction = began.transaction;
    return undefined;
  };

  const decideRecipient = async (
    forwardPath: string,
    request: RecipientRequest | undefined,
  ): Promise<Reply | undefined> => {
    if (transaction === undefined) return replies.unavailable;
    const current = transaction;
    if (current.named.length >= policy.recipientsMaxOf(submitter().user)) return replies.tooManyRecipients;
    const read = current.read(forwardPath);
    if ("reply" in read) return read.reply;
    const refusal = policy.recipient(submitter(), read.recipient);
    if (refusal !== undefined) return replyTo(refusal);
    current.add(read.recipient, request);
    return undefined;
  };

  /** Logs a refusal, and replies to an unexpected error. */
  const decided = async (decision: Promise<Reply | undefined>): Promise<Reply | undefined> => {
    try {
      const reply = await decision;
      if (reply !== undefined) {
        const { address: client, user } = submitter();
        log.warn("submission.refused", { reply: reply.text, client, user });
      }
      return reply;
    } catch (error) {
      log.error("submission.failed", { error: String(error) });
      return replies.unavailable;
    }
  };

  return {
    isPermitted: () => obstacle() === undefined,

    vouched(user) {
      grant = { user, valid: always };
    },

    async authenticate({ username, password, authzid }) {
      // Nobody here has the right to act for somebody else, so the password is not verified.
      if (authzid !== "" && authzid !== username) {
        log.warn("auth.foreign_identity", { client: peer.address, user: username });
        parts.counters.authentications.add("wrong");
        return replies.wrongCredentials;
      }
      if (authenticator === undefined) return replies.wrongCredentials;
      try {
        const verdict = await authenticator.verify(username, password, peer.address);
        parts.counters.authentications.add(verdict.kind);
        if (verdict.kind !== "accepted") {
          return verdict.kind === "wrong" ? replies.wrongCredentials : replies.authenticateLater;
        }
        grant = verdict;
        return { user: verdict.user };
      } catch (error) {
        log.error("auth.failed", { error: String(error) });
        return replies.authenticateLater;
      }
    },

    mail: (parameters) => decided(decideMail(parameters)),
    recipient: (forwardPath, request) => decided(decideRecipient(forwardPath, request)),

    async data(content) {
      if (transaction === undefined) return { answer: replies.unavailable, each: [] };
      const { named, envelope } = transaction;
      const { address, user } = submitter();
      const client = { address, helo: peer.helo, protocol: peer.protocol, user };
      let answer: Answer;
      try {
        answer = await parts.submit(envelope(), client, content);
      } catch (error) {
        log.info("submission.aborted", { error: error instanceof Error ? error.message : String(error) });
        answer = replies.unavailable;
      }
      return { answer, each: named.map((one) => answer.each?.get(one) ?? answer) };
    },
  };
}
