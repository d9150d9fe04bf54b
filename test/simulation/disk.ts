// The simulated disk: the storage in memory with its crashes, and around it time, a full disk, and the
// ends of lives.
import { type FileWriter, type Storage, StorageError, type Store } from "../../src/storage/storage.ts";
import { createMemoryStorage, type MemoryStorage } from "../support/memory-storage.ts";
import type { StoreView } from "../support/memory-store.ts";
import { type Life, type Machine, never } from "./machine.ts";

export interface SimulatedDisk {
  readonly memory: MemoryStorage;
  /** What is in the stores whose names end so; a digit stands for any number. */
  views(name: "spool/queue" | "ledger/state" | "ledger/generation-0"): StoreView[];
  /** The disk as one life sees it. */
  storageOf(life: Life): Storage;
  /** Its process has ended; or with `ofPower` its machine, and what was not synced is lost by chance. */
  crash(ofPower: boolean): void;
}

export function createSimulatedDisk(machine: Machine): SimulatedDisk {
  const { site } = machine;
  const { chance, plan } = site;
  const { faults } = plan;
  /** Every store that was opened, by its name with its number as 0. */
  const opened = new Map<string, Set<string>>();
  let fullUntil = 0;

  const memory = createMemoryStorage({
    async pause(call, name, place) {
      const { life } = machine;
      // That there is none is no step; see plan.ts.
      if (name.endsWith("history")) return;
      if (!machine.step(life, `${call} ${name} ${place}`)) return await never();
      if (life.number > 0 && chance.happens(faults.slow_disk)) {
        await site.wait(chance.happens(0.05) ? chance.between(500, 5_000) : chance.between(1, 50));
      }
      while (machine.isPaused) await machine.running();
      if (!life.isAlive) await never();
    },
  });

  /** How a write fails that comes now, if it does. */
  function failure(): "lost" | "kept" | undefined {
    if (site.fails(faults.disk_full) && machine.elapsed() >= fullUntil) {
      const forMs = chance.pick([50, 2_000, 30_000, 120_000]);
      fullUntil = machine.elapsed() + forMs;
      site.history.add({ kind: "disk_full", gateway: machine.number, forMs });
    }
    if (site.isHealed || machine.elapsed() >= fullUntil || chance.happens(0.1)) return undefined;
    return chance.happens(faults.full_takes_effect) ? "kept" : "lost";
  }

  async function changed<T>(life: Life, name: string, change: () => Promise<T>): Promise<T> {
    const how = failure();
    if (how === undefined) return await change();
    if (how === "kept") await change();
    else if (!machine.step(life, `full ${name}`)) await never();
    throw new StorageError("full", `no space left for ${name}`);
  }

  function storeOf(life: Life, name: string, store: Store): Store {
    return {
      get: (key) => (life.isAlive ? store.get(key) : never()),
      entries: (range) => (life.isAlive ? store.entries(range) : nothing()),
      keys: (range) => (life.isAlive ? store.keys(range) : nothing()),
      commit: (operations) => (life.isAlive ? changed(life, name, () => store.commit(operations)) : never()),
      write: (operations) => (life.isAlive ? changed(life, name, () => store.write(operations)) : never()),
      rest: () => (life.isAlive ? store.rest() : never()),
      close: () => (life.isAlive ? store.close() : never()),
    };
  }

  function writerOf(life: Life, name: string, writer: FileWriter): FileWriter {
    return {
      append: (octets) => (life.isAlive ? changed(life, name, () => writer.append(octets)) : never()),
      close: () => (life.isAlive ? changed(life, name, () => writer.close()) : never()),
      discard: () => (life.isAlive ? writer.discard() : never()),
    };
  }

  async function openStore(life: Life, name: string): Promise<Store> {
    if (!life.isAlive) return await never();
    const kind = name.replace(/\d+$/, "0").replace(/^second\//, "");
    opened.set(kind, (opened.get(kind) ?? new Set()).add(name));
    return storeOf(life, name, await memory.openStore(name));
  }

  return {
    memory,
    views: (kind) => [...(opened.get(kind) ?? [])].flatMap((name) => memory.view(name) ?? []),
    storageOf: (life) => ({
      openStore: (name) => openStore(life, name),
      removeStore: (name) => (life.isAlive ? memory.removeStore(name) : never()),
      createFile: async (name) =>
        life.isAlive
          ? writerOf(life, name, await changed(life, name, () => memory.createFile(name)))
          : never(),
      readFile: (name) => (life.isAlive ? memory.readFile(name) : nothing()),
      fileSize: (name) => (life.isAlive ? memory.fileSize(name) : never()),
      removeFile: (name) => (life.isAlive ? memory.removeFile(name) : never()),
      list: (folder) => (life.isAlive ? memory.list(folder) : never()),
    }),
    crash(ofPower) {
      memory.crash((unsynced, _store, acknowledged) => {
        if (ofPower) return chance.between(0, unsynced);
        return chance.happens(faults.torn_last_write) ? unsynced : acknowledged;
      });
    },
  };
}

/** What a dead life would read. */
async function* nothing(): AsyncGenerator<never> {
  yield await never();
}
