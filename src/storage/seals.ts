// Keeps the seals of a data folder: compares them with the stores before the first one is opened, writes new ones
// while stores change, and a last one when the last store is closed. A mail costs nothing here: how long the files
// are is looked up once a second.
import { join } from "node:path";
import type { Log } from "../runtime/log.ts";
import { damaged, toStorageError } from "./disk-error.ts";
import { checkFolder, consequenceOf, type Repair, SEALED_FILES, sealedFilesIn } from "./folder-check.ts";
import { lockFolder, refuseHeld } from "./folder-lock.ts";
import type { LevelStore } from "./level-store.ts";
import { type Seal, type StoreSeal, writeSeal } from "./seal.ts";
import { FORMATTED, lostSeal, wasSealed } from "./sealed-format.ts";
import type { StorageError, Store } from "./storage.ts";
import { checkStore, type Finding, removeHalfMade } from "./store-check.ts";
import { measureClosed, measureStore, newestLog } from "./store-measure.ts";
import { type TableWatch, watchTables } from "./table-watch.ts";
import { writeWhole } from "./whole-file.ts";

/** The time of writes that a crash may leave unsealed. */
const SEAL_EVERY_MS = 1_000;

export interface Seals {
  /**
   * To be called before each opening of a store. The first of a run checks the whole folder: rejects with a
   * StorageError that says all that is wrong, "locked" when another process has the folder. `hold`, `fail` or `end`
   * ends what it begins.
   */
  begin(name: string): Promise<void>;
  /** The store is open: from now on it is sealed. */
  hold(name: string, level: LevelStore): Promise<Store>;
  /** The store could not be opened. */
  fail(): Promise<void>;
  /** Rejects when an open store's files are not what they should be: before it is opened once more. */
  check(name: string): Promise<void>;
  /** Ends what `begin` began, when no store was to be opened. */
  end(): Promise<void>;
  /** To be called before a closed store is removed, and after `begin`. */
  remove(name: string): Promise<void>;
  /** To be called when a file has been written that is sealed. */
  keep(name: string): Promise<void>;
}

interface Held {
  readonly level: LevelStore;
  /** It may have changed since it was measured. */
  isDirty: boolean;
}

