// Reads every table of every open store again and again, and reports one that has changed on the disk, since
// LevelDB does not verify checksums when it reads. Slow on purpose, so that it costs next to nothing.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../runtime/log.ts";
import { toStorageError } from "./disk-error.ts";
import { consequenceOf } from "./folder-check.ts";
import { currentManifest, manifestName, tableName } from "./leveldb/files.ts";
import { readManifest } from "./leveldb/manifest.ts";
import { checkTable } from "./leveldb/table.ts";

/**
 * All tables are read once in this time, so that a changed octet is noticed within an hour, also when it changes
 * right after its table was read and the stores grow meanwhile.
 */
const ROUND_MS = 40 * 60_000;

export interface TableWatchOptions {
  readonly folder: string;
  /** Names of the stores that are open now. */
  readonly stores: () => Iterable<string>;
  readonly log: Log;
  /** For all tables once. */
  readonly roundMs?: number;
}

export interface TableWatch {
  stop(): void;
}

interface Table {
  readonly store: string;
  readonly number: number;
  readonly octets: number;
}

class Stopped extends Error {}

export function watchTables({ folder, stores, log, roundMs = ROUND_MS }: TableWatchOptions): TableWatch {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  let wake = (): void => {};

  function pause(ms: number): Promise<void> {
    if (isStopped) throw new Stopped();
    return new Promise((resolve, reject) => {
      timer = setTimeout(resolve, ms).unref();
      wake = () => reject(new Stopped());
    });
  }

  async function tablesOf(store: string): Promise<Table[]> {
    const path = join(folder, store);
    const number = await currentManifest(path);
    if (number === undefined) return [];
    const { tables } = readManifest(await readFile(join(path, manifestName(number))));
    return [...tables].map(([number, octets]) => ({ store, number, octets }));
  }

  async function allTables(): Promise<Table[]> {
    const all: Table[] = [];
    for (const store of stores()) {
      // A store that is just being opened or removed has its turn in the next round.
      all.push(...(await tablesOf(store).catch(() => [])));
    }
    return all;
  }

  async function isStillThere({ store, number }: Table): Promise<boolean> {
    if (![...stores()].includes(store)) return false;
    return (await tablesOf(store).catch(() => [])).some((table) => table.number === number);
  }

  async function check(table: Table, paced: (octets: number) => Promise<void>): Promise<void> {
    const { store, number, octets } = table;
    const file = `${store}/${tableName(number)}`;
    let fault: string | undefined;
    try {
      fault = await checkTable(join(folder, file), octets, paced);
    } catch (error) {
      if (error instanceof Stopped) throw error;
      // LevelDB removes a table once its content is in others.
      if (await isStillThere(table)) fault = toStorageError(error, file).message;
    }
    if (fault !== undefined) {
      log.error("data.damaged", { store, file, fault, consequence: consequenceOf(store) });
    }
  }

  async function round(): Promise<void> {
    const tables = await allTables();
    const total = tables.reduce((sum, { octets }) => sum + octets, 0);
    const began = performance.now();
    let read = 0;
    for (const table of tables) {
      await check(table, async (octets) => {
        read += octets;
        const due = began + (roundMs * read) / total;
        await pause(Math.max(0, due - performance.now()));
      });
    }
    await pause(Math.max(0, began + roundMs - performance.now()));
  }

  async function run(): Promise<void> {
    try {
      for (;;) await round();
    } catch (error) {
      if (!(error instanceof Stopped)) log.error("data.check_failed", { error });
    }
  }

  void run();
  return {
    stop() {
      isStopped = true;
      clearTimeout(timer);
      wake();
    },
  };
}
