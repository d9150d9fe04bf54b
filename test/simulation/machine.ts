// The machine that the simulated gateway runs on, and its lives: each start of the process is one. A life
// ends in a crash at one of its steps; what it had under way then never goes on, and what it calls later
// is not heard.
import type { Relay } from "../../src/gateway.ts";
import type { Clock, Timer } from "../../src/runtime/clock.ts";
import type { Log } from "../../src/runtime/log.ts";
import { createManualClock, type ManualClock } from "../support/manual-clock.ts";
import type { Chance } from "./chance.ts";
import { createHistory, type History } from "./history.ts";
import type { Plan } from "./plan.ts";

export interface Life {
  readonly number: number;
  isAlive: boolean;
  /** Clients are sent away. */
  isStopping: boolean;
  relay: Relay | undefined;
  /** Told of the end of this life. */
  readonly onEnd: Set<() => void>;
  readonly timers: Set<Timer>;
  /** The step at which it dies: the nth of those whose name begins so. */
  readonly death: { readonly at: string; left: number } | undefined;
}

export interface Machine {
  readonly plan: Plan;
  readonly clock: ManualClock;
  readonly history: History;
  readonly chance: Chance;
  /** The life begun last. */
  life: Life;
  /** Whether faults still happen. */
  isHealed: boolean;
  beginLife(): Life;
  /**
   * A step of a life, at which it may die.
   *
   * @returns whether it lives on
   */
  step(life: Life, name: string): boolean;
  /** A fault of this rate happens now. */
  fails(rate: number): boolean;
  elapsed(): number;
}

/** What a dead life waits for. */
export const never: Promise<never> = new Promise(() => {});

/**
 * Where lives end: anywhere, or at the nth step of one sort, as the steps that matter most are rare among
 * all.
 */
const DEATHS = [
  "",
  "",
  "commit spool/queue",
  "commit ledger/state",
  "commit ledger/generation",
  "write spool/queue",
  "write ledger/state",
  "upstream",
  "reply",
  "timer",
  "removeFile",
  "closeFile",
  "openStore",
] as const;

/** @param onDeath what else ends with a life */
export function createMachine(plan: Plan, onDeath: (life: Life, at: string) => void): Machine {
  const clock = createManualClock();
  const { chance } = plan;
  const deaths = chance.fork();
  let start = clock.now();
  let jumped = 0;
  const elapsed = () => clock.now() - start - jumped;
  const history = createHistory(elapsed);

  function beginLife(): Life {
    const at = deaths.pick(DEATHS);
    const dies = machine.fails(plan.faults.crash);
    machine.life = {
      number: machine.life.number + 1,
      isAlive: true,
      isStopping: false,
      relay: undefined,
      onEnd: new Set(),
      timers: new Set(),
      death: dies ? { at, left: deaths.between(1, at === "" ? 200 : 15) } : undefined,
    };
    return machine.life;
  }

  const machine: Machine = {
    plan,
    clock: {
      ...clock,
      set(now) {
        jumped += now - clock.now();
        clock.set(now);
      },
    },
    history,
    chance,
    // What prepares the disk.
    life: {
      number: 0,
      isAlive: true,
      isStopping: false,
      relay: undefined,
      onEnd: new Set(),
      timers: new Set(),
      death: undefined,
    },
    isHealed: false,
    beginLife,
    step(life, name) {
      if (!life.isAlive) return false;
      const { death } = life;
      if (death === undefined || machine.isHealed || !name.startsWith(death.at) || --death.left > 0)
        return true;
      onDeath(life, name);
      return life.isAlive;
    },
    fails: (rate) => !machine.isHealed && rate > 0 && chance.happens(rate),
    elapsed,
  };
  start = clock.now();
  return machine;
}

/** Ends a life: it calls nothing any more. */
export function endLife(life: Life): void {
  life.isAlive = false;
  life.relay = undefined;
  for (const timer of life.timers) timer.cancel();
  life.timers.clear();
  for (const tell of [...life.onEnd]) tell();
  life.onEnd.clear();
}

/** The clock as one life sees it: its timers end with it. */
export function clockOf(machine: Machine, life: Life): Clock {
  return {
    now: machine.clock.now,
    after(ms, fire) {
      if (!life.isAlive) return { cancel() {} };
      const timer = machine.clock.after(ms, () => {
        life.timers.delete(timer);
        if (machine.step(life, "timer")) fire();
      });
      life.timers.add(timer);
      return {
        cancel() {
          timer.cancel();
          life.timers.delete(timer);
        },
      };
    },
  };
}

/** Lines are out at once: they stay when the life ends in the next step. */
export function logOf(machine: Machine, life: Life): Log {
  const line = (event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    if (!life.isAlive) return;
    const { messageId } = fields;
    machine.history.add({
      kind: "logged",
      event,
      messageId: typeof messageId === "string" ? messageId : undefined,
      fields,
    });
  };
  return { debug: line, info: line, warn: line, error: line };
}
