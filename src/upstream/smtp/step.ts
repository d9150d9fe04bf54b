// One step over a connection whose ends are many: its callback, an event of the connection, a time-out
// or an abort. The first of them ends the step, and what comes later means nothing to it.
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Progress } from "../content.ts";
import type { Fault } from "./connection.ts";

export interface StepEnd {
  readonly fault: Fault | undefined;
  readonly reply: string | undefined;
  /** How far the content was read at the moment the step ended. */
  readonly progress: Progress;
}

export type Done = (fault?: Fault | null, reply?: string) => void;

/** Sets the time that remains from now on; it replaces what was set before. `what` names the phase. */
export type Allow = (ms: number, what: string) => void;

export interface Steps {
  /**
   * Runs one step; never two at a time. A step that its callback did not end, or that ended in the
   * middle of the content, leaves a connection that nobody can trust: it is closed in the same turn.
   */
  run(
    signal: AbortSignal,
    start: (done: Done, allow: Allow) => void,
    progress?: () => Progress,
  ): Promise<StepEnd>;
  /** Ends the step under way, if there is one. */
  fail(fault: Fault): void;
}

export function createSteps(clock: Clock, close: () => void): Steps {
  let failCurrent: ((fault: Fault) => void) | undefined;

  function run(
    signal: AbortSignal,
    start: (done: Done, allow: Allow) => void,
    progress: () => Progress = () => "untouched",
  ): Promise<StepEnd> {
    return new Promise((resolve) => {
      let ended = false;
      let timer: Timer | undefined;
      const end = (answered: boolean, fault?: Fault | null, reply?: string) => {
        if (ended) return;
        ended = true;
        failCurrent = undefined;
        timer?.cancel();
        signal.removeEventListener("abort", onAbort);
        // Read before the connection is closed, in the same turn: nothing may move on in between.
        const reached = progress();
        if (!answered || reached === "begun") close();
        resolve({ progress: reached, fault: fault ?? undefined, reply });
      };
      const fail = (fault: Fault) => end(false, fault);
      const onAbort = () => fail(new Error("the attempt was aborted"));
      const allow: Allow = (ms, what) => {
        if (ended) return;
        timer?.cancel();
        timer = clock.after(ms, () => fail(new Error(`${what} took more than ${ms} ms`)));
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      failCurrent = fail;
      try {
        start((fault, reply) => end(true, fault, reply), allow);
      } catch (error) {
        fail(error as Fault);
      }
    });
  }

  return { run, fail: (fault) => failCurrent?.(fault) };
}
