// Harness of several gateways on one engine: each its own clock, so that one can be stopped; all calls of an
// engine can be held up on their way.
import { digestIdentity } from "../../src/ledger/identity-digest.ts";
import type { Engine } from "../../src/ledger/shared/engine.ts";
import { openSharedLedger, type SharedLedger } from "../../src/ledger/shared/shared.ts";
import type { Log } from "../../src/runtime/log.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { type WatchedEngine, watchEngine } from "../support/watched-engine.ts";
import { HARNESS_RETENTION_MS } from "./ledger.ts";
import { type EnginePlace, HARNESS_LEASE_MS, memoryPlace } from "./ledger-shared.ts";
import type { SharingHarness } from "./sharing.ts";

/** What is broken on purpose; nothing for the real one. */
export interface SharingDefect {
  readonly engine?: (engine: Engine) => Engine;
  readonly ledger?: (ledger: SharedLedger) => SharedLedger;
  readonly elapsed?: () => number;
}

/** Nothing expires in a check of several gateways. */
export const SHARING_RETENTION_MS = HARNESS_RETENTION_MS * 100;

interface Running {
  readonly clock: ReturnType<typeof createManualClock>;
  readonly engine: WatchedEngine;
  readonly ledger: SharedLedger;
  /** Time that it has not seen pass; undefined when it sees all. */
  missed: number | undefined;
}

/** Far below the lease, so that heartbeats come in between. */
const STEP_MS = 2_500;

/** Time that passes at most until an answer; longer than a claim waits, and than any clean-up. */
const DURING_MAX_MS = 25_000;
const DURING_STEP_MS = 50;

export async function createSharingHarness(
  place: EnginePlace,
  defect: SharingDefect = {},
): Promise<SharingHarness> {
  const time = createManualClock();
  const running = new Set<Running>();
  await place.setTime(time.now());

  async function idle(): Promise<void> {
    for (const { engine } of running) await engine.idle();
  }

  async function pass(ms: number): Promise<void> {
    const end = time.now() + ms;
    await idle();
    while (time.now() < end) {
      const seeing = [...running].filter(({ missed }) => missed === undefined);
      const next = seeing.map(({ clock }) => clock.untilNext() ?? STEP_MS);
      const step = Math.min(end - time.now(), STEP_MS, ...next);
      time.advance(step);
      await place.setTime(time.now());
      for (const one of running) {
        if (one.missed === undefined) one.clock.advance(step);
        else one.missed += step;
      }
      await idle();
    }
  }

  return {
    leaseMs: HARNESS_LEASE_MS,
    now: () => time.now(),
    async start(name, { secret = "", leaseMs = HARNESS_LEASE_MS, retentionMs = SHARING_RETENTION_MS } = {}) {
      const clock = createManualClock(time.now());
      const raw = await place.connect();
      const engine = watchEngine(defect.engine?.(raw) ?? raw);
      const events: string[] = [];
      const note = (event: string) => void events.push(event);
      const log: Log = { debug: note, info: note, warn: note, error: note };
      const opened = await openSharedLedger({
        engine: engine.engine,
        gatewayId: name,
        clock,
        elapsed: defect.elapsed ?? (() => clock.now()),
        log,
        retentionMs,
        leaseMs,
        identity: (salt) => digestIdentity({ secret, fields: [], namespaces: [] }, salt),
        knownCapacity: 64,
      });
      const ledger = defect.ledger?.(opened) ?? opened;
      const one: Running = { clock, engine, ledger, missed: undefined };
      running.add(one);
      return {
        ledger,
        engine,
        events,
        stop() {
          one.missed = 0;
        },
        goOn() {
          const missed = one.missed ?? 0;
          one.missed = undefined;
          clock.advance(missed);
        },
        async kill() {
          running.delete(one);
          await place.crash(raw);
        },
      };
    },
    pass,
    async during(answer) {
      let isThere = false;
      const there = () => {
        isThere = true;
      };
      answer.then(there, there);
      await idle();
      for (let passed = 0; !isThere && passed < DURING_MAX_MS; passed += DURING_STEP_MS) {
        await pass(DURING_STEP_MS);
      }
      if (!isThere) throw new Error("no answer came");
      return await answer;
    },
    async dispose() {
      for (const { ledger } of running) await ledger.close();
      await place.dispose();
    },
  };
}

export const memorySharingHarness = async (defect: SharingDefect = {}): Promise<SharingHarness> =>
  await createSharingHarness(memoryPlace({ retentionMs: SHARING_RETENTION_MS }), defect);