/** @param folder may not be there yet when this is called */
export function createSeals(folder: string, log: Log): Seals {
  /** As measured last. What is not open is as it was found. */
  const stores = new Map<string, StoreSeal>();
  const held = new Map<string, Held>();
  let files: Record<string, string> = {};
  let unsealed: readonly string[] = [];
  let number = 0;
  let begun: Promise<void> | undefined;
  /** Gives the folder back. */
  let unlock: (() => Promise<void>) | undefined;
  /** Openings under way. */
  let opening = 0;
  let timer: NodeJS.Timeout | undefined;
  let watch: TableWatch | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let isUnwritten = false;
  let isFailing = false;

  /** One change of the seals at a time. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  }

  const pathOf = (name: string): string => join(folder, name);

  async function write(running: boolean): Promise<void> {
    isUnwritten = true;
    const entries = [...stores].map(([name, seal]): [string, StoreSeal] => [
      name,
      // While a process runs, no store is certain to stay as it is.
      running ? { ...seal, final: false } : seal,
    ]);
    number++;
    await writeSeal(folder, { number, running, stores: Object.fromEntries(entries), files });
    isUnwritten = false;
  }

  /** Both files: an earlier copy of either shows then. */
  async function writeTwice(running: boolean): Promise<void> {
    await write(running);
    await write(running);
  }

  async function release(): Promise<void> {
    await unlock?.();
    unlock = undefined;
  }

  async function checkAll(first: string): Promise<void> {
    unlock = await lockFolder(folder);
    const { seals, findings, repairs, ...check } = await checkFolder(folder);
    // After the check, since asking for a lock makes files anew whose absence is named.
    await refuseHeld(folder, [first, ...FORMATTED]);
    if (findings.length > 0) throw refusal(folder, findings);
    for (const one of repairs) await repair(one, seals.seal);
    stores.clear();
    for (const [name, seal] of Object.entries(seals.seal?.stores ?? {})) stores.set(name, seal);
    files = { ...(await sealedFilesIn(folder)), ...seals.seal?.files };
    unsealed = check.unsealed;
    number = seals.seal?.number ?? 0;
    // Nothing was sealed: either there is nothing yet, or hold() has to look at its format first.
    if (seals.seal !== undefined) await writeTwice(true);
  }

  async function repair({ file, fault, consequence }: Repair, seal: Seal | undefined): Promise<void> {
    log.warn("data.repaired", { file, fault, consequence });
    const content = seal?.files[file];
    if (content === undefined) return;
    await writeWhole(pathOf(file), pathOf(`${file}.tmp`), Buffer.from(content, "latin1"), 0o600);
  }

  /** The store has content that no seal covers: it is of a version that made none, or the seals are gone. */
  async function refuseUnsealed(name: string, level: LevelStore): Promise<void> {
    if (FORMATTED.includes(name) && (await wasSealed(level))) {
      throw refusal(folder, [lostSeal(name, stores.size > 0)]);
    }
  }

  async function measureOpen(name: string, { level }: Held): Promise<void> {
    const path = pathOf(name);
    const newest = await level.measured(() => newestLog(path));
    if (newest === undefined) throw new Error(`${path} has no log`);
    stores.set(name, await measureStore(path, stores.get(name), newest));
  }

  /** What has changed since the last seal. A disk that fails is asked again a second later. */
  async function tick(): Promise<void> {
    try {
      for (const [name, one] of held) {
        if (!one.isDirty) continue;
        one.isDirty = false;
        isUnwritten = true;
        await measureOpen(name, one).catch((error) => {
          one.isDirty = true;
          throw error;
        });
      }
      if (isUnwritten) await write(true);
      isFailing = false;
    } catch (error) {
      if (!isFailing) log.warn("data.unsealed", { error: toStorageError(error, folder).message });
      isFailing = true;
    }
  }

  let ticking = false;
  function start(): void {
    watch ??= watchTables({ folder, stores: () => held.keys(), log });
    timer ??= setInterval(() => {
      if (ticking) return;
      ticking = true;
      void inTurn(tick).finally(() => {
        ticking = false;
      });
    }, SEAL_EVERY_MS).unref();
  }

  /** Ends the run when nothing is open any more. */
  async function end(): Promise<void> {
    if (held.size > 0 || opening > 0) return;
    clearInterval(timer);
    timer = undefined;
    watch?.stop();
    watch = undefined;
    begun = undefined;
    await writeTwice(false).catch((error) => {
      log.warn("data.unsealed", { error: toStorageError(error, folder).message });
    });
    await release();
  }

  async function close(name: string, one: Held): Promise<void> {
    let isWhole = true;
    if (one.isDirty) {
      await one.level.commit([]).catch(() => {
        isWhole = false;
      });
    }
    await one.level.close();
    held.delete(name);
    try {
      const seal = await measureClosed(pathOf(name));
      stores.set(name, { ...seal, final: seal.final && isWhole });
    } catch (error) {
      log.warn("data.unsealed", { error: toStorageError(error, pathOf(name)).message });
    }
    isUnwritten = true;
    await end();
  }

  async function failed(): Promise<void> {
    opening--;
    if (held.size > 0 || opening > 0) return;
    // The fault may be repaired before the next opening.
    begun = undefined;
    await inTurn(release);
  }

  return {
    async begin(name) {
      opening++;
      begun ??= inTurn(() => checkAll(name));
      try {
        await begun;
        if (!stores.has(name)) await removeHalfMade(pathOf(name));
      } catch (error) {
        await failed();
        throw toStorageError(error, folder);
      }
    },
    hold: (name, level) =>
      inTurn(async () => {
        const one: Held = { level, isDirty: true };
        const before = stores.get(name);
        if (before === undefined) {
          if (unsealed.includes(name)) await refuseUnsealed(name, level);
          await measureOpen(name, one);
          one.isDirty = false;
          // Before its format says that it is sealed.
          if (number === 0) await write(true);
          await write(true);
        } else stores.set(name, { ...before, final: false });
        held.set(name, one);
        opening--;
        start();
        let closing: Promise<void> | undefined;
        return {
          ...level,
          commit(operations) {
            one.isDirty = true;
            return level.commit(operations);
          },
          write(operations) {
            one.isDirty = true;
            return level.write(operations);
          },
          rest() {
            one.isDirty = true;
            return level.rest();
          },
          close() {
            closing ??= inTurn(() => close(name, one));
            return closing;
          },
        };
      }),
    fail: failed,
    end: () =>
      inTurn(async () => {
        opening--;
        await end();
      }),
    async check(name) {
      const findings = await checkStore(folder, name, stores.get(name), "sizes");
      if (findings.length > 0) throw refusal(folder, findings);
    },
    remove: (name) =>
      inTurn(async () => {
        const before = stores.get(name);
        if (before === undefined) return;
        stores.delete(name);
        try {
          await write(true);
        } catch (error) {
          stores.set(name, before);
          throw error;
        }
      }),
    keep: (name) =>
      inTurn(async () => {
        if (begun === undefined || !SEALED_FILES.includes(name)) return;
        files = await sealedFilesIn(folder);
        if (number > 0) await write(true);
      }),
  };
}

/** One error for all findings, so that a person need not start again to see the next. */
function refusal(folder: string, findings: readonly Finding[]): StorageError {
  const [first, ...others] = findings as [Finding, ...Finding[]];
  const said = [first, ...others].map(({ store, file, fault }) => {
    const place = others.every((other) => other.store === first.store) ? file : join(store, file);
    return place === "" ? fault : `${place}: ${fault}`;
  });
  const isOne = others.every(({ store }) => store === first.store);
  const path = isOne ? join(folder, first.store) : folder;
  const consequences = new Set(findings.map(({ store }) => consequenceOf(store)));
  return damaged(path, said.join("; "), [...consequences].join("; "));
}
