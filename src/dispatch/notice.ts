// The report of a failure to the reverse-path (P5): an RFC 3464 notification that goes through the same
// spool and ledger as any mail, under an id of its own, so that no failure is reported twice.

import { idRightOf, senderDomainsOf } from "../identity/id-right.ts";
import { deriveId, messageIdOf } from "../identity/message-id.ts";
import { type Claim, DIGEST_OCTETS, type Ledger } from "../ledger/ledger.ts";
import { composeFailureNotice } from "../message/dsn.ts";
import { render } from "../message/rewrite.ts";
import { formatDate } from "../message/trace.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { makeSubmissionId } from "../spool/record.ts";
import type { NewSubmission, SpooledMail } from "../spool/spool.ts";
import type { QueuedTransmission, ToQueue } from "./dispatcher.ts";

/** Why a transmission is given up. */
export interface Failure {
  readonly reason: "refused" | "expired";
  /** What the upstream said, one line. */
  readonly reply: string;
}

/** A notification with its claim, not yet in the spool. */
export interface Notice {
  /** With its angle brackets. */
  readonly messageId: string;
  readonly submission: NewSubmission;
  readonly claim: Claim;
}

export interface Notices {
  /** Undefined when nobody can be told (a null reverse-path) or has been told already. */
  compose(mail: SpooledMail, failure: Failure): Promise<Notice | undefined>;
  /** It is durable in the spool: queue it. */
  accepted(notice: Notice): void;
}

export interface NoticeParts {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
  readonly toQueue: ToQueue;
  readonly enqueue: (queued: QueuedTransmission) => void;
}

export interface NoticeOptions {
  readonly hostname: string;
  readonly secret: string;
}

/** No configured namespace holds a control character, so no task's mail can have the id of a notice. */
const NAMESPACE = "\x01notice";

const HEADER_END = Buffer.from("\r\n\r\n");

export function createNotices(parts: NoticeParts, { hostname, secret }: NoticeOptions): Notices {
  const { ledger, clock, random, toQueue, enqueue } = parts;

  const postmaster = `MAILER-DAEMON@${hostname}`;
  /** A report is the gateway's own mail, and is routed as such. */
  const sender = senderDomainsOf({ from: postmaster, reversePath: "" });

  const submissionOf = (
    mail: SpooledMail,
    failure: Failure,
    id: string,
    messageId: string,
  ): NewSubmission => {
    const { submission, transmission, header } = mail;
    const now = clock.now();
    const content = Buffer.from(
      composeFailureNotice({
        reportingMta: hostname,
        from: postmaster,
        to: submission.reversePath,
        recipient: transmission.recipient,
        reason: failure.reason,
        diagnostic: failure.reply,
        arrivedAt: submission.acceptedAt,
        failedAt: now,
        originalHeader: render(header, transmission),
        messageId,
        ...(submission.envid === undefined ? {} : { envid: submission.envid }),
      }),
    );
    const bodyAt = content.indexOf(HEADER_END) + HEADER_END.length;
    const noticeId = makeSubmissionId(now, random.octets(4));
    return {
      submission: {
        id: noticeId,
        acceptedAt: now,
        reversePath: "",
        header: {
          // The slot before the empty line; the notice is ours, so nothing else in it changes.
          slot: bodyAt - 2,
          setsMessageId: false,
          date: formatDate(now),
          dateStart: 0,
          dateEnd: 0,
        },
        headerSize: bodyAt,
        bodySize: content.length - bodyAt,
        bodyIn: "record",
        eightBit: false,
      },
      header: content.subarray(0, bodyAt),
      body: content.subarray(bodyAt),
      transmissions: [
        {
          id,
          messageId,
          recipient: submission.reversePath,
          size: content.length,
          sender,
          digest: "00".repeat(DIGEST_OCTETS),
          acceptedAt: now,
          attempts: 0,
          dueAt: now,
        },
      ],
    };
  };

  return {
    async compose(mail, failure) {
      const { reversePath, id: submissionId } = mail.submission;
      if (reversePath === "") return undefined;
      const task = `${submissionId} ${mail.transmission.id}`;
      const id = deriveId({ secret, namespace: NAMESPACE, task, recipient: reversePath, part: "" });
      const messageId = messageIdOf(id, idRightOf({ from: undefined, reversePath: "", hostname }));
      const [result] = await ledger.claim([{ id, digest: new Uint8Array(DIGEST_OCTETS) }]);
      if (result === undefined || result.kind === "repeat") return undefined;
      return { submission: submissionOf(mail, failure, id, messageId), claim: result.claim, messageId };
    },

    accepted({ submission, claim }) {
      ledger.accepted([claim]);
      const key = { submission: submission.submission.id, index: 0 };
      const [transmission] = submission.transmissions;
      if (transmission !== undefined) enqueue(toQueue(key, claim, transmission));
    },
  };
}
