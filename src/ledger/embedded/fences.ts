// The fences of the embedded ledger: given out from memory, below a mark that is durable.
import { StorageError, type Store } from "../../storage/storage.ts";
import { numberAt, putNumber } from "./records.ts";

const FENCE_KEY = Uint8Array.of(0x66);
const FENCE_OCTETS = 6;

/**
 * Fences reserved at a time. They are given out from memory, so one that a dead process may have given
 * out must lie below the mark on the disk. 2^31 last for half a day at 50,000 claims a second, and the
 * six octets of the mark for 131,000 starts after crashes.
 */
const FENCES_AT_ONCE = 2 ** 31;

export interface Fences {
  /** Greater than every fence before it, those of earlier processes included. */
  next(): number;
  /** Reserves more fences when half of them are gone; to be called now and then. */
  reserve(): Promise<void>;
  /** What was reserved and not given out is free again, unless this fails. Never rejects. */
  giveBack(): Promise<void>;
}

export async function openFences(store: Store): Promise<Fences> {
  const found = await store.get(FENCE_KEY);
  let fence = found === undefined ? 0 : numberAt(found, 0);
  let reserved = fence;

  async function save(upTo: number): Promise<void> {
    const value = new Uint8Array(FENCE_OCTETS);
    putNumber(value, 0, upTo);
    await store.commit([{ type: "put", key: FENCE_KEY, value }]);
    reserved = upTo;
  }

  await save(fence + FENCES_AT_ONCE);
  return {
    next() {
      if (fence >= reserved) {
        throw new StorageError("unavailable", "no fence is left that is known to be new");
      }
      return ++fence;
    },
    async reserve() {
      if (reserved - fence < FENCES_AT_ONCE / 2) await save(fence + FENCES_AT_ONCE);
    },
    giveBack: () => save(fence).catch(() => {}),
  };
}
