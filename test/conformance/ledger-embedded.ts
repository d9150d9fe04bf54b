// Harnesses of the embedded ledger: on a storage in memory that loses what is not durable, and on the
// real disk, where a crash is that of the process.
import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openEmbeddedLedger } from "../../src/ledger/embedded/embedded.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createDiskStorage } from "../../src/storage/disk.ts";
import type { Storage, Store } from "../../src/storage/storage.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryStorage, type StorageCall } from "../support/memory-storage.ts";
import { temporaryFolder } from "../support/storage.ts";
import { type Defect, HARNESS_RETENTION_MS, type LedgerHarness } from "./ledger.ts";

/** Small, so that generations fill and grow within a few dozen ids. */
const FIRST_CAPACITY = 16;

interface Place {
  readonly storage: Storage;
  readonly crash: () => Promise<void>;
  readonly faults: Pick<LedgerHarness, "breakStore" | "mendStore" | "spoilFilters">;
}

function createHarness(place: Place, patienceMs: number, defect: Defect = {}): LedgerHarness {
  let clock = createManualClock();
  let ledger: Ledger | undefined;
  const { spoilFilters } = place.faults;
  return {
    retentionMs: HARNESS_RETENTION_MS,
    now: () => clock.now(),
    async open() {
      // Timers end with their process, time goes on.
      clock = createManualClock(clock.now());
      const storage = defect.storage?.(place.storage) ?? place.storage;
      const options = {
        storage,
        clock,
        log: silentLog,
        retentionMs: defect.retentionMs ?? HARNESS_RETENTION_MS,
        firstCapacity: FIRST_CAPACITY,
      };
      const opened = await openEmbeddedLedger(options);
      ledger = defect.ledger?.(opened) ?? opened;
      return ledger;
    },
    async crash() {
      ledger = undefined;
      await place.crash();
    },
    async pass(ms) {
      const end = clock.now() + ms;
      while (clock.now() < end) {
        clock.advance(Math.min(end - clock.now(), clock.untilNext() ?? Number.POSITIVE_INFINITY));
        // The ledger's only timer is that of its next sweep, set when the one before it is done.
        while (clock.untilNext() === undefined) await new Promise(setImmediate);
      }
    },
    ...place.faults,
    ...(spoilFilters !== undefined && {
      async spoilFilters(how) {
        await spoilFilters(how);
        defect.onSpoil?.();
      },
    }),
    async dispose() {
      await ledger?.close();
    },
    patienceMs,
  };
}

/** Answers from memory come within a few turns of the event loop, so that a missing one shows soon. */
const MEMORY_PATIENCE_MS = 1_000;

export async function memoryHarness(defect?: Defect): Promise<LedgerHarness> {
  const storage = createMemoryStorage();
  const calls: readonly StorageCall[] = [
    "get",
    "entries",
    "commit",
    "write",
    "openStore",
    "createFile",
    "list",
  ];
  const place: Place = {
    storage,
    crash: async () => storage.crash(),
    faults: {
      breakStore() {
        for (const call of calls) storage.fail({ call, times: Number.POSITIVE_INFINITY });
      },
      mendStore: storage.mend,
      async spoilFilters(how) {
        for (const name of await filterFiles(storage)) {
          storage.damage(name, (content) => spoil(content, how));
        }
      },
    },
  };
  return createHarness(place, MEMORY_PATIENCE_MS, defect);
}

/** What is written survives here as it does when a process is killed; only memory-storage loses power. */
export async function diskHarness(): Promise<LedgerHarness> {
  const folder = await temporaryFolder();
  const disk = createDiskStorage(folder);
  const stores = new Set<Store>();
  const storage: Storage = {
    ...disk,
    async openStore(name) {
      const store = await disk.openStore(name);
      stores.add(store);
      return store;
    },
  };
  const place: Place = {
    storage,
    async crash() {
      for (const store of stores) await store.close();
      stores.clear();
    },
    faults: {
      async spoilFilters(how) {
        for (const name of await filterFiles(storage)) {
          const path = join(folder, name);
          const content = await readFile(path);
          if (how === "removed") await rm(path);
          else if (how === "cut") await truncate(path, content.length - 1);
          else await writeFile(path, spoil(content, how) ?? content);
        }
      },
    },
  };
  return createHarness(place, 20_000);
}

async function filterFiles(storage: Storage): Promise<string[]> {
  const names = (await storage.list("ledger")).filter((name) => name.endsWith(".filter"));
  if (names.length === 0) throw new Error("no filter was saved that could be spoilt");
  return names.map((name) => `ledger/${name}`);
}

function spoil(content: Uint8Array, how: "removed" | "damaged" | "cut"): Uint8Array | undefined {
  if (how === "removed") return undefined;
  if (how === "cut") return content.subarray(0, -1);
  // The bits all gone: taken for a filter, it would deny every id.
  content.subarray(28, content.length - 4).fill(0);
  return content;
}
