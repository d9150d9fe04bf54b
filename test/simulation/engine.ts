// The engine of a shared ledger as simulated gateways reach it: over a network that loses and delays, by
// processes that die and are paused in the middle of a call. The engine behind it may be a real one: the
// simulation's time stands while one of its calls is under way, and the engine's time is the simulation's.

import type { Change, Engine, LedgerRecord } from "../../src/ledger/shared/engine.ts";
import { changedTo, parseSettings, storedSettings } from "../../src/ledger/shared/settings.ts";
import { decodeBase32, encodeBase32 } from "../../src/runtime/base32.ts";
import { StorageError } from "../../src/storage/storage.ts";
import type { EnginePlace } from "../conformance/ledger-shared.ts";
import { type Life, never } from "./machine.ts";
import type { Site } from "./site.ts";

export interface SimulatedEngine {
  /** A connection of one life. */
  connect(life: Life): Promise<Engine>;
  incarnationOf(life: Life): number | undefined;
  /** What the ledger has of an id, without any fault. */
  look(id: string): Promise<LedgerRecord | undefined>;
  /** As `mailonce ledger set --lease`; false when another change is under way, or no gateway was there yet. */
  setLease(leaseMs: number): Promise<boolean>;
  /** Calls that the engine has to answer now. */
  readonly underWay: number;
  /** Resolves when it has answered all of them. */
  atRest(): Promise<void>;
  /** The life has ended. Its calls may still arrive. */
  cut(life: Life): void;
  dispose(): Promise<void>;
}

/** What a call takes at most, as gateways are told. It may arrive as late, whatever became of its process. */
export const CALL_MAX_MS = 5_000;

/** What becomes of one call. */
interface Fate {
  /** Milliseconds until it takes effect; undefined: it never does. */
  readonly there: number | undefined;
  /** Milliseconds from the effect until its answer is heard; undefined: it never is. */
  readonly back: number | undefined;
  /** Milliseconds until it is given up, when it is not answered. */
  readonly givenUp: number;
}

interface Connection {
  readonly inner: Engine;
  incarnation: number | undefined;
  readonly underWay: Set<Promise<unknown>>;
}

const AT_ONCE: Fate = { there: 0, back: 0, givenUp: 0 };

