// One history from its seed: the gateway's own code on a simulated machine, while faults happen, then
// without them until all is idle, then once more after a loss of power with every task delivered again.
import { openRelay, type Relay, type World } from "../../src/gateway.ts";
import { encodeBase32 } from "../../src/identity/base32.ts";
import { ID_OCTETS } from "../../src/identity/message-id.ts";
import { openEmbeddedLedger } from "../../src/ledger/embedded.ts";
import { DIGEST_OCTETS } from "../../src/ledger/ledger.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { openSpool } from "../../src/spool/spool.ts";
import { check, type Violation } from "./checker.ts";
import { createClients } from "./clients.ts";
import { createSimulatedDisk, type SimulatedDisk } from "./disk.ts";
import type { Event } from "./history.ts";
import { clockOf, createMachine, endLife, type Life, logOf, type Machine } from "./machine.ts";
import { type Plan, planOf, RETENTION_MS } from "./plan.ts";
import { createSimulatedUpstream } from "./upstream.ts";

/** What a broken gateway changes. Made anew for each history, as some keep what a broken part would keep. */
export interface Defect {
  /** The world that one start of the gateway is given. */
  readonly world?: (world: World) => World;
  /** Each start of the gateway. */
  readonly open?: (open: typeof openRelay) => typeof openRelay;
  /** A process that dies does not: it goes on beside the one that takes its place. */
  readonly outlivesDeath?: boolean;
  /** Told that every process has really ended. */
  readonly onEnd?: () => void;
}

export interface Result {
  readonly plan: Plan;
  readonly events: readonly Event[];
  /** The broken promises; none as a rule. */
  readonly violations: readonly Violation[];
}

/** Of the first generation, in place of a million: it is over within a history, and a start is cheap. */
const FIRST_CAPACITY = 4;

/**
 * How long all may take to come to rest without faults: retries are a minute apart at most, and a reply
 * may have been waiting for the disk.
 */
const REST_MS = 30 * 60_000;

/**
 * Turns of the event loop that a fingerprint may take, as it is computed by streams; few of them while
 * something else is about to happen, to have it overtaken.
 */
const TURNS_OF_STREAMS = { few: 10, many: 100, soonMs: 1_000 } as const;

/** Steps after which the event loop gets a turn, without which Node reports no unhandled rejection. */
const STEPS_IN_TURN = 32;

/** Resolves when no promise is left that could go on; much faster than a turn of the event loop. */
const promisesAtRest = () => new Promise<void>((resolve) => process.nextTick(resolve));

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};

/** Leaves what a gateway leaves that has relayed one mail of another task, with a small generation. */
async function prepareFolder({ clock }: Machine, { memory }: SimulatedDisk): Promise<void> {
  await (await openSpool(memory)).close();
  const ledger = await openEmbeddedLedger({
    storage: memory,
    clock,
    log: silentLog,
    retentionMs: RETENTION_MS,
    firstCapacity: FIRST_CAPACITY,
  });
  const id = encodeBase32(new Uint8Array(ID_OCTETS));
  const [result] = await ledger.claim([{ id, digest: new Uint8Array(DIGEST_OCTETS) }]);
  if (result?.kind === "claimed") await ledger.settle(result.claim, "relayed");
  await ledger.close();
}

/** Told of a rejection that nobody handles; one history runs at a time. */
let onUnhandled: (error: unknown) => void = () => {};
process.on("unhandledRejection", (error) => onUnhandled(error));

