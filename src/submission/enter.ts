// Makes the spool's records of a submission that is to be relayed. The header is rewritten here, once for all
// attempts and all recipients.
import type { SenderDomains } from "../identity/id-right.ts";
import type { Id } from "../identity/message-id.ts";
import type { Claim } from "../ledger/ledger.ts";
import { prepare, type ReferencesPolicy } from "../message/rewrite.ts";
import { receivedValue } from "../message/trace.ts";
import type { SpooledTransmission, SubmissionId, TransmissionKey } from "../spool/record.ts";
import type { NewSubmission } from "../spool/spool.ts";
import type { Client, Envelope } from "./contract.ts";
import type { Keying } from "./keying.ts";
import type { ReceivedContent } from "./receive.ts";

/** One recipient whose id is claimed. */
export interface Claimed {
  readonly recipient: string;
  readonly id: Id;
  /** With angle brackets. */
  readonly messageId: string;
  readonly claim: Claim;
  /** Given when the id was attempted before without an answer. */
  readonly firstDate?: string | undefined;
  /** So too: when it was last attempted or found doubtful, milliseconds since the epoch. */
  readonly doubtSince?: number | undefined;
  /** See Passed: given when the id was relayed before, and an operator has forgotten that. */
  readonly since?: number | undefined;
}

/** What enters the spool and then the queue. */
export interface Accepted {
  readonly key: TransmissionKey;
  readonly claim: Claim;
  readonly transmission: SpooledTransmission;
  /** Attempted before, under another submission, with no answer: policy decides (P6). */
  readonly doubtful: boolean;
  /** Since when. */
  readonly doubtSince: number | undefined;
}

export interface Entering {
  readonly id: SubmissionId;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly envelope: Envelope;
  readonly client: Client;
  readonly content: ReceivedContent;
  readonly keying: Keying;
  readonly sender: SenderDomains;
  readonly claimed: readonly Claimed[];
  /** The client waits for the verdict. */
  readonly awaited: boolean;
  readonly hostname: string;
  readonly traceName: string;
  /** See RewriteOptions. */
  readonly taskFields: ReadonlySet<string>;
  /** See RewriteOptions; of mail with a task. */
  readonly references: ReferencesPolicy;
  /** See RewriteOptions. */
  readonly keepIdFields: readonly string[];
  /** See RewriteOptions. */
  readonly isUnmarked: boolean;
}

export function toSpool(entering: Entering): { submission: NewSubmission; accepted: Accepted[] } {
  const { id, now, envelope, client, content, keying, sender, claimed, awaited, hostname, taskFields } =
    entering;
  const { octets, ...header } = prepare(content.fields, {
    received: receivedValue({
      helo: client.helo,
      address: client.address,
      protocol: client.protocol,
      hostname,
      traceName: entering.traceName,
      submissionId: id,
      date: now,
    }),
    taskFields,
    acceptedAt: now,
    keepMessageId: keying.keepMessageId,
    references: keying.task === undefined ? "none" : entering.references,
    keepIdFields: entering.keepIdFields,
    isUnmarked: entering.isUnmarked,
  });
  const digest = Buffer.from(content.digest).toString("hex");
  const accepted = claimed.map(
    ({ recipient, id: transmissionId, messageId, claim, firstDate, doubtSince, since }, index): Accepted => ({
      key: { submission: id, index },
      claim,
      doubtful: firstDate !== undefined,
      doubtSince,
      transmission: {
        id: transmissionId,
        messageId,
        unkeyed: keying.task === undefined ? true : undefined,
        recipient,
        reversePath: envelope.reversePath,
        size: octets.length + content.bodySize,
        sender,
        digest,
        acceptedAt: now,
        attempts: 0,
        dueAt: now,
        since: since ?? keying.since,
        firstDate,
        awaited: awaited || undefined,
        request: envelope.requests?.get(recipient),
      },
    }),
  );
  return {
    accepted,
    submission: {
      submission: {
        id,
        acceptedAt: now,
        reversePath: envelope.reversePath,
        task: keying.task,
        submitter: { address: client.address, user: client.user },
        envid: envelope.envid,
        ret: envelope.ret,
        header,
        headerSize: octets.length,
        bodySize: content.bodySize,
        bodyIn: content.body === undefined ? "file" : "record",
        eightBit: content.eightBit,
      },
      header: octets,
      body: content.body,
      transmissions: accepted.map(({ transmission }) => transmission),
    },
  };
}
