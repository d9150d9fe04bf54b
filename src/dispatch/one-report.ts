// One report about one submission: which of its recipients are in it, under which id, and its place in the spool. When
// reports are made is in reports.ts, and what a report says in notice.ts.
import { deriveId, type Id } from "../identity/message-id.ts";
import { type Claim, DIGEST_OCTETS, type Ledger } from "../ledger/ledger.ts";
import type { NoticeReason, NoticeRecipient } from "../message/dsn.ts";
import { wants } from "../message/notify.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { SpooledTransmission, StoredSubmitter, SubmissionId, TransmissionKey } from "../spool/record.ts";
import type { LostMail, Spool, SpooledMail } from "../spool/spool.ts";
import { factsOf } from "./facts.ts";
import type { Notice, Notices } from "./notice.ts";
import type { Recorder } from "./recorder.ts";

/** One recipient that is to be reported. */
export interface ReportEntry {
  readonly key: TransmissionKey;
  readonly transmission: SpooledTransmission;
  readonly reason: NoticeReason;
  readonly reply: string;
  readonly at: number;
}

/** What became of a report. */
export type Reported =
  /** The submitter may not mail the reverse-path now. */
  | { readonly kind: "postponed" }
  /** It is durable in the spool, or none is due; these were warned of a delay, or need no warning. */
  | { readonly kind: "reported" | "nothing"; readonly warned: readonly Id[] };

export interface OneReport {
  /** Whether a report is wanted: there is a reverse-path, and it asked for one (NOTIFY of RFC 3461). */
  isWanted(mail: SpooledMail | LostMail, reason: NoticeReason): boolean;
  /** Puts one report of all these into the spool, in the place of those that have ended. Rejects when the disk fails. */
  make(submission: SubmissionId, entries: readonly ReportEntry[], signal: AbortSignal): Promise<Reported>;
}

/** Why a report may not be sent: never, or not now. */
export interface ReportRefusal {
  readonly kind: "never" | "now";
  readonly reason: string;
}

