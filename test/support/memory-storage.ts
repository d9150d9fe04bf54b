// A Storage in memory with crashes and failures: the same promises as storage/disk.ts and no more, so
// that what relies on anything else breaks here. Deterministic: nothing waits but by `pause`.
import {
  type FileWriter,
  type Storage,
  StorageError,
  type StorageErrorCode,
  type Store,
} from "../../src/storage/storage.ts";
import { createMemoryContent, type MemoryContent, type StoreView } from "./memory-store.ts";

export type StorageCall =
  | "openStore"
  | "get"
  | "entries"
  | "commit"
  | "write"
  | "removeStore"
  | "createFile"
  | "append"
  | "closeFile"
  | "readFile"
  | "removeFile"
  | "list";

export interface Failure {
  readonly call: StorageCall;
  /** The name of the store or file, or a pattern for it; any when left out. */
  readonly name?: string | RegExp;
  /** "unavailable" when left out. */
  readonly code?: StorageErrorCode;
  /** How often it happens; once when left out. */
  readonly times?: number;
  /** The call takes effect all the same: the outcome of a failed commit is unknown. */
  readonly takesEffect?: boolean;
}

export interface MemoryStorageOptions {
  /**
   * Awaited in each call: before it takes effect ("begin"), and once it has, durably if it is to be, but
   * nobody knows ("end"). A crash in either place is a crash between those two. At once when left out.
   */
  readonly pause?: (call: StorageCall, name: string, place: "begin" | "end") => Promise<void>;
}

export interface MemoryStorage extends Storage {
  /**
   * Loss of power. What is under way or called later through stores and writers opened before rejects.
   *
   * @param kept how many of the last `unsynced` commits and writes of a store survive, oldest first; none
   *   when left out. When the process ends and not the machine, those up to `acknowledged` do.
   */
  crash(kept?: (unsynced: number, store: string, acknowledged: number) => number): void;
  /** What is in a store now; undefined when there is none. */
  view(store: string): StoreView | undefined;
  /** Makes coming calls fail. Failures are used up in the order in which they were given. */
  fail(failure: Failure): void;
  /** Takes back all failures that have not happened. */
  mend(): void;
  /** Turns a file's content into another; for what a disk does to files. No such file: nothing. */
  damage(name: string, change: (content: Uint8Array) => Uint8Array | undefined): void;
}

const CHUNK_OCTETS = 64 * 1024;

