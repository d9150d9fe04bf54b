// A Storage that tells of each call before it is made and after it has resolved, so that whoever listens
// can end the process at exactly that point. It changes nothing about what the storage does.
import type { FileWriter, Operation, Storage, Store } from "../../src/storage/storage.ts";

export type StorageCall =
  | "openStore"
  | "removeStore"
  | "createFile"
  | "append"
  | "closeFile"
  | "removeFile"
  | "commit"
  | "write";

/** A call on its way: about to be made, or made and not yet known to the caller. */
export interface StorageMoment {
  readonly call: StorageCall;
  readonly when: "before" | "after";
  /** The store or file, relative to the data folder. */
  readonly name: string;
  /** Of commit and write; empty for the others. */
  readonly operations: readonly Operation[];
}

export function createCrashingStorage(storage: Storage, reached: (moment: StorageMoment) => void): Storage {
  async function told<T>(
    call: StorageCall,
    name: string,
    make: () => Promise<T>,
    operations: readonly Operation[] = [],
  ): Promise<T> {
    reached({ call, when: "before", name, operations });
    const result = await make();
    reached({ call, when: "after", name, operations });
    return result;
  }

  const tellingStore = (name: string, store: Store): Store => ({
    ...store,
    commit: (operations) => told("commit", name, () => store.commit(operations), operations),
    write: (operations) => told("write", name, () => store.write(operations), operations),
  });

  const tellingWriter = (name: string, file: FileWriter): FileWriter => ({
    append: (octets) => told("append", name, () => file.append(octets)),
    close: () => told("closeFile", name, () => file.close()),
    discard: () => file.discard(),
  });

  return {
    openStore: async (name, kept) =>
      tellingStore(name, await told("openStore", name, () => storage.openStore(name, kept))),
    removeStore: (name) => told("removeStore", name, () => storage.removeStore(name)),
    createFile: async (name) =>
      tellingWriter(name, await told("createFile", name, () => storage.createFile(name))),
    readFile: (name) => storage.readFile(name),
    fileSize: (name) => storage.fileSize(name),
    removeFile: (name) => told("removeFile", name, () => storage.removeFile(name)),
    list: (folder) => storage.list(folder),
  };
}
