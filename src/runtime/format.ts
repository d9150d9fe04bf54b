// The format record of a store: which layout its keys and values have, so that an older mailonce does not
// read what a newer one wrote as if it knew it.
import { StorageError, type Store } from "./storage.ts";

/** "v"; no other key of a store begins with it. */
const FORMAT_KEY = Uint8Array.of(0x76);

/**
 * Notes the format in a new store.
 *
 * @param name of the store, for the error
 * @param known the one format that this version knows, 0 to 255
 * @throws StorageError when the store has another
 */
export async function checkFormat(store: Store, name: string, known: number): Promise<void> {
  const found = await store.get(FORMAT_KEY);
  if (found === undefined) {
    await store.commit([{ type: "put", key: FORMAT_KEY, value: Uint8Array.of(known) }]);
  } else if (found.length !== 1 || found[0] !== known) {
    throw new StorageError(
      "unavailable",
      `${name} has format ${found.join(".")}; this version of mailonce knows only format ${known}`,
    );
  }
}
