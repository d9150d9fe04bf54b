// A name that is made once and kept in a file of the data folder: random, so that no two folders share one.
// One process locks the folder, so every process that starts on it has the same name.
import { encodeBase32 } from "../runtime/base32.ts";
import type { Random } from "../runtime/random.ts";
import { type Storage, StorageError } from "./storage.ts";

/** 80 bits: no two of a million folders meet. */
const NAME_OCTETS = 10;

/** A name that nothing keeps: 16 characters of base32. */
export const freshName = (random: Random): string => encodeBase32(random.octets(NAME_OCTETS));

/**
 * @param what names the owner, for the error
 * @returns 16 characters of base32; rejects with a StorageError, "damaged" when the file holds anything else
 */
export async function randomName(
  storage: Storage,
  random: Random,
  folder: string,
  file: string,
  what: string,
): Promise<string> {
  const path = `${folder}/${file}`;
  if ((await storage.list(folder)).includes(file)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of storage.readFile(path)) chunks.push(chunk);
    const name = Buffer.concat(chunks).toString("latin1").trim();
    if (/^[a-z2-7]{16}$/.test(name)) return name;
    throw new StorageError("damaged", `${path} holds no name of a ${what}`);
  }
  const name = freshName(random);
  const writer = await storage.createFile(path);
  try {
    await writer.append(Buffer.from(`${name}\n`));
    await writer.close();
  } catch (error) {
    await writer.discard();
    throw error;
  }
  return name;
}
