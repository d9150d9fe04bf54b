// The format record of a store: which layout its keys and values have, and whether seals belong to it, so that an
// older mailonce does not read what a newer one wrote as if it knew it.
import { StorageError, type Store } from "./storage.ts";

/** "v"; no other key of a store begins with it. */
export const FORMAT_KEY = Uint8Array.of(0x76);

/** From this format on a store is sealed: where no seal is, it has been lost. */
export const SEALED_FORMAT = 2;

/**
 * Notes the format in a new store. One of an older format that is read as it is becomes this one, durably.
 *
 * @param name of the store, for the error
 * @param known the format that this version writes, 0 to 255
 * @param readable older formats that it reads too
 * @throws StorageError when the store has another
 */
export async function checkFormat(
  store: Store,
  name: string,
  known: number,
  readable: readonly number[] = [],
): Promise<void> {
  const found = await store.get(FORMAT_KEY);
  const format = found?.length === 1 ? (found[0] as number) : undefined;
  if (format === known) return;
  if (found === undefined || (format !== undefined && readable.includes(format))) {
    await store.commit([{ type: "put", key: FORMAT_KEY, value: Uint8Array.of(known) }]);
    return;
  }
  throw new StorageError(
    "unavailable",
    `${name} has format ${found.join(".")}; this version of mailonce knows only format ${known}`,
  );
}
