// The name of this ledger (see ledger-name.ts), made when it is first asked for. An older mailonce does not read it.
import { encodeBase32 } from "../../runtime/base32.ts";
import type { Random } from "../../runtime/random.ts";
import { StorageError, type Store } from "../../storage/storage.ts";
import { isLedgerName, LEDGER_NAME_OCTETS } from "../ledger-name.ts";

/** "n", in the state; the value is the text. */
const NAME_KEY = Uint8Array.of(0x6e);

/** Durable when it resolves. Rejects with a StorageError. */
export async function nameIn(store: Store, random: Random): Promise<string> {
  const found = await store.get(NAME_KEY);
  if (found === undefined) {
    const made = encodeBase32(random.octets(LEDGER_NAME_OCTETS));
    await store.commit([{ type: "put", key: NAME_KEY, value: Buffer.from(made) }]);
    return made;
  }
  const name = Buffer.from(found).toString("latin1");
  if (isLedgerName(name)) return name;
  throw new StorageError("damaged", "ledger/state holds no name of a ledger where it should");
}
