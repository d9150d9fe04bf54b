// When failures are reported to the reverse-path (P5): those of one submission within a minute are in one report. A
// transmission that has ended stays in the spool, noted as such, until a report that names it is durable in its place;
// so a crash loses nothing of what waits. The report itself is made in notice.ts.
import { deriveId, type Id } from "../identity/message-id.ts";
import { type Claim, DIGEST_OCTETS, type Ledger } from "../ledger/ledger.ts";
import type { NoticeReason, NoticeRecipient } from "../message/dsn.ts";
import { wants } from "../message/notify.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type {
  Ending,
  SpooledTransmission,
  StoredSubmitter,
  SubmissionId,
  TransmissionKey,
} from "../spool/record.ts";
import type { LostMail, Spool, SpooledMail } from "../spool/spool.ts";
import { factsOf } from "./facts.ts";
import type { Notice, Notices } from "./notice.ts";
import { type Recorder, STORAGE_RETRY_MS } from "./recorder.ts";

export interface Reports {
  /** Whether a report is wanted: there is a reverse-path, and it asked for one (NOTIFY of RFC 3461). */
  isWanted(mail: SpooledMail | LostMail, reason: NoticeReason): boolean;
  /** The transmission has ended, which is durable in the spool, and no claim of it is held. */
  ended(key: TransmissionKey, transmission: SpooledTransmission & { readonly ended: Ending }): void;
  /** The transmission takes longer; its sender is to be warned once. True when that has been done. */
  delayed(key: TransmissionKey, transmission: SpooledTransmission, reply: string): boolean;
  /** The transmission has left the spool without a report. */
  left(key: TransmissionKey, id: Id): void;
  /** The start has found all that is in the spool: begins to report. */
  start(): void;
  /** Begins no further report, and resolves when those under way are in the spool, or the signal has aborted. */
  drain(signal: AbortSignal): Promise<void>;
}

/** Why a report may not be sent: never, or not now. */
export interface ReportRefusal {
  readonly kind: "never" | "now";
  readonly reason: string;
}

