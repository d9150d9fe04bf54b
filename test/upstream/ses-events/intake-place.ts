// An intake over a queue on this machine, for a test: what it hands in, what it logs, and what the evidence answers.
import { afterEach, beforeEach, vi } from "vitest";
import type { Evidence, Proof, Taken } from "../../../src/evidence/evidence.ts";
import type { Id } from "../../../src/identity/message-id.ts";
import { createCounters } from "../../../src/metrics/counters.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { Log, LogFields } from "../../../src/runtime/log.ts";
import { type Intake, type IntakeParts, startIntake } from "../../../src/upstream/ses/events/intake.ts";
import type { Judged } from "../../../src/upstream/ses/events/judge.ts";
import { createSqsQueue } from "../../../src/upstream/ses/events/sqs.ts";
import { createEventsPlace, type EventsPlace, REGION } from "../../support/events-place.ts";
import { LEDGER } from "./events.ts";

interface Taking {
  readonly id: Id;
  readonly proof: Proof;
}

interface Line {
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields;
}

export interface IntakePlace {
  readonly place: EventsPlace;
  /** Another one, whose dead-letter queue takes a message after so many receipts. */
  renew(maxReceiveCount: number): Promise<void>;
  start(parts?: Partial<IntakeParts>): Intake;
  /** What the evidence was brought. */
  readonly takings: readonly Taking[];
  /** Records what it is brought, and answers as `decide` says. */
  readonly evidence: Evidence;
  /** What the evidence answers: "settled", where a test does not say otherwise. */
  readonly decide: ReturnType<typeof vi.fn<(taking: Taking) => Taken | Promise<Taken>>>;
  readonly lines: readonly Line[];
  linesOf(event: string, level?: string): Line[];
  /** Resolves when so many were brought. */
  taken(count: number): Promise<void>;
  /** Resolves when so many lines of the event were written. */
  logged(event: string, count?: number): Promise<void>;
  /** How many messages became of it. */
  counted(judged: Judged): number;
}

/** Of what nothing tells. Patient, as a machine may be busy. */
export const until = (
  holds: () => boolean,
  options: { readonly interval?: number; readonly timeout?: number } = {},
): Promise<unknown> => vi.waitUntil(holds, { timeout: 60_000, ...options });

export const WAIT_MS = 5 * 60_000;

/** Calls `look` whenever something happens, until it returns true. */
function createWatch() {
  const lookers = new Set<() => void>();
  return {
    happened() {
      for (const look of [...lookers]) look();
    },
    until: (holds: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!holds()) return;
          lookers.delete(look);
          resolve();
        };
        lookers.add(look);
        look();
      }),
  };
}

/** One for each test of the file. */
export function useIntakePlace(): IntakePlace {
  const decide = vi.fn<(taking: Taking) => Taken | Promise<Taken>>();
  let place: EventsPlace;
  let intakes: Intake[];
  let takings: Taking[];
  let lines: Line[];
  let counters = createCounters();
  let watch = createWatch();

  const write =
    (level: string) =>
    (event: string, fields: LogFields = {}): void => {
      lines.push({ level, event, fields });
      watch.happened();
    };
  const log: Log = {
    ...{ debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") },
  };
  const evidence: Evidence = {
    async take(id, proof) {
      const taking = { id, proof };
      takings.push(taking);
      try {
        return await decide(taking);
      } finally {
        watch.happened();
      }
    },
  };
  const linesOf = (event: string, level?: string): Line[] =>
    lines.filter((line) => line.event === event && (level === undefined || line.level === level));

  beforeEach(async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
    [intakes, takings, lines, watch, counters] = [[], [], [], createWatch(), createCounters()];
    decide.mockReset();
    decide.mockReturnValue("settled");
    place = await createEventsPlace();
  });
  afterEach(async () => {
    await Promise.all(intakes.map((intake) => intake.close()));
    await place.close();
    vi.unstubAllEnvs();
  });

  return {
    get place() {
      return place;
    },
    async renew(maxReceiveCount) {
      await place.close();
      place = await createEventsPlace(maxReceiveCount);
    },
    start(parts = {}) {
      const random = { fraction: () => 1, octets: (length: number) => new Uint8Array(length) };
      const intake = startIntake({
        queue: parts.queue ?? createSqsQueue({ queueUrl: place.queueUrl, region: REGION }),
        ...{ name: "mailonce", waitMs: WAIT_MS, evidence, ledger: LEDGER, counters },
        ...{ clock: systemClock, random, log },
        ...parts,
      });
      intakes.push(intake);
      return intake;
    },
    get takings() {
      return takings;
    },
    ...{ evidence, decide, linesOf },
    get lines() {
      return lines;
    },
    taken: (count) => watch.until(() => takings.length >= count),
    logged: (event, count = 1) => watch.until(() => linesOf(event).length >= count),
    counted: (judged) => new Map(counters.events.entries()).get(judged) ?? 0,
  };
}