export async function createSimulatedEngine(site: Site, place: EnginePlace): Promise<SimulatedEngine> {
  const { plan, chance, time, history } = site;
  const faults = plan.sharing?.faults;
  const connections = new Map<Life, Connection>();
  /** By incarnation, its gateway. */
  const gateways = new Map<number, number>();
  let underWay = 0;
  let onRest: (() => void)[] = [];
  let placeTime = Number.NaN;
  let timeSet: Promise<void> = Promise.resolve();
  /** By gateway, and for all under 0: until when the engine is away, and whether it then hangs. */
  const away = new Map<number, { readonly until: number; readonly hangs: boolean }>();

  /** The simulation's time stands while it is under way, and it finds the engine at that time. */
  async function real<T>(work: () => Promise<T>): Promise<T> {
    underWay++;
    try {
      const now = time.now();
      if (now !== placeTime) {
        placeTime = now;
        timeSet = place.setTime(now);
      }
      await timeSet;
      return await work();
    } finally {
      if (--underWay === 0) {
        for (const tell of onRest) tell();
        onRest = [];
      }
    }
  }

  const looking = await real(() => place.connect());

  function awayFor(gateway: number) {
    if (site.isHealed) return undefined;
    return [0, gateway]
      .map((of) => away.get(of))
      .find((one) => one !== undefined && site.elapsed() < one.until);
  }

  function decide(gateway: number, kind: string): Fate {
    if (faults === undefined) return AT_ONCE;
    if (site.fails(faults.engine_away) && awayFor(gateway) === undefined) {
      const forMs = chance.pick([500, 8_000, 40_000, 120_000]);
      const of = chance.pick([0, gateway]);
      away.set(of, { until: site.elapsed() + forMs, hangs: chance.happens(0.5) });
      history.add({ kind: "engine_away", gateway: of, forMs });
    }
    const isAway = awayFor(gateway);
    if (isAway !== undefined) {
      const there = chance.happens(0.2) ? chance.between(0, CALL_MAX_MS) : undefined;
      return { there, back: undefined, givenUp: isAway.hangs ? CALL_MAX_MS : chance.between(0, 20) };
    }
    if (site.fails(faults.engine_answer_lost)) {
      const there = chance.happens(0.5) ? 0 : chance.between(0, CALL_MAX_MS);
      return {
        there,
        back: undefined,
        givenUp: chance.pick([0, chance.between(0, CALL_MAX_MS), CALL_MAX_MS]),
      };
    }
    if (site.fails(faults.engine_slow)) {
      const there = chance.between(0, CALL_MAX_MS / 2);
      return { there, back: chance.between(0, CALL_MAX_MS / 2), givenUp: 0 };
    }
    // Of most heartbeats nothing is to be learnt.
    if (kind === "beat") return AT_ONCE;
    return { there: chance.between(0, 10), back: chance.between(0, 10), givenUp: 0 };
  }

  const pass = (ms: number): Promise<void> | undefined => (ms === 0 ? undefined : site.wait(ms));

  async function call<T>(
    life: Life,
    connection: Connection,
    kind: string,
    make: () => Promise<T>,
    heard?: (answer: T) => void,
  ): Promise<T> {
    const { machine } = life;
    if (!machine.step(life, `engine ${kind} asked`)) return await never();
    while (machine.isPaused) await machine.running();
    if (!life.isAlive) return await never();
    const { there, back, givenUp } = decide(machine.number, kind);
    const effect = there === undefined ? undefined : arrive(connection, there, make);
    let answer: { readonly value: T } | { readonly error: unknown };
    if (effect !== undefined && back !== undefined) {
      answer = await effect.then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      await pass(back);
    } else {
      effect?.catch(() => {});
      await pass(givenUp);
      answer = { error: new StorageError("unavailable", `the engine does not answer to ${kind}`) };
    }
    if (!machine.step(life, `engine ${kind} answered`)) return await never();
    while (machine.isPaused) await machine.running();
    if (!life.isAlive) return await never();
    if ("error" in answer) throw answer.error;
    heard?.(answer.value);
    return answer.value;
  }

  /** Whatever becomes of the process that has made the call. */
  function arrive<T>({ underWay: calls }: Connection, there: number, make: () => Promise<T>): Promise<T> {
    const effect = (async () => {
      await pass(there);
      return await real(make);
    })();
    const done = () => void calls.delete(effect);
    calls.add(effect);
    effect.then(done, done);
    return effect;
  }

  function engineOf(life: Life, connection: Connection): Engine {
    const { inner } = connection;
    const ask = <T>(kind: string, make: () => Promise<T>, heard?: (answer: T) => void) =>
      call(life, connection, kind, make, heard);
    return {
      name: inner.name,
      callMaxMs: CALL_MAX_MS,
      register: (gateway) =>
        ask("register", async () => {
          connection.incarnation = await inner.register(gateway);
          gateways.set(connection.incarnation, life.machine.number);
          return connection.incarnation;
        }),
      beat: (gateway, incarnation, confirmed) =>
        ask("beat", () => inner.beat(gateway, incarnation, confirmed)),
      limit: (limits) => inner.limit(limits),
      // Read once at a start, and as a rule never written again: no fault is drawn for it.
      settings: () => real(() => inner.settings()),
      putSettings: (from, settings) => real(() => inner.putSettings(from, settings)),
      retire: (gateway, incarnation) => ask("retire", () => inner.retire(gateway, incarnation)),
      insert: (incarnation, batch) =>
        ask(
          "insert",
          () => inner.insert(incarnation, batch),
          (results) =>
            results.forEach((one, at) => {
              if (one.kind === "found") noteDead(life, batch[at]?.key, one.record);
            }),
        ),
      read: (keys) =>
        ask(
          "read",
          () => inner.read(keys),
          (records) => records.forEach((record, at) => void noteDead(life, keys[at], record)),
        ),
      take: (incarnation, batch) => ask("take", () => inner.take(incarnation, batch)),
      async change(batch) {
        const changed = await ask("change", () => inner.change(batch));
        batch.forEach((one, at) => {
          if (changed[at] === true) note(life, one);
        });
        return changed;
      },
      async *open() {
        const found = await ask("open", async () => {
          const all = [];
          for await (const one of inner.open()) all.push(one);
          return all;
        });
        yield* found;
      },
      sweep: (announce) => ask("sweep", () => inner.sweep(announce)),
      close: async () => {
        if (!life.isAlive) await never();
        await end(life);
      },
    };
  }

  function note({ machine }: Life, { key, to }: Change): void {
    if (to !== "attempted" && to !== "doubtful") return;
    history.add({ kind: "noted", gateway: machine.number, id: encodeBase32(key) });
  }

  function noteDead({ machine }: Life, key: Uint8Array | undefined, record: LedgerRecord | undefined): void {
    const { holder } = record ?? {};
    if (key === undefined || holder === undefined || holder.alive) return;
    const of = gateways.get(holder.incarnation);
    if (of === undefined) return;
    history.add({ kind: "found_dead", gateway: machine.number, id: encodeBase32(key), holder: of });
  }

  /** Closes the connection once nothing is under way on it. */
  async function end(life: Life): Promise<void> {
    const connection = connections.get(life);
    if (connection === undefined) return;
    connections.delete(life);
    while (connection.underWay.size > 0) await Promise.allSettled(connection.underWay);
    await real(() => place.crash(connection.inner));
  }

  return {
    async connect(life) {
      const inner = await real(() => place.connect());
      const connection: Connection = { inner, incarnation: undefined, underWay: new Set() };
      connections.set(life, connection);
      await call(life, connection, "connect", async () => {});
      return engineOf(life, connection);
    },
    incarnationOf: (life) => connections.get(life)?.incarnation,
    setLease: (leaseMs) =>
      real(async () => {
        const stored = await looking.settings();
        const settings = stored && parseSettings(stored);
        if (settings === undefined || settings.before !== undefined) return false;
        const next = changedTo(settings, { leaseMs, retentionMs: settings.retentionMs });
        return await looking.putSettings(settings.version, storedSettings(next));
      }),
    look: (id) => real(async () => (await looking.read([decodeBase32(id)]))[0]),
    get underWay() {
      return underWay;
    },
    async atRest() {
      while (underWay > 0) await new Promise<void>((resolve) => void onRest.push(resolve));
    },
    cut: (life) => void end(life),
    dispose: () => place.dispose(),
  };
}
