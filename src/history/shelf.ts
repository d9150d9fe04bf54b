// The store of the history. What is there and can't be read is removed and made anew: nothing rests on it. A disk that
// fails is another matter, and takes nothing away.
import type { Log } from "../runtime/log.ts";
import { FORMAT_KEY } from "../storage/format.ts";
import { type Storage, StorageError, type Store } from "../storage/storage.ts";

export interface Shelf {
  /** The open store; opens it where that has failed before. Rejects with a StorageError. */
  store(): Promise<Store>;
  /** Makes the store anew, if the error says that it is damaged. Never rejects. */
  repair(error: unknown): Promise<void>;
  close(): Promise<void>;
}

const FOLDER = "history";
const STORE = "events";
const NAME = `${FOLDER}/${STORE}`;
const FORMAT = 1;

/** Removes a history that is not wanted any more. */
export async function removeHistory(storage: Storage): Promise<void> {
  if ((await storage.list(FOLDER)).includes(STORE)) await storage.removeStore(NAME);
}

export async function isHistoryThere(storage: Storage): Promise<boolean> {
  return (await storage.list(FOLDER)).includes(STORE);
}

export function createShelf(storage: Storage, log: Log): Shelf {
  let opened: Store | undefined;
  let opening: Promise<Store> | undefined;

  async function openKnown(): Promise<Store> {
    const store = await storage.openStore(NAME, "loosely");
    try {
      const found = await store.get(FORMAT_KEY);
      if (found === undefined) {
        await store.write([{ type: "put", key: FORMAT_KEY, value: Uint8Array.of(FORMAT) }]);
      } else if (found.length !== 1 || found[0] !== FORMAT) {
        throw new StorageError("damaged", `${NAME} has format ${found.join(".")}`);
      }
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async function openAnew(error: StorageError): Promise<Store> {
    log.warn("history.made_anew", { error: error.message });
    await storage.removeStore(NAME);
    return await openKnown();
  }

  async function open(): Promise<Store> {
    try {
      return await openKnown();
    } catch (error) {
      if (!isDamage(error)) throw error;
      return await openAnew(error);
    }
  }

  /** One opening at a time. */
  function once(work: () => Promise<Store>): Promise<Store> {
    opening ??= work()
      .then((store) => {
        opened = store;
        return store;
      })
      .finally(() => {
        opening = undefined;
      });
    return opening;
  }

  return {
    store: async () => opened ?? (await once(open)),

    async repair(error) {
      const broken = opened;
      if (!isDamage(error) || broken === undefined) return;
      opened = undefined;
      try {
        await once(async () => {
          await broken.close();
          return await openAnew(error);
        });
      } catch {
        // The next call of `store` tries again.
      }
    },

    async close() {
      await opening?.catch(() => {});
      await opened?.close();
    },
  };
}

const isDamage = (error: unknown): error is StorageError =>
  error instanceof StorageError && error.code === "damaged";
