// The report to the reverse-path (RFC 3464) as a submission of our own: it goes through the same spool and ledger as
// any mail. What is in it is in one-report.ts, and when it is made in reports.ts.
import { idRightOf, type SenderDomains } from "../identity/id-right.ts";
import { messageIdOf } from "../identity/message-id.ts";
import { type Claim, DIGEST_OCTETS, type Ledger } from "../ledger/ledger.ts";
import { canAttach, composeNotice, type NoticeRecipient, ORIGINAL_MESSAGE_MAX } from "../message/dsn.ts";
import { keepIdLine, render } from "../message/rewrite.ts";
import { formatDate } from "../message/trace.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { makeSubmissionId } from "../spool/record.ts";
import type { LostMail, NewSubmission, SpooledMail } from "../spool/spool.ts";
import type { Entering } from "./queue.ts";

/** A notification with its claim, not yet in the spool. */
export interface Notice {
  /** With its angle brackets. */
  readonly messageId: string;
  readonly submission: NewSubmission;
  readonly claim: Claim;
  /** The Date of an earlier one of this id that was attempted without an answer, and given up; else undefined. */
  readonly firstDate: string | undefined;
}

export interface Notices {
  /**
   * @param mail one of the submission's transmissions
   * @param recipients those that the notification is about
   * @param claim of the notification's own id
   * @param firstDate given: the id is doubtful, see Notice
   */
  compose(
    mail: SpooledMail | LostMail,
    reversePath: string,
    recipients: readonly [NoticeRecipient, ...NoticeRecipient[]],
    claim: Claim,
    firstDate: string | undefined,
  ): Promise<Notice>;
  /** It is durable in the spool: queue it. */
  accepted(notice: Notice): void;
}

export interface NoticeParts {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
  /** See Entrance. */
  readonly enter: (entering: Entering) => void;
}

export interface NoticeOptions {
  readonly hostname: string;
  /** The mailbox that it is from. */
  readonly from: string;
  /** Whose mail it is: it is routed as such. */
  readonly sender: SenderDomains;
  /** See RewriteOptions. */
  readonly keepIdFields: readonly string[];
}

const HEADER_END = Buffer.from("\r\n\r\n");

export function createNotices(parts: NoticeParts, options: NoticeOptions): Notices {
  const { hostname, from, sender } = options;
  const fields = options.keepIdFields.map(keepIdLine);
  const { ledger, clock, random, enter } = parts;

  const submissionOf = async (
    mail: SpooledMail | LostMail,
    reversePath: string,
    recipients: readonly [NoticeRecipient, ...NoticeRecipient[]],
    id: string,
    messageId: string,
    firstDate: string | undefined,
  ): Promise<NewSubmission> => {
    const now = clock.now();
    const noticeId = makeSubmissionId(now, random.octets(4));
    const envid = mail.kind === "whole" ? mail.submission.envid : undefined;
    const content = Buffer.from(
      composeNotice({
        ...{ reportingMta: hostname, from, to: reversePath, recipients, messageId, fields },
        arrivedAt: arrivedAt(mail),
        date: now,
        original: await originalOf(mail, recipients),
        ...(envid === undefined ? {} : { envid }),
      }),
    );
    const bodyAt = content.indexOf(HEADER_END) + HEADER_END.length;
    const dateStart = content.indexOf("\r\nDate: ") + 2;
    return {
      submission: {
        id: noticeId,
        acceptedAt: now,
        reversePath: "",
        report: true,
        header: {
          // The slot before the empty line; the notice is ours, so nothing else in it changes but its Date.
          slot: bodyAt - 2,
          setsMessageId: false,
          date: formatDate(now),
          dateStart,
          dateEnd: content.indexOf("\r\n", dateStart) + 2,
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
          ...(firstDate === undefined ? {} : { firstDate }),
        },
      ],
    };
  };

  return {
    async compose(mail, reversePath, recipients, claim, firstDate) {
      const messageId = messageIdOf(claim.id, idRightOf({ from: undefined, reversePath: "", hostname }));
      const submission = await submissionOf(mail, reversePath, recipients, claim.id, messageId, firstDate);
      return { submission, claim, messageId, firstDate };
    },

    accepted({ submission, claim, firstDate }) {
      ledger.accepted([claim]);
      const key = { submission: submission.submission.id, index: 0 };
      const [transmission] = submission.transmissions;
      if (transmission === undefined) return;
      enter({ key, claim, transmission, doubtful: firstDate !== undefined });
    },
  };
}

/** When the submission was accepted; the transmission's own time begins anew with an operator's decision. */
const arrivedAt = (mail: SpooledMail | LostMail): number =>
  (mail.kind === "whole" ? mail.submission : mail.transmission).acceptedAt;

/** The whole message where the client asked for it (RET=FULL, of a failure only: RFC 3461 §4.3) and it fits. */
async function originalOf(mail: SpooledMail | LostMail, recipients: readonly NoticeRecipient[]) {
  const { transmission } = mail;
  if (mail.kind === "lost") {
    return { kind: "header", octets: Buffer.from(`Message-ID: ${transmission.messageId}\r\n`) } as const;
  }
  const { submission } = mail;
  const header = render(mail.header, transmission);
  const isFailure = recipients.every(({ reason }) => reason === "refused" || reason === "expired");
  const size = header.length + submission.bodySize;
  if (isFailure && submission.ret === "FULL" && !submission.eightBit && size <= ORIGINAL_MESSAGE_MAX) {
    const octets: Uint8Array[] = [header];
    if (submission.bodySize > 0) for await (const chunk of mail.bodyOctets()) octets.push(chunk);
    const message = Buffer.concat(octets);
    if (canAttach(message)) return { kind: "message", octets: message } as const;
  }
  return { kind: "header", octets: header } as const;
}
