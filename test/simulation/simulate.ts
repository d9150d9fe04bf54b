// One history from its seed: the gateway's own code on a simulated machine, or on several with one ledger,
// while faults happen, then without them until all is idle, then once more after a loss of power with every
// task delivered again.
import type { Config } from "../../src/config/config.ts";
import { ID_OCTETS } from "../../src/identity/message-id.ts";
import { openEmbeddedLedger } from "../../src/ledger/embedded/embedded.ts";
import { DIGEST_OCTETS } from "../../src/ledger/ledger.ts";
import type { Engine } from "../../src/ledger/shared/engine.ts";
import { stoppedDoubtful, stoppedForget } from "../../src/operator/offline.ts";
import { openOfflinePausing } from "../../src/operator/offline-pausing.ts";
import { stoppedQueue } from "../../src/operator/queue/stopped.ts";
import { type Opened, openStopped } from "../../src/operator/stopped.ts";
import { openRelay, type Relay, type World } from "../../src/relay.ts";
import { encodeBase32 } from "../../src/runtime/base32.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { openSpool } from "../../src/spool/spool.ts";
import { fingerprintOf } from "../../src/submission/decode.ts";
import type { EnginePlace } from "../conformance/ledger-shared.ts";
import { check } from "./checker.ts";
import { createClients } from "./clients.ts";
import { createSimulatedDisk, type SimulatedDisk } from "./disk.ts";
import { CALL_MAX_MS, createSimulatedEngine } from "./engine.ts";
import { createEvidence } from "./evidence.ts";
import type { Violation } from "./facts.ts";
import { createForgetter } from "./forgetter.ts";
import type { Event } from "./history.ts";
import { clockOf, createMachine, endLife, type Life, logOf, type Machine } from "./machine.ts";
import { ODD_MS } from "./odd.ts";
import { createOperator } from "./operator.ts";
import { createPauser } from "./pauser.ts";
import { type Actors, ALONE } from "./people.ts";
import {
  configsOf,
  hasFingerprints,
  leaseMaxOf,
  type Plan,
  planOf,
  RETENTION_MS,
  type Task,
} from "./plan.ts";
import { createPostmaster } from "./postmaster.ts";
import { createSite } from "./site.ts";
import { createSimulatedUpstream } from "./upstream.ts";
import { createWitness } from "./witness.ts";

// The library that takes contents apart is loaded with the first mail that needs it, and a shared ledger with the first
// start that needs it. That takes time of this machine, which a history does not count.
await fingerprintOf((async function* () {})());
await import("../../src/ledger/shared/open.ts");

/** What a broken gateway changes. Made anew for each history, as some keep what a broken part would keep. */
export interface Defect {
  /** Its histories, made of what their seeds give. */
  readonly plan?: ((plan: Plan) => Plan) | undefined;
  /** The world that one start of the gateway is given. */
  readonly world?: (world: World, machine: Machine) => World;
  /** The shared ledger's engine, as one start of a gateway has it. */
  readonly engine?: (engine: Engine, machine: Machine) => Engine;
  /** Each start of the gateway. */
  readonly open?: (open: typeof openRelay) => typeof openRelay;
  /** A process that dies does not: it goes on beside the one that takes its place. */
  readonly outlivesDeath?: boolean;
  /** Told that every process has really ended. */
  readonly onEnd?: () => void;
}

/** The kind of ledger that several gateways share. */
export interface SharedLedgers {
  /** Where it is kept; made anew for each history. */
  place(): Promise<EnginePlace>;
  /** After so many leases at most a gateway that is gone counts as dead with all others. */
  readonly leasesUntilDead: number;
}

export interface Result {
  readonly plan: Plan;
  readonly events: readonly Event[];
  /** The broken promises; none as a rule. */
  readonly violations: readonly Violation[];
  /** Attempts that a pause put after the end of their claim, in the one place where nothing can see it. */
  readonly exposed: number;
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

/** When what the dead have taken with them is delivered once more: all know by then that they are dead. */
const AFTER_LEASES = 4;

/** Times that an operator decides about all that is doubtful; each time may leave what came up meanwhile. */
const ROUNDS_OF_DECISIONS = 4;

/** Of a life that takes up no further request. */
const NO_DESKS = { desk: undefined, forget: undefined, pausing: undefined, queue: undefined };

/** Steps after which the event loop gets a turn, without which Node reports no unhandled rejection. */
const STEPS_IN_TURN = 32;

/** Resolves when no promise is left that could go on; much faster than a turn of the event loop. */
const promisesAtRest = () => new Promise<void>((resolve) => process.nextTick(resolve));

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};

