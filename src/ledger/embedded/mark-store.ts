// The marks of attempted and doubtful ids on the disk; marks.ts has them in memory.
import type { Store } from "../../storage/storage.ts";
import { decodeMark, encodeMark, MARK_RANGE, type Mark, markKey } from "./records.ts";

/** Keys are the 20 octets of ids. */
export interface MarkStore {
  all(): AsyncIterable<[key: Uint8Array, mark: Mark]>;
  /** Durable when it resolves. */
  put(key: Uint8Array, mark: Mark): Promise<void>;
  /** Durable when it resolves. */
  remove(key: Uint8Array): Promise<void>;
  /** In order with the others, and for marks whose return after a crash would be seen through. */
  forget(key: Uint8Array): Promise<void>;
}

export const createMarkStore = (store: Store): MarkStore => ({
  async *all() {
    for await (const [key, value] of store.entries(MARK_RANGE)) yield [key.slice(1), decodeMark(value)];
  },
  put: (key, mark) => store.commit([{ type: "put", key: markKey(key), value: encodeMark(mark) }]),
  remove: (key) => store.commit([{ type: "del", key: markKey(key) }]),
  forget: (key) => store.write([{ type: "del", key: markKey(key) }]),
});
