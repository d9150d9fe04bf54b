// What the routes answer from: the parts of a gateway that runs.
import type { Evidence } from "../../evidence/evidence.ts";
import type { Recent } from "../../history/recent.ts";
import type { Counters } from "../../metrics/counters.ts";
import type { Readings } from "../../metrics/readings.ts";
import type { DoubtfulDesk, DoubtfulGlance } from "../doubtful.ts";
import type { Draining } from "../draining.ts";
import type { ExplainDesk } from "../explain/words.ts";
import type { ForgetDesk } from "../forget.ts";
import type { DiskProbe } from "../http/disk-probe.ts";
import { type Answer, type Asked, problem } from "../http/route.ts";
import type { OutboxDesk } from "../outbox/words.ts";
import type { PausingDesk } from "../pausing.ts";
import type { QueueDesk, QueueGlance } from "../queue/words.ts";
import type { Events } from "../status/events.ts";
import type { StatusDesk } from "../status/status.ts";

/** Where a gateway is in its life. */
export type Phase = "starting" | "running" | "draining" | "stopping";

/** What a gateway has once it runs. */
export interface OperatorParts {
  readonly doubtful: DoubtfulDesk & DoubtfulGlance;
  readonly evidence: Evidence;
  readonly forget: ForgetDesk;
  readonly explain: ExplainDesk;
  readonly pausing: PausingDesk;
  readonly status: StatusDesk;
  readonly events: Events;
  readonly draining: Draining;
  readonly queue: QueueDesk & QueueGlance;
  readonly recent: Pick<Recent, "list">;
  /** Undefined where no upstream is a Maildir. */
  readonly outbox: OutboxDesk | undefined;
  readonly disk: DiskProbe;
  /** What the metrics say. */
  readonly counters: Counters;
  readonly readings: Readings;
}

export interface OperatorState {
  phase(): Phase;
  /** Undefined while it starts. */
  parts(): OperatorParts | undefined;
}

export const PHASES = {
  starting: "the gateway is starting",
  draining: "the gateway drains: it takes no more mail",
  stopping: "the gateway is stopping",
} as const;

/** Wraps an answer that needs the parts of a gateway that runs; while it starts there is none. */
export type Running = (
  answer: (asked: Asked, parts: OperatorParts) => Promise<Answer> | Answer,
) => (asked: Asked) => Promise<Answer> | Answer;

export const runningOf =
  (state: OperatorState): Running =>
  (answer) =>
  (asked) => {
    const parts = state.parts();
    return parts === undefined ? problem(503, PHASES.starting) : answer(asked, parts);
  };
