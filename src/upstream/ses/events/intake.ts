// Reads the events of one queue, has each settle what it proves, and removes a message only when that is durable. It
// stands beside the mail: whatever the queue does, no attempt waits for it.
//
//     settled, known        durable: removed
//     busy, away            an attempt is under way, or the ledger is away: seen again
//     of another ledger     seen again, since only that ledger's gateways may remove it
//     no event, no mail of ours    counted and removed
//
// What was received and not removed is seen again by itself: a crash or a stop loses nothing.
import { setMaxListeners } from "node:events";
import { backoff } from "../../../dispatch/backoff.ts";
import { type Evidence, isToAskAgain } from "../../../evidence/evidence.ts";
import type { Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import type { Random } from "../../../runtime/random.ts";
import { oneLine } from "../../line.ts";
import { readQueueMessage } from "./message.ts";
import { type EventQueue, RECEIVE_MAX, type Received } from "./queue.ts";

export interface IntakeParts {
  readonly queue: EventQueue;
  /** Of the queue, for people. */
  readonly name: string;
  readonly evidence: Evidence;
  /** What the mails of this ledger carry in the tag `mailonce-ledger`. */
  readonly ledger: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface IntakeFacts {
  readonly queue: string;
  /**
   * Since when it is read without failure, milliseconds since the epoch; undefined before the first answer, and while it is
   * silent.
   */
  readonly readingSince: number | undefined;
  /** It can't be read, or what was read not removed. */
  readonly silent?: { readonly since: number; readonly reason: string };
  /** An event of another ledger was in it: that ledger's name, and when one was seen last. */
  readonly shared?: { readonly with: string; readonly seenAt: number };
  readonly counts: Readonly<Record<Count, number>>;
}

/** Messages, each time that they were received. */
export type Count = "settled" | "known" | "busy" | "away" | "otherLedger" | "otherMail" | "noEvent";

export interface Intake {
  facts(): IntakeFacts;
  /** Ends the poll, and resolves when nothing is being settled any more. The ledger has to be open until then. */
  close(): Promise<void>;
}

/** For the proof and the log. */
const SOURCE = "ses";

/** A reset of one connection is none of an operator's business, two in a row are. */
const SILENT_FAILURES = 2;
const RETRY = { minMs: 1_000, maxMs: 60_000 };

/**
 * When it is seen again what has to wait: after 1, 2, 4 s and so on. The documented dead-letter queue takes a message
 * after 100 receipts, and so after more than an hour and a half.
 */
const AGAIN_MAX_SECONDS = 60;

/** Polls at once while the queue is full: each has two round trips for ten messages, and mail comes faster than that. */
const HANDS_MAX = 4;

/** Of two calls of each hand, and of the two before them. */
const LISTENERS_MAX = 4 * HANDS_MAX;

export function startIntake({ queue, name, evidence, ledger, clock, random, log }: IntakeParts): Intake {
  const closing = new AbortController();
  const { signal } = closing;
  // Each call listens until its connection is free again. Node warns at eleven, as of a leak.
  setMaxListeners(LISTENERS_MAX, signal);
  const counts = { settled: 0, known: 0, busy: 0, away: 0, otherLedger: 0, otherMail: 0, noEvent: 0 };
  const hands = new Set<Promise<void>>();
  /** Hands that go on. */
  let working = 0;
  let failures = 0;
  let failing: { readonly since: number; readonly reason: string } | undefined;
  let readingSince: number | undefined;
  let shared: IntakeFacts["shared"];

  const isSilent = (): boolean => failures >= SILENT_FAILURES;

  async function judge({ body }: Received): Promise<Count> {
    const message = readQueueMessage(body);
    if (message.kind === "none") {
      log.debug("events.no_event", { queue: name, reason: message.why });
      return "noEvent";
    }
    const { about, ledger: other, upstreamId, takenAt, at, fate } = message.event;
    if (other !== undefined && other !== ledger) {
      noteShared(other);
      return "otherLedger";
    }
    if (about === undefined) return "otherMail";
    const { id, from } = about;
    const proof = { from, source: SOURCE, fate };
    try {
      return await evidence.take(id, {
        ...proof,
        ...(upstreamId === undefined ? {} : { upstreamId }),
        ...(takenAt === undefined ? {} : { at: takenAt }),
        ...(at === undefined ? {} : { happenedAt: at }),
      });
    } catch (error) {
      log.error("events.not_taken", { queue: name, id, error: oneLine(String(error)) });
      return "busy";
    }
  }

  function noteShared(other: string): void {
    const isNews = shared === undefined;
    shared = { with: oneLine(other), seenAt: clock.now() };
    if (isNews) log.error("events.shared_queue", { queue: name, ledger, other: shared.with });
  }

  async function handle(messages: readonly Received[]): Promise<void> {
    const done: string[] = [];
    const again: { receipt: string; seconds: number }[] = [];
    await Promise.all(
      messages.map(async (message) => {
        const { receipt, receives } = message;
        const count = await judge(message);
        counts[count] += 1;
        if (!isToAskAgain(count) && count !== "otherLedger") done.push(receipt);
        else again.push({ receipt, seconds: Math.min(AGAIN_MAX_SECONDS, 2 ** (receives - 1)) });
      }),
    );
    await Promise.all([
      done.length === 0 ? undefined : queue.remove(done, signal),
      again.length === 0 ? undefined : queue.showAgain(again, signal),
    ]);
  }

  function succeeded(): void {
    if (isSilent()) {
      log.info("events.heard", { queue: name, ms: clock.now() - (failing?.since ?? 0) });
    }
    failures = 0;
    failing = undefined;
    readingSince ??= clock.now();
  }

  function failed(error: unknown): void {
    failures += 1;
    const reason = oneLine(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    failing = { since: failing?.since ?? clock.now(), reason };
    if (isSilent()) readingSince = undefined;
    if (failures === SILENT_FAILURES) log.error("events.silent", { queue: name, error: reason });
    else log.debug("events.silent", { queue: name, error: reason });
  }

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = clock.after(ms, end);
      signal.addEventListener("abort", end);
    });

  /** The last one never ends by itself, however many find at once that there is nothing to read. */
  function mayEnd(): boolean {
    if (working === 1) return false;
    working -= 1;
    return true;
  }

  /** Reads until it is closed; one of several ends when there is nothing left to read, or when reading fails. */
  async function work(): Promise<void> {
    while (!signal.aborted) {
      try {
        const messages = await queue.receive(signal);
        if (!isSilent()) readingSince ??= clock.now();
        await handle(messages);
        succeeded();
        if (messages.length === RECEIVE_MAX && working < HANDS_MAX) begin();
        if (messages.length === 0 && mayEnd()) return;
      } catch (error) {
        if (signal.aborted || mayEnd()) return;
        failed(error);
        await pause(backoff(failures, RETRY, random));
      }
    }
  }

  function begin(): void {
    working += 1;
    const hand = work().finally(() => hands.delete(hand));
    hands.add(hand);
  }

  begin();
  return {
    facts: () => ({
      queue: name,
      readingSince,
      ...(failing === undefined || !isSilent() ? {} : { silent: failing }),
      ...(shared === undefined ? {} : { shared }),
      counts: { ...counts },
    }),
    async close() {
      closing.abort();
      await Promise.all(hands);
      queue.close();
    },
  };
}
