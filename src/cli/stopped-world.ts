// What a command works with on the data folder of a gateway that does not run.
import type { Config } from "../config/config.ts";
import type { LedgerWorld } from "../ledger/open.ts";
import { systemClock } from "../runtime/clock.ts";
import { systemRandom } from "../runtime/random.ts";
import { createDiskStorage } from "../storage/disk.ts";
import { openCommandLog } from "./command-log.ts";

export async function stoppedWorld(config: Config): Promise<LedgerWorld> {
  const log = await openCommandLog(config.log);
  const storage = createDiskStorage(config.data_dir, log);
  return { storage, clock: systemClock, random: systemRandom, log };
}