export interface OneReportParts {
  readonly spool: Spool;
  readonly ledger: Ledger;
  readonly notices: Notices;
  readonly recorder: Recorder;
  /** Whether the submitter may mail the reverse-path, and so much; counts one mail. */
  readonly mayMail: (submitter: StoredSubmitter, reversePath: string) => ReportRefusal | undefined;
  readonly counters: Pick<Counters, "notices">;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OneReportOptions {
  readonly secret: string;
  /** How long a transmission is tried, milliseconds. */
  readonly lifetimeMs: number;
  /** Log recipients. */
  readonly addresses: boolean;
}

/** The same task and recipient is reported once in each day (UTC), however often the task is submitted again. */
const DAY_MS = 24 * 60 * 60_000;

/** What NOTIFY calls it, and the part that tells the kinds apart. */
const KINDS = {
  refused: { event: "FAILURE", part: "" },
  expired: { event: "FAILURE", part: "" },
  lost: { event: "FAILURE", part: "" },
  delayed: { event: "DELAY", part: "delayed" },
  relayed: { event: "SUCCESS", part: "relayed" },
} as const satisfies Record<NoticeReason, object>;

/** No configured namespace holds a control character, so no task's mail can have the id of a report. */
const NAMESPACE = "\x01notice";

/** With what the spool has of it. */
type Present = ReportEntry & { readonly mail: SpooledMail | LostMail };
/** With the claim of the id that says that it was reported. */
type Marked = Present & {
  readonly mark: Claim;
  /** Given: an earlier report under this id was attempted without an answer. */
  readonly firstDate: string | undefined;
};

export function createOneReport(parts: OneReportParts, options: OneReportOptions): OneReport {
  const { spool, ledger, notices, recorder, mayMail, counters, clock, log } = parts;

  const facts = (transmission: SpooledTransmission, more: Readonly<Record<string, unknown>>) =>
    factsOf(transmission, options.addresses, more);

  const isWanted: OneReport["isWanted"] = (mail, reason) => {
    const reversePath = reversePathOf(mail);
    if (reversePath === undefined || reversePath === "") return false;
    return wants(KINDS[reason].event, mail.transmission.request);
  };

  /**
   * The id that says that it was reported today; of the first in a report it is the report's own. Mail without a task
   * is reported each time.
   */
  const markOf = ({ key, transmission, reason, mail }: Present, recipient: string): Id => {
    const isKeyed = mail.kind === "whole" && mail.submission.task !== undefined;
    const day = Math.floor(clock.now() / DAY_MS);
    return deriveId({
      ...{ secret: options.secret, namespace: NAMESPACE, recipient },
      task: isKeyed ? transmission.id : `${transmission.id} ${key.submission}`,
      part: `${KINDS[reason].part}${day}`,
    });
  };

  const presentOf = async (entries: readonly ReportEntry[]): Promise<Present[]> => {
    const present: Present[] = [];
    for (const entry of entries) {
      const mail = await spool.read(entry.key);
      if (mail !== undefined) present.push({ ...entry, mail });
    }
    return present;
  };

  /** Those to report, each with the claim of its mark; the others were reported today, or nobody asked for that. */
  const markAll = async (present: readonly Present[], reversePath: string): Promise<Marked[]> => {
    const wanted = present.filter(({ mail, reason }) => isWanted(mail, reason));
    if (wanted.length === 0) return [];
    const digest = new Uint8Array(DIGEST_OCTETS);
    const results = await ledger.claim(wanted.map((one) => ({ id: markOf(one, reversePath), digest })));
    return wanted.flatMap((one, index) => {
      const result = results[index];
      if (result === undefined || result.kind === "repeat") return [];
      const firstDate = result.kind === "doubtful" ? result.firstDate : undefined;
      return [{ ...one, mark: result.claim, firstDate }];
    });
  };

  const refusalFor = (mail: SpooledMail | LostMail, reversePath: string): ReportRefusal | undefined => {
    const submitter = mail.kind === "whole" ? mail.submission.submitter : undefined;
    return submitter === undefined ? undefined : mayMail(submitter, reversePath);
  };

  const recipientOf = ({ transmission, reason, reply, at }: Marked): NoticeRecipient => ({
    recipient: transmission.recipient,
    orcpt: transmission.request?.orcpt,
    ...{ reason, diagnostic: reply, lastAttemptAt: at },
    ...(reason === "delayed" ? { willRetryUntil: transmission.acceptedAt + options.lifetimeMs } : {}),
  });

  /** The report goes in and what has ended goes out, in one commit. */
  const place = async (
    submission: SubmissionId,
    present: readonly Present[],
    notice: Notice | undefined,
    signal: AbortSignal,
  ): Promise<void> => {
    const over = present.filter(({ transmission }) => transmission.ended !== undefined);
    if (over.length > 0) {
      const indexes = over.map(({ key }) => key.index);
      await recorder.replaceAll(submission, indexes, notice?.submission, signal);
    } else if (notice !== undefined) await spool.accept(notice.submission);
  };

  const release = async (marked: readonly Marked[]): Promise<void> => {
    if (marked.length > 0) await ledger.release(marked.map(({ mark }) => mark));
  };

  const logReported = (
    present: readonly Present[],
    marked: readonly Marked[],
    notice: Notice | undefined,
  ): void => {
    const reported = new Set(marked.map(({ key }) => key.index));
    for (const { key, transmission, reason } of present) {
      const messageId = reported.has(key.index) ? notice?.messageId : undefined;
      if (reason !== "delayed") {
        log.info("transmission.reported", facts(transmission, { notice: messageId ?? "none" }));
      } else if (messageId !== undefined) {
        log.info("transmission.delayed", facts(transmission, { notice: messageId }));
      }
    }
  };

  const make: OneReport["make"] = async (submission, entries, signal) => {
    const present = await presentOf(entries);
    const [first] = present;
    if (first === undefined) return { kind: "nothing", warned: [] };
    const reversePath = reversePathOf(first.mail) ?? "";
    const marked = await markAll(present, reversePath);
    let notice: Notice | undefined;
    try {
      const refusal = marked.length === 0 ? undefined : refusalFor(first.mail, reversePath);
      if (refusal?.kind === "now") {
        await release(marked);
        log.info("report.postponed", { submission, reason: refusal.reason });
        return { kind: "postponed" };
      }
      if (refusal !== undefined) log.warn("report.forbidden", { submission, reason: refusal.reason });
      const [one, ...others] = refusal === undefined ? marked : [];
      if (one !== undefined) {
        const recipients = [recipientOf(one), ...others.map(recipientOf)] as const;
        notice = await notices.compose(first.mail, reversePath, recipients, one.mark, one.firstDate);
      }
      await place(submission, present, notice, signal);
    } catch (error) {
      await release(marked).catch(() => {});
      throw error;
    }
    if (notice === undefined) await release(marked);
    else {
      notices.accepted(notice);
      counters.notices.add(kindOf(marked));
      // A crash before this may have them reported once more, should the task fail again today.
      for (const { mark } of marked.slice(1)) {
        await recorder.settle(mark, "relayed", signal).catch(() => {});
      }
    }
    logReported(present, marked, notice);
    const late = present.filter(({ reason }) => reason === "delayed");
    const warned = late.map(({ transmission }) => transmission.id);
    return { kind: notice === undefined ? "nothing" : "reported", warned };
  };

  return { isWanted, make };
}

/** A failure outweighs a delay, and that a success. */
function kindOf(marked: readonly Marked[]): "failure" | "delay" | "success" {
  const events = new Set<string>(marked.map(({ reason }) => KINDS[reason].event));
  if (events.has("FAILURE")) return "failure";
  return events.has("DELAY") ? "delay" : "success";
}

const reversePathOf = (mail: SpooledMail | LostMail): string | undefined =>
  mail.kind === "whole" ? mail.submission.reversePath : mail.transmission.reversePath;