/** Leaves what a gateway leaves that has relayed one mail of another task, with a small generation. */
async function prepareFolder({ clock, site }: Machine, { memory }: SimulatedDisk): Promise<void> {
  await (await openSpool(memory)).close();
  if (site.plan.sharing !== undefined) return;
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

/**
 * @param shared given: several gateways share such a ledger
 * @param actors who else may be there
 */
export async function simulate(
  seed: number,
  defect: Defect = {},
  shared?: SharedLedgers,
  actors: Actors = ALONE,
): Promise<Result> {
  const { plan: planned = (one: Plan) => one } = defect;
  const plan = planned(planOf(seed, shared !== undefined, actors));
  const { config, faults, tasks, sharing } = plan;
  const site = createSite(plan);
  const { chance, time, history } = site;
  let lives = 0;
  const machines = Array.from({ length: sharing?.gateways ?? 1 }, (_, at) =>
    createMachine(site, at + 1, () => ++lives, die),
  );
  const disks = new Map(machines.map((machine) => [machine, createSimulatedDisk(machine)]));
  const engine = shared && (await createSimulatedEngine(site, await shared.place()));
  /** Until when the others take what a gateway has for durable, although it is gone. */
  const aliveUntil = new Map<Machine, number>();
  const countsAsAlive = (machine: Machine, then: number) =>
    !machine.isGone || then < (aliveUntil.get(machine) ?? 0);
  const evidence = createEvidence({ disks, engine, countsAsAlive });
  const upstream = createSimulatedUpstream(site, evidence);
  const clients = createClients(site, machines, evidence);
  const operator = createOperator(site, machines, evidence, upstream);
  const open = defect.open?.(openRelay) ?? openRelay;

  /** Once it has been set. */
  let lease: number | undefined;
  const mayFingerprint = configsOf(plan).some(hasFingerprints);

  /** Lives that should have ended. */
  const outlived: Life[] = [];

  /** What the queue will deliver, or is waited for besides. */
  let stillToCome = 0;
  const deliver = (task: Task, after: number): void => {
    stillToCome += 1;
    time.after(after, () => {
      stillToCome -= 1;
      clients.deliver(task);
    });
  };

  const forgetter = createForgetter(site, machines, upstream, deliver);
  const pauser = createPauser(site, machines);

  const postmaster = createPostmaster(site, machines, evidence);
  const witness = createWitness(site, machines, evidence, upstream);

  const diskOf = (machine: Machine) => disks.get(machine) as SimulatedDisk;
  const there = () => machines.filter(({ isGone }) => !isGone);

  function die(life: Life, at: string): void {
    const { machine } = life;
    if (defect.outlivesDeath === true) {
      outlived.push(life);
      void start(machine);
      return;
    }
    const ofPower = chance.happens(faults.crash_loses_unsynced);
    history.add({ kind: "crashed", gateway: machine.number, life: life.number, step: at, ofPower });
    end(life, ofPower);
    if (machine.isDoomed) {
      machine.isGone = true;
      // Its last heartbeat may be on its way.
      const until = site.elapsed() + CALL_MAX_MS + (shared?.leasesUntilDead ?? 0) * leaseMaxOf(plan);
      aliveUntil.set(machine, until);
      const spooled = evidence.spooled(machine);
      history.add({ kind: "gone", gateway: machine.number, spooled, aliveUntil: until });
    }
  }

  onUnhandled = (error) => {
    const text = String(error instanceof Error ? error.stack : error);
    const [machine, ...others] = there() as [Machine];
    // Of several nobody knows whose it is.
    const isKnown = others.length === 0;
    if (isKnown && !machine.life.isAlive) return;
    history.add({ kind: "unhandled", gateway: isKnown ? machine.number : 0, error: text });
    if (isKnown) end(machine.life, false);
  };

  function end(life: Life, ofPower: boolean): void {
    const { machine } = life;
    diskOf(machine).crash(ofPower);
    recordWithoutContent(machine);
    for (const one of [...outlived, life]) {
      upstream.cut(one);
      engine?.cut(one);
      endLife(one);
    }
    defect.onEnd?.();
    time.after(chance.pick([1, 500, chance.between(1_000, 30_000)]), () => {
      if (machine.isGone) return;
      // A command that has decided is followed by a start.
      if (site.isHealed) void start(machine);
      else if ([operator, forgetter, postmaster].some((actor) => actor?.goesOffline() === true))
        void decideOffline(machine);
      else if (pauser?.goesOffline() === true) void pauseOffline(machine);
      else void start(machine);
    });
  }

  /** A transmission in the spool has its content, always. */
  function recordWithoutContent(machine: Machine): void {
    const keys = evidence.withoutContent(machine);
    if (keys.length > 0) history.add({ kind: "without_content", gateway: machine.number, keys });
  }

  /** Gateways begin as observers, where there are any, and each switch is to the other mode. */
  const modeOf = ({ number }: Machine): Config["identity"]["mode"] => {
    if (plan.observer === undefined) return config.identity.mode;
    const passed = plan.observer.switches.filter(
      ({ gateway, at }) => gateway === number && at <= site.elapsed(),
    );
    return passed.length % 2 === 0 ? "observe" : "enforce";
  };

  /** The configuration of the next start, which may be another each time. The lease is that of the ledger. */
  function nextConfig(machine: Machine): Config {
    const chosen = plan.settings?.chance.pick(plan.settings.configs) ?? config;
    const next = { ...chosen, identity: { ...chosen.identity, mode: modeOf(machine) } };
    return lease === undefined ? next : { ...next, ledger: { ...next.ledger, lease } };
  }

  async function setLease(leaseMs: number): Promise<void> {
    if (engine === undefined) return;
    const isTaken = await engine.setLease(leaseMs);
    if (isTaken) lease = leaseMs;
    history.add({ kind: "lease_set", leaseMs, isTaken });
  }

  function worldOf(machine: Machine, life: Life): World {
    const world: World = {
      storage: diskOf(machine).storageOf(life),
      upstreams: new Map([["upstream", upstream.upstreamOf(life)]]),
      clock: clockOf(machine, life),
      random: chance,
      log: logOf(machine, life),
      elapsed: site.elapsed,
      ...(plan.witness && { evidenceWaitMs: () => plan.witness?.waitMs ?? 0 }),
      ...(engine && {
        async openEngine() {
          const connected = await engine.connect(life);
          return defect.engine?.(connected, machine) ?? connected;
        },
      }),
    };
    return defect.world?.(world, machine) ?? world;
  }

  /**
   * As a command does when no gateway runs.
   *
   * @param desksOf what the life has while the folder is open
   */
  async function openOffline<Desk>(
    machine: Machine,
    open: (life: Life, world: World) => Promise<Opened<Desk>>,
    desksOf: (desk: Desk) => Partial<Life>,
    decide: (life: Life) => Promise<unknown>,
  ): Promise<void> {
    const life = machine.beginOfflineLife(nextConfig(machine));
    const named = { gateway: machine.number, life: life.number };
    history.add({ kind: "offline", ...named });
    try {
      const { desk, close } = await open(life, worldOf(machine, life));
      if (!life.isAlive) return;
      Object.assign(life, desksOf(desk));
      history.add({ kind: "offline_open", ...named });
      await decide(life);
      Object.assign(life, NO_DESKS);
      await close();
    } catch (error) {
      if (!life.isAlive) return;
      history.add({ kind: "start_failed", ...named, error: `offline: ${String(error)}` });
    }
    if (!life.isAlive) return;
    history.add({ kind: "offline_closed", ...named });
    end(life, false);
  }

  /** As `mailonce doubtful`, `forget` and `queue` do. */
  const decideOffline = (machine: Machine): Promise<void> =>
    openOffline(
      machine,
      ({ config }, world) =>
        openStopped(config, world, async (stopped) => ({
          desk: operator && (await stoppedDoubtful(config, world, stopped)),
          forget: forgetter && (await stoppedForget(config, world, stopped)),
          queue: postmaster && (await stoppedQueue(config, world, stopped)),
        })),
      (desks) => desks,
      (life) =>
        Promise.all([
          operator?.decideOffline(life),
          forgetter?.forgetOffline(life),
          postmaster?.orderOffline(life),
        ]),
    );

  /** As `mailonce pause` does. */
  const pauseOffline = (machine: Machine): Promise<void> =>
    openOffline(
      machine,
      ({ config }, world) => openOfflinePausing(config, world),
      (pausing) => ({ pausing }),
      async (life) => await pauser?.decideOffline(life),
    );

  async function start(machine: Machine): Promise<void> {
    const life = machine.beginLife(nextConfig(machine));
    const named = { gateway: machine.number, life: life.number };
    history.add({ kind: "starting", ...named, config: life.config });
    let relay: Relay;
    try {
      relay = await open(life.config, worldOf(machine, life));
    } catch (error) {
      if (!life.isAlive) return;
      history.add({ kind: "start_failed", ...named, error: String(error) });
      end(life, false);
      return;
    }
    if (!life.isAlive) return;
    life.relay = relay;
    life.desk = relay.doubtful;
    life.forget = relay.forget;
    life.pausing = relay.pausing;
    life.queue = relay.queue;
    history.add({ kind: "started", ...named });
    if (site.isHealed) pauser?.resume(life);
  }

  /** As startGateway does on a signal. */
  async function stop(machine: Machine): Promise<void> {
    const { life } = machine;
    const { relay } = life;
    if (relay === undefined || life.isStopping) return;
    life.isStopping = true;
    const named = { gateway: machine.number, life: life.number };
    history.add({ kind: "stopping", ...named });
    try {
      await Promise.all([clients.idle(machine), relay.drain()]);
      // No further request is taken up.
      Object.assign(life, NO_DESKS);
      await Promise.all([operator, forgetter, pauser, postmaster, witness].map((actor) => actor?.idle(life)));
      await relay.close();
    } catch (error) {
      history.add({ kind: "start_failed", ...named, error: `at the stop: ${String(error)}` });
    }
    if (!life.isAlive) return;
    history.add({ kind: "stopped", ...named });
    end(life, false);
  }

  function heal(): void {
    site.isHealed = true;
    history.add({ kind: "healed" });
    if (!site.isOddOver) time.after(ODD_MS, endOdd);
    for (const machine of there()) {
      machine.isDoomed = false;
      machine.goOn();
      pauser?.resume(machine.life);
    }
  }

  function endOdd(): void {
    site.isOddOver = true;
    history.add({ kind: "odd_over" });
  }

  /** Everything accepted has left the spools, or is held. */
  const isSpoolDone = () =>
    recordsIn(there()).every((one) => one.record.includes('"held":true') && !isUnfinished(one));

  interface Spooled {
    readonly machine: Machine;
    readonly record: string;
  }

  const recordsIn = (some: readonly Machine[]): Spooled[] =>
    some.flatMap((machine) =>
      diskOf(machine)
        .views("spool/queue")
        .flatMap(({ visible }) => [...visible])
        .filter(([key]) => key.startsWith("t"))
        .map(([, value]) => ({ machine, record: Buffer.from(value).toString("latin1") })),
    );

  /** Evidence is waited for, or has settled it. */
  const isUnfinished = ({ machine, record }: Spooled): boolean =>
    witness?.isUnfinished(record, machine) === true;

  const isDone = () =>
    site.isHealed &&
    site.isOddOver &&
    stillToCome === 0 &&
    clients.working === 0 &&
    upstream.underWay === 0 &&
    operator?.isBusy(there()) !== true &&
    forgetter?.isBusy(there()) !== true &&
    pauser?.isBusy(there()) !== true &&
    postmaster?.isBusy(there()) !== true &&
    witness?.isBusy() !== true &&
    there().every(({ life }) => life.relay !== undefined && !life.isStopping) &&
    isSpoolDone();

  /** What goes on without time goes on as far as it can. */
  async function settle(step: number): Promise<void> {
    if (step % STEPS_IN_TURN === 0) await turns(1);
    else await promisesAtRest();
    for (; engine !== undefined && engine.underWay > 0; await promisesAtRest()) await engine.atRest();
    if (mayFingerprint && clients.submitting > 0) {
      const isSoon = (time.untilNext() ?? Number.POSITIVE_INFINITY) < TURNS_OF_STREAMS.soonMs;
      await turns(isSoon ? TURNS_OF_STREAMS.few : TURNS_OF_STREAMS.many);
      for (; engine !== undefined && engine.underWay > 0; await promisesAtRest()) await engine.atRest();
    }
  }

  /** Lets time pass until all is idle. */
  async function rest(): Promise<void> {
    let deadline = Number.POSITIVE_INFINITY;
    for (let step = 0; ; step++) {
      await settle(step);
      if (site.isHealed && site.isOddOver) {
        if (isDone()) break;
        deadline = Math.min(deadline, site.elapsed() + REST_MS);
        if (site.elapsed() > deadline) break;
      }
      const next = time.untilNext();
      if (next === undefined) break;
      time.advance(next);
    }
    await turns(1);
    if (clients.working > 0) history.add({ kind: "blocked", by: `${clients.working} deliveries never end` });
    for (const { life, number } of there()) {
      if (life.relay === undefined) history.add({ kind: "blocked", by: `gateway ${number} is not up` });
    }
    const unfinished = recordsIn(there()).filter(isUnfinished).length;
    if (unfinished > 0)
      history.add({ kind: "blocked", by: `${unfinished} mails wait for evidence, or are settled by it` });
    for (const machine of there()) recordWithoutContent(machine);
    history.add({ kind: "idle" });
  }

  /** Rests for so many milliseconds at least. */
  async function restFor(ms: number): Promise<void> {
    stillToCome += 1;
    time.after(ms, () => {
      stillToCome -= 1;
    });
    await rest();
  }

  /** Then nothing may be left that is doubtful, wherever it was. */
  async function decideAll(): Promise<void> {
    if (operator === undefined || plan.operator?.decidesAll !== true) return;
    for (let round = 0; round < ROUNDS_OF_DECISIONS; round++) {
      const count = await atRest(operator.decideAll(there()));
      if (count === 0) return;
      // What a gateway has that is gone can be decided once all know that it is.
      if (round > 0) await restFor(AFTER_LEASES * leaseMaxOf(plan));
    }
    await atRest(operator.recordUndecided(there()));
  }

  /** Lets time pass until all is idle, and what was begun is done. */
  async function atRest<T>(begun: Promise<T>): Promise<T | undefined> {
    let result: { readonly value: T } | undefined;
    void begun.then(
      (value) => {
        result = { value };
      },
      (error: unknown) => history.add({ kind: "blocked", by: `an operator: ${String(error)}` }),
    );
    await rest();
    if (result === undefined) history.add({ kind: "blocked", by: "an operator is not answered" });
    return result?.value;
  }

  for (const [machine, disk] of disks) await prepareFolder(machine, disk);
  const machineOf = (at: number) => machines[at % machines.length] as Machine;
  for (const task of tasks) for (const at of task.deliveries) deliver(task, at);
  for (const { task, at } of sharing?.deliveries ?? []) deliver(tasks[task] as Task, at);
  for (const [index, { at, by }] of plan.jumps.entries()) {
    const { clock, number } = machineOf(index);
    time.after(at, () => {
      history.add({ kind: "clock_set", gateway: number, by });
      clock.set(clock.now() + by);
    });
  }
  for (const [index, at] of plan.stops.entries()) {
    const machine = machineOf(index);
    time.after(at, () => machine.whenRunning(() => void stop(machine)));
  }
  for (const { gateway, at } of plan.observer?.switches ?? []) {
    const machine = machineOf(gateway - 1);
    time.after(at, () => machine.whenRunning(() => void stop(machine)));
  }
  for (const { gateway, at } of sharing?.doomed ?? []) {
    const machine = machineOf(gateway);
    time.after(at, () => {
      machine.isDoomed = !site.isHealed;
      if (machine.isDoomed) machine.arm();
    });
  }
  for (const [index, at] of (plan.operator?.visits ?? []).entries()) {
    time.after(at, () => operator?.visit(machineOf(index)));
  }
  for (const [index, at] of (plan.forgetter?.visits ?? []).entries()) {
    time.after(at, () => forgetter?.visit(machineOf(index)));
  }
  for (const [index, at] of (plan.pauser?.visits ?? []).entries()) {
    time.after(at, () => pauser?.visit(machineOf(index)));
  }
  for (const [index, at] of (plan.postmaster?.visits ?? []).entries()) {
    time.after(at, () => postmaster?.visit(machineOf(index)));
  }
  for (const { at, leaseMs } of plan.settings?.leases ?? []) {
    time.after(at * plan.healAt, () => void setLease(leaseMs));
  }
  time.after(plan.healAt, heal);
  for (const machine of machines) void start(machine);
  await rest();
  if (postmaster !== undefined) await atRest(postmaster.releaseAll(there()));
  await decideAll();

  for (const machine of there()) {
    const { life } = machine;
    if (!life.isAlive || (machines.length > 1 && chance.happens(0.3))) continue;
    const named = { gateway: machine.number, life: life.number };
    history.add({ kind: "crashed", ...named, step: "rest", ofPower: true });
    end(life, true);
  }
  for (const task of tasks) {
    deliver(task, chance.between(0, 60_000));
    if (aliveUntil.size === 0) continue;
    // What the dead have taken with them is sure to be relayed when it comes again after the lease.
    deliver(task, AFTER_LEASES * leaseMaxOf(plan) + chance.between(0, 60_000));
  }
  await rest();
  await decideAll();
  await engine?.dispose();
  return { plan, events: history.events, ...check(history.events, plan) };
}
