// When failures are reported to the reverse-path (P5): those of one submission within a minute are in one report. A
// transmission that has ended stays in the spool, noted as such, until a report that names it is durable in its place;
// so a crash loses nothing of what waits. A report itself is made in one-report.ts.
import type { Id } from "../identity/message-id.ts";
import type { NoticeReason } from "../message/dsn.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Ending, SpooledTransmission, SubmissionId, TransmissionKey } from "../spool/record.ts";
import type { LostMail, Spool, SpooledMail } from "../spool/spool.ts";
import type { OneReport, ReportEntry } from "./one-report.ts";
import { STORAGE_RETRY_MS } from "./recorder.ts";

export interface Reports {
  /** Whether a report is wanted: there is a reverse-path, and it asked for one (NOTIFY of RFC 3461). */
  isWanted(mail: SpooledMail | LostMail, reason: NoticeReason): boolean;
  /** The transmission has ended, which is durable in the spool, and no claim of it is held. */
  ended(key: TransmissionKey, transmission: SpooledTransmission & { readonly ended: Ending }): void;
  /** The transmission takes longer; its sender is to be warned once. True when that has been done. */
  delayed(key: TransmissionKey, transmission: SpooledTransmission, reply: string): boolean;
  /** What has ended and waits for its report. Looks at all of that. */
  find(id: Id): TransmissionKey | undefined;
  /**
   * It was relayed after all: if its failure waits for a report it leaves the spool without one. Rejects with a StorageError:
   * it is reported then, as it is where the report is being made.
   */
  relayed(id: Id): Promise<void>;
  /** The transmission has left the spool without a report. */
  left(key: TransmissionKey, id: Id): void;
  /** How many transmissions that have ended, or are late, wait to be reported. */
  waiting(): number;
  /** The start has found all that is in the spool: begins to report. */
  start(): void;
  /** Begins no further report, and resolves when those under way are in the spool, or the signal has aborted. */
  drain(signal: AbortSignal): Promise<void>;
}

export interface ReportsParts {
  readonly spool: Pick<Spool, "count" | "remove">;
  readonly oneReport: OneReport;
  readonly clock: Clock;
  readonly log: Log;
}

/** What fails within it is reported together; and no submission has more than one report in it. */
const WINDOW_MS = 60_000;

/** What waits of one submission. */
interface Group {
  readonly entries: Map<number, ReportEntry>;
  firstAt: number;
  notBefore: number;
  isRunning: boolean;
  timer: Timer | undefined;
}

export function createReports({ spool, oneReport, clock, log }: ReportsParts): Reports {
  const groups = new Map<SubmissionId, Group>();
  /** Of a delay, which the spool does not know yet. */
  const warned = new Set<Id>();
  const closing = new AbortController();
  const running = new Set<Promise<void>>();
  let state: "collecting" | "open" | "closed" = "collecting";

  const add = (entry: ReportEntry): void => {
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
    const work = oneReport
      .make(submission, entries, closing.signal)
      .then(
        (result) => {
          if (result.kind !== "nothing") group.notBefore = clock.now() + WINDOW_MS;
          if (result.kind === "postponed") return;
          for (const id of result.warned) warned.add(id);
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

  function endedOf(id: Id): ReportEntry | undefined {
    for (const { entries } of groups.values()) {
      for (const entry of entries.values()) {
        if (entry.transmission.id === id && entry.transmission.ended !== undefined) return entry;
      }
    }
    return undefined;
  }

  return {
    isWanted: oneReport.isWanted,

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

    find: (id) => endedOf(id)?.key,

    async relayed(id) {
      const entry = endedOf(id);
      if (entry === undefined || entry.reason === "relayed") return;
      const { submission, index } = entry.key;
      const group = groups.get(submission);
      if (group === undefined || group.isRunning) return;
      group.entries.delete(index);
      try {
        await spool.remove(entry.key);
        consider(submission, group);
      } catch (error) {
        add(entry);
        throw error;
      }
    },

    left(key, id) {
      warned.delete(id);
      const group = groups.get(key.submission);
      if (group === undefined) return;
      if (!group.isRunning) group.entries.delete(key.index);
      consider(key.submission, group);
    },

    waiting() {
      let count = 0;
      for (const { entries } of groups.values()) count += entries.size;
      return count;
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