export interface ReportsParts {
  readonly spool: Spool;
  readonly ledger: Ledger;
  readonly notices: Notices;
  readonly recorder: Recorder;
  /** Whether the submitter may mail the reverse-path, and so much; counts one mail. */
  readonly mayMail: (submitter: StoredSubmitter, reversePath: string) => ReportRefusal | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ReportsOptions {
  readonly secret: string;
  /** How long a transmission is tried, milliseconds. */
  readonly lifetimeMs: number;
  /** Log recipients. */
  readonly addresses: boolean;
}

/** What fails within it is reported together; and no submission has more than one report in it. */
const WINDOW_MS = 60_000;
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

/** One recipient that is to be reported. */
interface Entry {
  readonly key: TransmissionKey;
  readonly transmission: SpooledTransmission;
  readonly reason: NoticeReason;
  readonly reply: string;
  readonly at: number;
}

/** With what the spool has of it. */
type Present = Entry & { readonly mail: SpooledMail | LostMail };
/** With the claim of the id that says that it was reported. */
type Marked = Present & {
  readonly mark: Claim;
  /** Given: an earlier report under this id was attempted without an answer. */
  readonly firstDate: string | undefined;
};

/** What waits of one submission. */
interface Group {
  readonly entries: Map<number, Entry>;
  firstAt: number;
  notBefore: number;
  isRunning: boolean;
  timer: Timer | undefined;
}

export function createReports(parts: ReportsParts, options: ReportsOptions): Reports {
  const { spool, ledger, notices, recorder, mayMail, clock, log } = parts;
  const groups = new Map<SubmissionId, Group>();
  const warned = new Set<Id>();
  const closing = new AbortController();
  const running = new Set<Promise<void>>();
  let state: "collecting" | "open" | "closed" = "collecting";

  const facts = (transmission: SpooledTransmission, more: Readonly<Record<string, unknown>>) =>
    factsOf(transmission, options.addresses, more);

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

  const add = (entry: Entry): void => {
    const { submission, index } = entry.key;
    const group = groups.get(submission) ?? {
      ...{ entries: new Map(), firstAt: 0, notBefore: 0, isRunning: false, timer: undefined },
    };
    groups.set(submission, group);
    if (group.entries.size === 0) group.firstAt = clock.now();
    group.entries.set(index, entry);
    consider(submission, group);
  };

  /** Reports now, or sets the time for it. Nothing waits for others where no others are left. */
  const consider = (submission: SubmissionId, group: Group): void => {
    if (state !== "open" || group.isRunning) return;
    group.timer?.cancel();
    group.timer = undefined;
    const now = clock.now();
    if (group.entries.size === 0) {
      const wait = Math.min(group.notBefore - now, WINDOW_MS);
      if (wait <= 0) groups.delete(submission);
      else group.timer = clock.after(wait, () => consider(submission, group));
      return;
    }
    const isWhole = group.entries.size >= spool.count(submission);
    const due = Math.max(isWhole ? 0 : group.firstAt + WINDOW_MS, group.notBefore);
    // The time of day may be set back.
    const wait = Math.min(due - now, WINDOW_MS);
    if (wait > 0) group.timer = clock.after(wait, () => run(submission, group));
    else run(submission, group);
  };

  function run(submission: SubmissionId, group: Group): void {
    group.isRunning = true;
    const entries = [...group.entries.values()];
    const work = report(submission, entries)
      .then(
        (result) => {
          if (result !== "nothing") group.notBefore = clock.now() + WINDOW_MS;
          if (result === "postponed") return;
          for (const entry of entries) {
            if (group.entries.get(entry.key.index) === entry) group.entries.delete(entry.key.index);
          }
        },
        (error: unknown) => {
          log.error("report.failed", { submission, error: String(error) });
          group.notBefore = clock.now() + STORAGE_RETRY_MS;
        },
      )
      .then(() => {
        group.isRunning = false;
        if (group.entries.size > 0) group.firstAt = clock.now();
        running.delete(work);
        consider(submission, group);
      });
    running.add(work);
  }

  const presentOf = async (entries: readonly Entry[]): Promise<Present[]> => {
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

  async function report(
    submission: SubmissionId,
    entries: readonly Entry[],
  ): Promise<"reported" | "nothing" | "postponed"> {
    const present = await presentOf(entries);
    const [first] = present;
    if (first === undefined) return "nothing";
    const reversePath = reversePathOf(first.mail) ?? "";
    const marked = await markAll(present, reversePath);
    let notice: Notice | undefined;
    try {
      const refusal = marked.length === 0 ? undefined : refusalFor(first.mail, reversePath);
      if (refusal?.kind === "now") {
        await release(marked);
        log.info("report.postponed", { submission, reason: refusal.reason });
        return "postponed";
      }
      if (refusal !== undefined) log.warn("report.forbidden", { submission, reason: refusal.reason });
      const [one, ...others] = refusal === undefined ? marked : [];
      if (one !== undefined) {
        const recipients = [recipientOf(one), ...others.map(recipientOf)] as const;
        notice = await notices.compose(first.mail, reversePath, recipients, one.mark, one.firstDate);
      }
      await place(submission, present, notice);
    } catch (error) {
      await release(marked).catch(() => {});
      throw error;
    }
    if (notice === undefined) await release(marked);
    else {
      notices.accepted(notice);
      // A crash before this may have them reported once more, should the task fail again today.
      for (const { mark } of marked.slice(1)) {
        await recorder.settle(mark, "relayed", closing.signal).catch(() => {});
      }
    }
    logReported(present, marked, notice);
    return notice === undefined ? "nothing" : "reported";
  }

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
  ): Promise<void> => {
    const over = present.filter(({ transmission }) => transmission.ended !== undefined);
    if (over.length > 0) {
      const indexes = over.map(({ key }) => key.index);
      await recorder.replaceAll(submission, indexes, notice?.submission, closing.signal);
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
      } else {
        warned.add(transmission.id);
        if (messageId !== undefined)
          log.info("transmission.delayed", facts(transmission, { notice: messageId }));
      }
    }
  };

  const isWanted: Reports["isWanted"] = (mail, reason) => {
    const reversePath = reversePathOf(mail);
    if (reversePath === undefined || reversePath === "") return false;
    return wants(KINDS[reason].event, mail.transmission.request);
  };

  return {
    isWanted,

    ended(key, transmission) {
      const { reason, reply, at } = transmission.ended;
      warned.delete(transmission.id);
      add({ key, transmission, reason, reply, at });
    },

    delayed(key, transmission, reply) {
      if (warned.delete(transmission.id)) return true;
      const isThere = groups.get(key.submission)?.entries.has(key.index) === true;
      if (!isThere) add({ key, transmission, reason: "delayed", reply, at: clock.now() });
      return false;
    },

    left(key, id) {
      warned.delete(id);
      const group = groups.get(key.submission);
      if (group === undefined) return;
      if (!group.isRunning) group.entries.delete(key.index);
      consider(key.submission, group);
    },

    start() {
      state = "open";
      for (const [submission, group] of groups) consider(submission, group);
    },

    async drain(signal) {
      state = "closed";
      for (const { timer } of groups.values()) timer?.cancel();
      const abort = () => closing.abort();
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      await Promise.all(running);
    },
  };
}

const reversePathOf = (mail: SpooledMail | LostMail): string | undefined =>
  mail.kind === "whole" ? mail.submission.reversePath : mail.transmission.reversePath;
