// Reports to the reverse-path, of a failure above all (P5): an RFC 3464 notification that goes through the
// same spool and ledger as any mail, under an id of its own, so that nothing is reported twice. When a delay
// is worth one is in delay.ts.

import { idRightOf, senderDomainsOf } from "../identity/id-right.ts";
import { deriveId, messageIdOf } from "../identity/message-id.ts";
import { type Claim, DIGEST_OCTETS, type Ledger } from "../ledger/ledger.ts";
import { canAttach, composeNotice, type NoticeReason, ORIGINAL_MESSAGE_MAX } from "../message/dsn.ts";
import { wants } from "../message/notify.ts";
import { keepIdLine, render } from "../message/rewrite.ts";
import { formatDate } from "../message/trace.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { makeSubmissionId } from "../spool/record.ts";
import type { LostMail, NewSubmission, SpooledMail } from "../spool/spool.ts";
import type { QueuedTransmission, ToQueue } from "./dispatcher.ts";

/** What is reported of a transmission. */
export interface Occasion {
  readonly reason: NoticeReason;
  /** What the upstream said, one line. */
  readonly reply: string;
}

/** Why a transmission is given up. */
export type Failure = Occasion & { readonly reason: "refused" | "expired" | "lost" };

/** A notification with its claim, not yet in the spool. */
export interface Notice {
  /** With its angle brackets. */
  readonly messageId: string;
  readonly submission: NewSubmission;
  readonly claim: Claim;
}

export interface Notices {
  /**
   * Undefined when nobody can be told (a null reverse-path, or one that is lost with its submission), wants to be
   * (NOTIFY of RFC 3461) or has been told already.
   */
  compose(mail: SpooledMail | LostMail, occasion: Occasion): Promise<Notice | undefined>;
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
  /** How long a transmission is tried, milliseconds. */
  readonly lifetimeMs: number;
  /** See RewriteOptions. */
  readonly keepIdFields: readonly string[];
}

/** What NOTIFY calls it, and the part that gives each its own id. */
const KINDS = {
  refused: { event: "FAILURE", part: "" },
  expired: { event: "FAILURE", part: "" },
  lost: { event: "FAILURE", part: "" },
  delayed: { event: "DELAY", part: "delayed" },
  relayed: { event: "SUCCESS", part: "relayed" },
} as const satisfies Record<NoticeReason, object>;

/** No configured namespace holds a control character, so no task's mail can have the id of a notice. */
const NAMESPACE = "\x01notice";

const HEADER_END = Buffer.from("\r\n\r\n");

export function createNotices(parts: NoticeParts, options: NoticeOptions): Notices {
  const { hostname, secret, lifetimeMs } = options;
  const fields = options.keepIdFields.map(keepIdLine);
  const { ledger, clock, random, toQueue, enqueue } = parts;

  const postmaster = `MAILER-DAEMON@${hostname}`;
  /** A report is the gateway's own mail, and is routed as such. */
  const sender = senderDomainsOf({ from: postmaster, reversePath: "" });

  const submissionOf = async (
    mail: SpooledMail | LostMail,
    { reason, reply }: Occasion,
    reversePath: string,
    id: string,
    messageId: string,
  ): Promise<NewSubmission> => {
    const { transmission } = mail;
    const envid = mail.kind === "whole" ? mail.submission.envid : undefined;
    const { orcpt } = transmission.request ?? {};
    const now = clock.now();
    const content = Buffer.from(
      composeNotice({
        reportingMta: hostname,
        from: postmaster,
        to: reversePath,
        recipient: transmission.recipient,
        reason,
        diagnostic: reply,
        arrivedAt: arrivedAt(mail),
        lastAttemptAt: now,
        original: await originalOf(mail, reason),
        messageId,
        fields,
        ...(envid === undefined ? {} : { envid }),
        ...(orcpt === undefined ? {} : { orcpt }),
        ...(reason === "delayed" ? { willRetryUntil: transmission.acceptedAt + lifetimeMs } : {}),
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
          recipient: reversePath,
          reversePath: "",
          size: content.length,
          sender,
          digest: "00".repeat(DIGEST_OCTETS),
          acceptedAt: now,
          attempts: 0,
          dueAt: now,
          // RFC 3461 §6.1: nothing is reported of a report.
          request: { notify: ["NEVER"] },
        },
      ],
    };
  };

  return {
    async compose(mail, occasion) {
      const reversePath = reversePathOf(mail);
      const submissionId = mail.kind === "whole" ? mail.submission.id : mail.submissionId;
      const { event, part } = KINDS[occasion.reason];
      if (reversePath === undefined || reversePath === "" || !wants(event, mail.transmission.request))
        return undefined;
      const task = `${submissionId} ${mail.transmission.id}`;
      const id = deriveId({ secret, namespace: NAMESPACE, task, recipient: reversePath, part });
      const messageId = messageIdOf(id, idRightOf({ from: undefined, reversePath: "", hostname }));
      const [result] = await ledger.claim([{ id, digest: new Uint8Array(DIGEST_OCTETS) }]);
      if (result === undefined || result.kind === "repeat") return undefined;
      try {
        const submission = await submissionOf(mail, occasion, reversePath, id, messageId);
        return { submission, claim: result.claim, messageId };
      } catch (error) {
        await ledger.release([result.claim]);
        throw error;
      }
    },

    accepted({ submission, claim }) {
      ledger.accepted([claim]);
      const key = { submission: submission.submission.id, index: 0 };
      const [transmission] = submission.transmissions;
      if (transmission !== undefined) enqueue(toQueue(key, claim, transmission));
    },
  };
}

const reversePathOf = (mail: SpooledMail | LostMail): string | undefined =>
  mail.kind === "whole" ? mail.submission.reversePath : mail.transmission.reversePath;

/** When the submission was accepted; the transmission's own time begins anew with an operator's decision. */
const arrivedAt = (mail: SpooledMail | LostMail): number =>
  (mail.kind === "whole" ? mail.submission : mail.transmission).acceptedAt;

/** The whole message where the client asked for it (RET=FULL, of a failure only: RFC 3461 §4.3) and it fits. */
async function originalOf(mail: SpooledMail | LostMail, reason: NoticeReason) {
  const { transmission } = mail;
  if (mail.kind === "lost") {
    return { kind: "header", octets: Buffer.from(`Message-ID: ${transmission.messageId}\r\n`) } as const;
  }
  const { submission } = mail;
  const header = render(mail.header, transmission);
  const isFailure = KINDS[reason].event === "FAILURE" && reason !== "lost";
  const size = header.length + submission.bodySize;
  if (isFailure && submission.ret === "FULL" && !submission.eightBit && size <= ORIGINAL_MESSAGE_MAX) {
    const octets: Uint8Array[] = [header];
    if (submission.bodySize > 0) for await (const chunk of mail.bodyOctets()) octets.push(chunk);
    const message = Buffer.concat(octets);
    if (canAttach(message)) return { kind: "message", octets: message } as const;
  }
  return { kind: "header", octets: header } as const;
}
