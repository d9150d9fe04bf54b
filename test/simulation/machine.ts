// One machine that a simulated gateway runs on, and its lives: each start of the process is one. A life
// ends in a crash at one of its steps; what it had under way then never goes on, and what it calls later
// is not heard. A process that is paused makes no step, and time goes on without it.
import type { Config } from "../../src/config/config.ts";
import type { DoubtfulDesk } from "../../src/operator/doubtful.ts";
import type { ForgetDesk } from "../../src/operator/forget.ts";
import type { PausingDesk } from "../../src/operator/pausing.ts";
import type { QueueDesk } from "../../src/operator/queue/words.ts";
import type { Relay } from "../../src/relay.ts";
import type { Clock, Timer } from "../../src/runtime/clock.ts";
import type { Log } from "../../src/runtime/log.ts";
import type { Site } from "./site.ts";

export interface Life {
  readonly machine: Machine;
  /** No other life has it, of any machine. */
  readonly number: number;
  isAlive: boolean;
  readonly config: Config;
  /** Clients are sent away. */
  isStopping: boolean;
  relay: Relay | undefined;
  /** Where an operator decides: while the gateway is up, or the data folder is open for that. */
  desk: DoubtfulDesk | undefined;
  /** So too. */
  forget: ForgetDesk | undefined;
  /** So too. */
  pausing: PausingDesk | undefined;
  /** So too. */
  queue: QueueDesk | undefined;
  /** Told of the end of this life. */
  readonly onEnd: Set<() => void>;
  readonly timers: Set<Timer>;
  /** The step at which it dies: the nth of those whose name begins so. */
  death: Fate | undefined;
  /** So too the step at which it is paused. */
  pause: Fate | undefined;
}

/** What happens at the nth of the steps whose name begins so. */
interface Fate {
  readonly at: string;
  left: number;
}

export interface Machine {
  readonly site: Site;
  /** From 1 upwards. */
  readonly number: number;
  /** The time as the machine has it. Timers of a process that is paused are due when it goes on. */
  readonly clock: Clock & { set(now: number): void };
  /** The life begun last. */
  life: Life;
  /** It is to die for good, at the next step of some sort. */
  isDoomed: boolean;
  /** It has, and nobody sees its disk again. */
  isGone: boolean;
  readonly isPaused: boolean;
  /** When it was paused last, as by elapsed. */
  pausedAt: number;
  /** Milliseconds that it has been paused so far. */
  readonly pausedMs: number;
  /** Mail transactions under way. */
  submitting: number;
  /** Called at each step that a life survives. */
  onStep: ((life: Life, name: string) => void) | undefined;
  beginLife(config: Config): Life;
  /** The life of a command that opens the data folder. */
  beginOfflineLife(config: Config): Life;
  /** The next death of the life is near. */
  arm(): void;
  /**
   * A step of a life, at which it may die, or be paused.
   *
   * @returns whether it lives on
   */
  step(life: Life, name: string): boolean;
  /** Calls it now, or when the process goes on. */
  whenRunning(work: () => void): void;
  /** Undefined: the process is not paused. Else resolves when it goes on. */
  running(): Promise<void> | undefined;
  /** A paused process goes on. */
  goOn(): void;
  elapsed(): number;
}

/** What a dead life waits for. One for each wait: a shared one would keep all the dead in memory. */
export const never = (): Promise<never> => new Promise(() => {});

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

/** Those of gateways that share a ledger. */
const SHARED_STEPS = [
  "",
  "",
  "commit spool/queue",
  "write spool/queue",
  "upstream",
  "upstream called",
  "reply",
  "timer",
  "engine",
  "engine insert",
  "engine take",
  "engine change",
  "engine change",
] as const;

/** Those of a command that opens the data folder, decides, and closes it. */
const OFFLINE_STEPS = [
  "",
  "",
  "commit",
  "commit ledger/generation",
  "commit ledger/state",
  "write",
  "decision",
  "engine",
  "engine change",
] as const;

/** Where they are paused. */
const PAUSES = [
  "",
  "commit spool/queue",
  "upstream",
  "upstream called",
  "upstream called",
  "upstream called",
  "timer",
  "engine insert",
  "engine change",
  "engine change",
  "engine change",
  "reply",
] as const;

type Span = readonly [low: number, high: number];

/** Shorter and longer than a lease of 30 s, and about as long. */
const PAUSES_MS: [Span, ...Span[]] = [
  [1_000, 25_000],
  [25_000, 40_000],
  [40_000, 180_000],
];

/**
 * @param numbers the next life's number, of all machines
 * @param onDeath what else ends with a life
 */
