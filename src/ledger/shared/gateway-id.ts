// The name under which a gateway is known to the others. The next start with its data folder is this gateway's next
// life.
import type { Random } from "../../runtime/random.ts";
import { randomName } from "../../storage/random-name.ts";
import type { Storage } from "../../storage/storage.ts";

/** Rejects with a StorageError, "damaged" when the file holds anything else than a name. */
export const gatewayIdOf = (storage: Storage, random: Random): Promise<string> =>
  randomName(storage, random, "ledger", "gateway", "gateway");
