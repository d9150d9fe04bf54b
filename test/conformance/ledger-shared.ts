// Harness of the shared ledger, over any engine whose time a test can set: one gateway, whose crash is a new
// incarnation, since an engine outlives it.
import type { Ledger } from "../../src/ledger/ledger.ts";
import type { Engine } from "../../src/ledger/shared/engine.ts";
import { openSharedLedger } from "../../src/ledger/shared/shared.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryEngines } from "../support/memory-engine.ts";
import { type WatchedEngine, watchEngine } from "../support/watched-engine.ts";
import { type Defect, HARNESS_RETENTION_MS, type LedgerHarness } from "./ledger.ts";

export const HARNESS_LEASE_MS = 30_000;

/** Where the ledger of a harness is kept. */
export interface EnginePlace {
  connect(): Promise<Engine>;
  /** The engine's time, from now on. */
  setTime(now: number): Promise<void>;
  /** The process is gone, whose engine this was. */
  crash(engine: Engine): Promise<void>;
  readonly faults: Pick<LedgerHarness, "breakStore" | "mendStore">;
  dispose(): Promise<void>;
}

/** Far below the lease, so that heartbeats come in between. */
const STEP_MS = 2_500;

export async function createSharedHarness(
  place: EnginePlace,
  patienceMs: number,
  defect: Defect = {},
): Promise<LedgerHarness> {
  let clock = createManualClock();
  let ledger: Ledger | undefined;
  let watched: WatchedEngine | undefined;
  await place.setTime(clock.now());
  return {
    retentionMs: HARNESS_RETENTION_MS,
    now: () => clock.now(),
    async open() {
      // Timers end with their process, time goes on.
      clock = createManualClock(clock.now());
      const own = clock;
      watched = watchEngine(await place.connect());
      const opened = await openSharedLedger({
        engine: watched.engine,
        gatewayId: "gateway",
        clock: own,
        elapsed: () => own.now(),
        log: silentLog,
        retentionMs: defect.retentionMs ?? HARNESS_RETENTION_MS,
        leaseMs: HARNESS_LEASE_MS,
        knownCapacity: 64,
      });
      ledger = defect.ledger?.(opened) ?? opened;
      return ledger;
    },
    async crash() {
      ledger = undefined;
      if (watched !== undefined) await place.crash(watched.engine);
    },
    async pass(ms) {
      const end = clock.now() + ms;
      while (clock.now() < end) {
        clock.advance(Math.min(end - clock.now(), clock.untilNext() ?? STEP_MS, STEP_MS));
        await place.setTime(clock.now());
        await watched?.idle();
      }
    },
    ...place.faults,
    // It is in memory only: whatever became of it, the next process begins without.
    async spoilFilters() {
      defect.onSpoil?.();
    },
    async dispose() {
      await ledger?.close();
      await place.dispose();
    },
    patienceMs,
  };
}

/** Answers from memory come within a few turns of the event loop, so that a missing one shows soon. */
const MEMORY_PATIENCE_MS = 1_000;

export function memoryPlace(
  defect: Pick<Defect, "retentionMs" | "isForgotten"> & { readonly leaseMs?: number } = {},
): EnginePlace {
  let now = 0;
  const { retentionMs = HARNESS_RETENTION_MS, leaseMs = HARNESS_LEASE_MS } = defect;
  const limits = { retentionMs, leaseMs };
  const engines = createMemoryEngines(() => now, limits, defect.isForgotten);
  return {
    connect: async () => engines.connect(),
    async setTime(time) {
      now = time;
    },
    async crash() {
      engines.crash();
    },
    faults: { breakStore: () => engines.fail({}), mendStore: engines.mend },
    async dispose() {},
  };
}

export const sharedMemoryHarness = async (defect: Defect = {}): Promise<LedgerHarness> =>
  await createSharedHarness(memoryPlace(defect), MEMORY_PATIENCE_MS, defect);
