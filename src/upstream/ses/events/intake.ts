// Reads the events of one queue, has each settle what it proves, and removes a message only when that is durable. Mail does
// not depend on it: whatever the queue does, no attempt waits for it.
//
//     settled, known        durable: removed
//     busy                  an attempt is under way: seen again
//     away                  the ledger can't be asked: given back at once, and nothing more is received until it can
//     of another ledger     seen again, since only that ledger's gateways may remove it
//     no event, no mail of ours    counted and removed
//
// What was received and not removed is seen again by itself: a crash or a stop loses nothing.
import { setMaxListeners } from "node:events";
import { type BackoffRange, backoff } from "../../../dispatch/backoff.ts";
import type { Counters } from "../../../metrics/counters.ts";
import { given } from "../../../runtime/given.ts";
import { pass } from "../../../runtime/pass.ts";
import type { Random } from "../../../runtime/random.ts";
import { createHealth, type Silence } from "./health.ts";
import { createHoldUp } from "./hold-up.ts";
import { createJudge, isDone, isOfThisLedger, type Judged, type JudgeParts, type Shared } from "./judge.ts";
import { type Behind, createLag } from "./lag.ts";
import { type Again, type EventQueue, RECEIVE_MAX, type Received } from "./queue.ts";

export interface IntakeParts extends JudgeParts {
  readonly queue: EventQueue;
  /** Of the queue, for people. */
  readonly name: string;
  /** How long a doubt waits for what is in the queue. */
  readonly waitMs: number;
  readonly counters: Pick<Counters, "events">;
  readonly random: Random;
}

export interface IntakeFacts {
  readonly queue: string;
  /**
   * Since when it is read without failure, milliseconds since the epoch; undefined before the first answer, while it is
   * silent, and while it is held up.
   */
  readonly readingSince: number | undefined;
  /** It can't be read, or what was read not removed. */
  readonly silent?: Silence;
  /** Since when nothing is received, as the ledger can't be asked, milliseconds since the epoch. */
  readonly heldUpSince?: number;
  readonly shared?: Shared;
  readonly behind?: Behind;
  /** When an event of this ledger's mail was read last, milliseconds since the epoch. */
  readonly lastEventAt?: number;
}

export interface Intake {
  facts(): IntakeFacts;
  /** Ends the poll, and resolves when nothing is being settled any more. The ledger has to be open until then. */
  close(): Promise<void>;
}

const RETRY: BackoffRange = { minMs: 1_000, maxMs: 60_000 };

/** What the ledger could not be asked about may be settled by a gateway that can ask it. */
const GIVEN_BACK_SECONDS = 1;

/**
 * When it is seen again what has to wait: after 1, 2, 4 s and so on. The documented dead-letter queue takes a message
 * after 100 receipts, and so after more than an hour and a half, which no attempt lasts.
 */
const AGAIN_MAX_SECONDS = 60;

/** Polls at once while the queue is full: each has two round trips for ten messages, and mail comes faster than that. */
const HANDS_MAX = 4;

/** Of two calls of each hand, and of the two before them. */
const LISTENERS_MAX = 4 * HANDS_MAX;

export function startIntake(parts: IntakeParts): Intake {
  const { queue, name, waitMs, counters, clock, random } = parts;
  const closing = new AbortController();
  const { signal } = closing;
  // Each call listens until its connection is free again. Node warns at eleven, as of a leak.
  setMaxListeners(LISTENERS_MAX, signal);
  const judge = createJudge(name, parts);
  const health = createHealth(name, parts);
  const lag = createLag(name, waitMs, parts);
  const holdUp = createHoldUp(name, { ...parts, judge, signal });
  const hands = new Set<Promise<void>>();
  /** Hands that go on. */
  let working = 0;
  let lastEventAt: number | undefined;
  let readingSince: number | undefined;

  function noteReading(): void {
    if (health.silence() !== undefined || holdUp.since() !== undefined) readingSince = undefined;
    else readingSince ??= clock.now();
  }

  const remove = async (messages: readonly Received[]): Promise<void> => {
    if (messages.length === 0) return;
    const receipts = messages.map(({ receipt }) => receipt);
    await health.use("remove", () => queue.remove(receipts, signal));
  };

  const showAgain = async (messages: readonly Again[]): Promise<void> => {
    if (messages.length === 0) return;
    await health.use("showAgain", () => queue.showAgain(messages, signal));
  };

  /** Each receipt of a message is counted, so nothing is received while the ledger is away. */
  async function handle(messages: readonly Received[]): Promise<void> {
    const all = await Promise.all(
      messages.map(async (message) => {
        const judged = await judge.judge(message.body);
        counters.events.add(judged);
        if (isOfThisLedger(judged)) lastEventAt = clock.now();
        return { message, judged };
      }),
    );
    const away = all.filter(({ judged }) => judged === "away");
    const has = (judged: Judged): boolean => all.some((one) => one.judged === judged);
    // What can't be judged while another one is settled has a fault of its own.
    const isAway = away.length > 0 && !has("settled");
    if (isAway)
      holdUp.begin(
        away.map(({ message }) => message.body),
        has("known"),
      );
    else if (has("settled") || has("known")) holdUp.end(true);
    else if (messages.length === 0) holdUp.end(false);
    noteReading();
    const done = all.filter(({ judged }) => isDone(judged)).map(({ message }) => message);
    const again = all
      .filter(({ judged }) => !isDone(judged))
      .map(({ message: { receipt, receives }, judged }) => {
        const seconds = Math.min(AGAIN_MAX_SECONDS, 2 ** (receives - 1));
        return { receipt, seconds: isAway && judged === "away" ? GIVEN_BACK_SECONDS : seconds };
      });
    await Promise.all([remove(done), showAgain(again)]);
  }

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
        const heldUp = holdUp.over();
        if (heldUp !== undefined) {
          await heldUp;
          noteReading();
        }
        const messages = await health.use("receive", () => queue.receive(signal));
        noteReading();
        lag.received(messages);
        await handle(messages);
        if (messages.length === RECEIVE_MAX && working < HANDS_MAX) begin();
        if (messages.length === 0 && mayEnd()) return;
      } catch (error) {
        if (signal.aborted || mayEnd()) return;
        const failures = health.failed(error);
        noteReading();
        await pass(backoff(failures, RETRY, random), signal, clock);
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
    facts() {
      return {
        ...{ queue: name, readingSince },
        ...given({
          ...{ silent: health.silence(), heldUpSince: holdUp.since(), shared: judge.shared() },
          ...{ behind: lag.behind(), lastEventAt },
        }),
      };
    },
    async close() {
      closing.abort();
      await Promise.all([...hands, holdUp.over()]);
      queue.close();
    },
  };
}
