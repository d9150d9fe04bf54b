// `mailonce doubtful list` and `resolve`: asks the gateway that runs on the data folder, or opens the folder
// when none does.
import { ConfigError, loadConfig } from "../config/config.ts";
import { SettingsError } from "../ledger/shared/settings.ts";
import { type DoubtfulDesk, REASON_MAX } from "../operator/doubtful.ts";
import { GatewayError, gatewayDesk, NoGatewayError } from "../operator/http/client.ts";
import { openOfflineDesk } from "../operator/offline.ts";
import { systemClock } from "../runtime/clock.ts";
import { systemRandom } from "../runtime/random.ts";
import { createDiskStorage } from "../storage/disk.ts";
import { StorageError } from "../storage/storage.ts";
import { createCommandLog } from "./command-log.ts";
import { exitCodes, reportFaults } from "./exit.ts";

export interface ResolveOptions {
  readonly relayed?: boolean;
  readonly notRelayed?: boolean;
  readonly reason?: string;
  readonly config?: string;
}

export function listDoubtful({ config }: { config?: string }): Promise<number> {
  return withDesk(config, async (desk) => {
    const lines = (await desk.list()).map((entry) => `${JSON.stringify(entry)}\n`);
    process.stdout.write(lines.join(""));
    return exitCodes.ok;
  });
}

const WHAT_NEXT = {
  relayed: "counts as relayed",
  queued: "is queued to be relayed",
  forgotten: "is forgotten: its task may submit it again",
} as const;

export async function resolveDoubtful(id: string, options: ResolveOptions): Promise<number> {
  const { relayed, notRelayed, reason, config } = options;
  if ((relayed === true) === (notRelayed === true)) {
    return reportFaults(["say either --relayed or --not-relayed"], exitCodes.badConfiguration);
  }
  if (reason !== undefined && reason.length > REASON_MAX) {
    return reportFaults([`--reason: at most ${REASON_MAX} characters`], exitCodes.badConfiguration);
  }
  const decision = relayed === true ? "relayed" : "not-relayed";
  return await withDesk(config, async (desk) => {
    const resolution = await desk.resolve(id, decision, reason);
    if (!resolution.ok) return reportFaults([resolution.fault], exitCodes.failed);
    process.stdout.write(`${resolution.id} ${WHAT_NEXT[resolution.next]}\n`);
    return exitCodes.ok;
  });
}

/** Of the gateway that runs on the folder, or else of the folder itself; the next start finds what was decided there. */
async function withDesk(
  file: string | undefined,
  use: (desk: DoubtfulDesk) => Promise<number>,
): Promise<number> {
  try {
    const config = loadConfig({ file, environment: process.env });
    try {
      return await use(gatewayDesk(config.data_dir));
    } catch (error) {
      if (!(error instanceof NoGatewayError)) throw error;
    }
    const log = createCommandLog(config.log);
    const storage = createDiskStorage(config.data_dir, log);
    const { desk, close } = await openOfflineDesk(config, {
      ...{ storage, clock: systemClock, random: systemRandom, log },
    });
    try {
      return await use(desk);
    } finally {
      await close();
    }
  } catch (error) {
    if (error instanceof ConfigError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (error instanceof SettingsError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (error instanceof StorageError || error instanceof GatewayError) {
      return reportFaults([error.message], exitCodes.failed);
    }
    throw error;
  }
}