export async function simulate(seed: number, defect: Defect = {}): Promise<Result> {
  const plan = planOf(seed);
  const { config, faults, tasks } = plan;
  const machine = createMachine(plan, (life, at) => die(life, at));
  const { chance, clock, history } = machine;
  const disk = createSimulatedDisk(machine);
  const upstream = createSimulatedUpstream(machine, disk);
  const clients = createClients(machine, disk);
  const open = defect.open?.(openRelay) ?? openRelay;

  /** Lives that should have ended. */
  const outlived: Life[] = [];

  function die(life: Life, at: string): void {
    if (defect.outlivesDeath === true) {
      outlived.push(life);
      void start();
      return;
    }
    const ofPower = chance.happens(faults.crash_loses_unsynced);
    history.add({ kind: "crashed", life: life.number, step: at, ofPower });
    end(life, ofPower);
  }

  onUnhandled = (error) => {
    const { life } = machine;
    if (!life.isAlive) return;
    history.add({
      kind: "unhandled",
      life: life.number,
      error: String(error instanceof Error ? error.stack : error),
    });
    end(life, false);
  };

  function end(life: Life, ofPower: boolean): void {
    disk.crash(ofPower);
    for (const one of [...outlived, life]) {
      upstream.cut(one);
      endLife(one);
    }
    defect.onEnd?.();
    clock.after(chance.pick([1, 500, chance.between(1_000, 30_000)]), () => void start());
  }

  async function start(): Promise<void> {
    const life = machine.beginLife();
    const world: World = {
      storage: disk.storageOf(life),
      upstreams: new Map([["upstream", upstream.upstreamOf(life)]]),
      clock: clockOf(machine, life),
      random: chance,
      log: logOf(machine, life),
    };
    let relay: Relay;
    try {
      relay = await open(config, defect.world?.(world) ?? world);
    } catch (error) {
      if (!life.isAlive) return;
      history.add({ kind: "start_failed", life: life.number, error: String(error) });
      end(life, false);
      return;
    }
    if (!life.isAlive) return;
    life.relay = relay;
    history.add({ kind: "started", life: life.number });
  }

  /** As startGateway does on a signal. */
  async function stop(): Promise<void> {
    const { life } = machine;
    const { relay } = life;
    if (relay === undefined || life.isStopping) return;
    life.isStopping = true;
    history.add({ kind: "stopping", life: life.number });
    try {
      await Promise.all([clients.idle(), relay.drain()]);
      await relay.close();
    } catch (error) {
      history.add({ kind: "start_failed", life: life.number, error: `at the stop: ${String(error)}` });
    }
    if (!life.isAlive) return;
    history.add({ kind: "stopped", life: life.number });
    end(life, false);
  }

  function heal(): void {
    machine.isHealed = true;
    history.add({ kind: "healed" });
  }

  /** Everything accepted has left the spool, or is held. */
  const isSpoolDone = () =>
    disk
      .views("spool/queue")
      .flatMap(({ visible }) => [...visible])
      .every(([key, value]) => !key.startsWith("t") || Buffer.from(value).includes('"held":true'));

  const isDone = () =>
    machine.isHealed &&
    clients.working === 0 &&
    upstream.underWay === 0 &&
    machine.life.relay !== undefined &&
    !machine.life.isStopping &&
    isSpoolDone();

  /** Lets time pass until all is idle. */
  async function rest(): Promise<void> {
    let deadline = Number.POSITIVE_INFINITY;
    for (let step = 0; ; step++) {
      if (step % STEPS_IN_TURN === 0) await turns(1);
      else await promisesAtRest();
      if (config.identity.unkeyed === "fingerprint" && clients.submitting > 0) {
        const isSoon = (clock.untilNext() ?? Number.POSITIVE_INFINITY) < TURNS_OF_STREAMS.soonMs;
        await turns(isSoon ? TURNS_OF_STREAMS.few : TURNS_OF_STREAMS.many);
      }
      if (machine.isHealed) {
        if (isDone()) break;
        deadline = Math.min(deadline, machine.elapsed() + REST_MS);
        if (machine.elapsed() > deadline) break;
      }
      const next = clock.untilNext();
      if (next === undefined) break;
      clock.advance(next);
    }
    await turns(1);
    if (clients.working > 0) history.add({ kind: "blocked", by: `${clients.working} deliveries never end` });
    if (machine.life.relay === undefined) history.add({ kind: "blocked", by: "the gateway is not up" });
    history.add({ kind: "idle" });
  }

  await prepareFolder(machine, disk);
  for (const task of tasks) for (const at of task.deliveries) clock.after(at, () => clients.deliver(task));
  for (const { at, by } of plan.jumps) {
    clock.after(at, () => {
      history.add({ kind: "clock_set", by });
      clock.set(clock.now() + by);
    });
  }
  for (const at of plan.stops) clock.after(at, () => void stop());
  clock.after(plan.healAt, heal);
  void start();
  await rest();

  const { life } = machine;
  if (life.isAlive) {
    history.add({ kind: "crashed", life: life.number, step: "rest", ofPower: true });
    end(life, true);
  }
  for (const task of tasks) clock.after(chance.between(0, 60_000), () => clients.deliver(task));
  await rest();
  return { plan, events: history.events, violations: check(history.events, plan) };
}