export function createMachine(
  site: Site,
  number: number,
  numbers: () => number,
  onDeath: (life: Life, at: string) => void,
): Machine {
  const { plan, time, chance, history } = site;
  const deaths = chance.fork();
  const steps = plan.sharing === undefined ? DEATHS : SHARED_STEPS;
  let offset = 0;
  let isPaused = false;
  let pausedMs = 0;
  let postponed: (() => void)[] = [];

  const begun = (
    lifeNumber: number,
    config: Config,
    death: Fate | undefined,
    pause: Fate | undefined,
  ): Life => ({
    machine,
    number: lifeNumber,
    isAlive: true,
    config,
    isStopping: false,
    relay: undefined,
    desk: undefined,
    forget: undefined,
    pausing: undefined,
    queue: undefined,
    onEnd: new Set(),
    timers: new Set(),
    death,
    pause,
  });

  function beginLife(config: Config): Life {
    const at = deaths.pick(steps);
    const dies = site.fails(plan.faults.crash);
    const death = dies ? { at, left: deaths.between(1, at === "" ? 200 : 15) } : undefined;
    machine.life = begun(numbers(), config, death, drawPause());
    if (machine.isDoomed) machine.arm();
    return machine.life;
  }

  function beginOfflineLife(config: Config): Life {
    const at = deaths.pick(OFFLINE_STEPS);
    const death = site.fails(0.5) ? { at, left: deaths.between(1, at === "" ? 80 : 4) } : undefined;
    machine.life = begun(numbers(), config, death, undefined);
    return machine.life;
  }

  function drawPause(): Fate | undefined {
    if (plan.sharing === undefined || !site.fails(plan.sharing.faults.process_paused)) return undefined;
    const at = deaths.pick(PAUSES);
    return { at, left: deaths.between(1, at === "" ? 200 : 4) };
  }

  function isDue(fate: Fate | undefined, name: string): boolean {
    return fate !== undefined && !site.isHealed && name.startsWith(fate.at) && --fate.left <= 0;
  }

  function pauseNow(life: Life): void {
    life.pause = drawPause();
    isPaused = true;
    machine.pausedAt = site.elapsed();
    const forMs = chance.between(...chance.pick(PAUSES_MS));
    history.add({ kind: "paused", gateway: number, forMs });
    time.after(forMs, () => {
      if (life.isAlive) machine.goOn();
    });
  }

  const machine: Machine = {
    site,
    number,
    clock: {
      now: () => time.now() + offset,
      set(now) {
        offset = now - time.now();
      },
      after: (ms, fire) => {
        let isCancelled = false;
        const timer = time.after(ms, () =>
          machine.whenRunning(() => {
            if (!isCancelled) fire();
          }),
        );
        return {
          cancel() {
            isCancelled = true;
            timer.cancel();
          },
        };
      },
    },
    life: undefined as unknown as Life,
    isDoomed: false,
    isGone: false,
    get isPaused() {
      return isPaused;
    },
    pausedAt: Number.NEGATIVE_INFINITY,
    get pausedMs() {
      return pausedMs;
    },
    submitting: 0,
    onStep: undefined,
    beginLife,
    beginOfflineLife,
    arm() {
      const at = deaths.pick(SHARED_STEPS);
      machine.life.death = { at, left: deaths.between(1, at === "" ? 60 : 5) };
    },
    step(life, name) {
      if (!life.isAlive) return false;
      if (isDue(life.death, name)) {
        onDeath(life, name);
        return life.isAlive;
      }
      if (!isPaused && isDue(life.pause, name)) pauseNow(life);
      machine.onStep?.(life, name);
      return true;
    },
    whenRunning(work) {
      if (isPaused) postponed.push(work);
      else work();
    },
    running: () => (isPaused ? new Promise((resolve) => void postponed.push(resolve)) : undefined),
    goOn() {
      if (!isPaused) return;
      isPaused = false;
      pausedMs += site.elapsed() - machine.pausedAt;
      history.add({ kind: "resumed", gateway: number });
      const works = postponed;
      postponed = [];
      for (const work of works) machine.whenRunning(work);
    },
    elapsed: site.elapsed,
  };
  // What prepares the disk.
  machine.life = begun(0, plan.config, undefined, undefined);
  return machine;
}

/** Ends a life: it calls nothing any more. */
export function endLife(life: Life): void {
  life.isAlive = false;
  life.relay = undefined;
  life.desk = undefined;
  life.forget = undefined;
  life.pausing = undefined;
  life.queue = undefined;
  for (const timer of life.timers) timer.cancel();
  life.timers.clear();
  life.machine.submitting = 0;
  // Whatever was postponed belongs to the dead.
  life.machine.goOn();
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
        if (machine.step(life, "timer")) machine.whenRunning(() => void (life.isAlive && fire()));
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
    machine.site.history.add({
      kind: "logged",
      gateway: machine.number,
      event,
      messageId: typeof messageId === "string" ? messageId : undefined,
      fields,
    });
  };
  return { debug: line, info: line, warn: line, error: line };
}
