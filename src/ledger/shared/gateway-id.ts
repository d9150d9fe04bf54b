// The name under which a gateway is known to the others: random, made once, kept in its data folder. The
// folder is locked by one process, so whoever starts with it is this gateway's next life.
import { encodeBase32 } from "../../identity/base32.ts";
import type { Random } from "../../runtime/random.ts";
import { type Storage, StorageError } from "../../runtime/storage.ts";

const FOLDER = "ledger";
const FILE = "gateway";

/** 80 bits: no two of a million gateways meet. */
const NAME_OCTETS = 10;

/** Rejects with a StorageError, "damaged" when the file holds anything else than a name. */
export async function gatewayIdOf(storage: Storage, random: Random): Promise<string> {
  const path = `${FOLDER}/${FILE}`;
  if ((await storage.list(FOLDER)).includes(FILE)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of storage.readFile(path)) chunks.push(chunk);
    const name = Buffer.concat(chunks).toString("latin1").trim();
    if (/^[a-z2-7]{16}$/.test(name)) return name;
    throw new StorageError("damaged", `${path} holds no name of a gateway`);
  }
  const name = encodeBase32(random.octets(NAME_OCTETS));
  const file = await storage.createFile(path);
  try {
    await file.append(Buffer.from(`${name}\n`));
    await file.close();
  } catch (error) {
    await file.discard();
    throw error;
  }
  return name;
}
