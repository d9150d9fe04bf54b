// The name of this ledger (see ledger-name.ts), made when it is first asked for. An older mailonce does not read it.
import { encodeBase32 } from "../../runtime/base32.ts";
import type { Random } from "../../runtime/random.ts";
import { StorageError, type Store } from "../../storage/storage.ts";
import { isLedgerName, LEDGER_NAME_OCTETS } from "../ledger-name.ts";

/** "n", in the state; the value is the text. */
const NAME_KEY = Uint8Array.of(0x6e);

/** Each rejects with a StorageError; what is made or adopted is durable when it resolves. */
export interface NameStore {
  /** Undefined while nobody has asked for one. */
  known(): Promise<string | undefined>;
  /** The one that is known, or a new one. */
  get(random: Random): Promise<string>;
  /** Of the ledger that this one is restored from, unless this one has a name. */
  adopt(name: string): Promise<void>;
}

export function createNameStore(store: Store): NameStore {
  async function known(): Promise<string | undefined> {
    const found = await store.get(NAME_KEY);
    if (found === undefined) return undefined;
    const name = Buffer.from(found).toString("latin1");
    if (isLedgerName(name)) return name;
    throw new StorageError("damaged", "ledger/state holds no name of a ledger where it should");
  }

  async function adopt(name: string): Promise<void> {
    if ((await known()) !== undefined) return;
    await store.commit([{ type: "put", key: NAME_KEY, value: Buffer.from(name) }]);
  }

  return {
    known,
    async get(random) {
      const name = await known();
      if (name !== undefined) return name;
      const made = encodeBase32(random.octets(LEDGER_NAME_OCTETS));
      await adopt(made);
      return made;
    },
    adopt,
  };
}