export function createMemoryStorage({ pause }: MemoryStorageOptions = {}): MemoryStorage {
  const stores = new Map<string, MemoryContent>();
  const files = new Map<string, Uint8Array>();
  const open = new Set<string>();
  let failures: { failure: Failure; left: number }[] = [];
  let life = 0;

  function assertAlive(since: number, name: string): void {
    if (since !== life) throw new StorageError("unavailable", `${name} was in use when the power was lost`);
  }

  function failureOf(call: StorageCall, name: string): Failure | undefined {
    const found = failures.find(({ failure }) => failure.call === call && matches(failure, name));
    if (found === undefined) return undefined;
    if (--found.left === 0) failures = failures.filter((one) => one !== found);
    return found.failure;
  }

  /** One call: pause, take effect, pause, and fail if it is to. */
  async function perform<T>(call: StorageCall, name: string, since: number, effect: () => T): Promise<T> {
    const failure = failureOf(call, name);
    await pause?.(call, name, "begin");
    assertAlive(since, name);
    const result = failure === undefined || failure.takesEffect === true ? effect() : undefined;
    await pause?.(call, name, "end");
    assertAlive(since, name);
    if (failure !== undefined) {
      throw new StorageError(failure.code ?? "unavailable", `${call} of ${name} was made to fail`);
    }
    return result as T;
  }

  function createStore(name: string, content: MemoryContent): Store {
    const since = life;
    const underWay = new Set<Promise<unknown>>();
    let isClosed = false;

    /** Has close() wait for it. */
    function tracked<T>(work: Promise<T>): Promise<T> {
      underWay.add(work);
      const done = () => void underWay.delete(work);
      work.then(done, done);
      return work;
    }

    function assertOpen(): void {
      assertAlive(since, name);
      if (isClosed) throw new StorageError("unavailable", `${name} has been closed`);
    }

    /** Applied in the order of the calls and visible at once; durable when it takes effect. */
    async function change(
      call: "commit" | "write",
      operations: Parameters<Store["commit"]>[0],
    ): Promise<void> {
      assertOpen();
      const failing = failures.find(({ failure }) => failure.call === call && matches(failure, name));
      const isLost = failing !== undefined && failing.failure.takesEffect !== true;
      const position = isLost ? 0 : content.apply(operations);
      await perform(call, name, since, () => {
        if (call === "commit") content.sync(position);
      });
      content.acknowledge(position);
    }

    async function* iterate<T>(
      range: Parameters<Store["keys"]>[0],
      pick: (entry: [Uint8Array, Uint8Array]) => T,
    ) {
      assertOpen();
      const view = await perform("entries", name, since, () => content.entries(range));
      for (const entry of view) {
        assertOpen();
        yield pick(entry);
      }
    }

    return {
      async get(key) {
        assertOpen();
        return await tracked(perform("get", name, since, () => content.get(key)));
      },
      entries: (range) => iterate(range, (entry) => entry),
      keys: (range) => iterate(range, ([key]) => key),
      commit: (operations) => tracked(change("commit", operations)),
      write: (operations) => tracked(change("write", operations)),
      async rest() {
        assertOpen();
      },
      async close() {
        if (isClosed || since !== life) return;
        isClosed = true;
        await Promise.allSettled(underWay);
        if (since === life) open.delete(name);
      },
    };
  }

  function createWriter(name: string): FileWriter {
    const since = life;
    const chunks: Uint8Array[] = [];
    return {
      append(octets) {
        const own = octets.slice();
        return perform("append", name, since, () => void chunks.push(own));
      },
      close: () =>
        perform("closeFile", name, since, () => void files.set(name, new Uint8Array(Buffer.concat(chunks)))),
      async discard() {},
    };
  }

  return {
    openStore: (name) =>
      perform("openStore", name, life, () => {
        if (open.has(name)) throw new StorageError("locked", `${name} is in use by another mailonce`);
        open.add(name);
        const content = stores.get(name) ?? createMemoryContent();
        stores.set(name, content);
        return createStore(name, content);
      }),
    removeStore: (name) =>
      perform("removeStore", name, life, () => {
        if (open.has(name)) throw new StorageError("unavailable", `${name} is open`);
        stores.delete(name);
      }),
    createFile: (name) => perform("createFile", name, life, () => createWriter(name)),
    async *readFile(name) {
      const since = life;
      const content = await perform("readFile", name, since, () => files.get(name));
      if (content === undefined) throw new StorageError("unavailable", `there is no ${name}`);
      for (let at = 0; at < content.length; at += CHUNK_OCTETS) {
        assertAlive(since, name);
        yield content.slice(at, at + CHUNK_OCTETS);
      }
    },
    fileSize: async (name) => files.get(name)?.length,
    removeFile: (name) => perform("removeFile", name, life, () => void files.delete(name)),
    list: (folder) =>
      perform("list", folder, life, () => {
        const prefix = folder === "" ? "" : `${folder}/`;
        const names = [...stores.keys(), ...files.keys()].filter((name) => name.startsWith(prefix));
        return [...new Set(names.map((name) => name.slice(prefix.length).split("/")[0] as string))].sort();
      }),
    crash(kept = () => 0) {
      life++;
      open.clear();
      for (const [name, content] of stores)
        content.crash(Math.min(kept(content.unsynced, name, content.acknowledged), content.unsynced));
    },
    view: (store) => stores.get(store),
    fail(failure) {
      failures.push({ failure, left: failure.times ?? 1 });
    },
    mend() {
      failures = [];
    },
    damage(name, change) {
      const content = files.get(name);
      if (content === undefined) return;
      const changed = change(content.slice());
      if (changed === undefined) files.delete(name);
      else files.set(name, changed);
    },
  };
}

function matches(failure: Failure, name: string): boolean {
  if (failure.name === undefined) return true;
  return typeof failure.name === "string" ? failure.name === name : failure.name.test(name);
}
