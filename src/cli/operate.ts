// What the commands have in common that look at a gateway or decide for it: the configuration says which data folder, and
// what is wrong becomes an exit code.
import { type Config, ConfigError, loadConfig } from "../config/config.ts";
import type { LedgerWorld } from "../ledger/open.ts";
import { SettingsError } from "../ledger/shared/settings.ts";
import { GatewayError, isRunning, NoGatewayError } from "../operator/http/client.ts";
import type { Stopped } from "../operator/stopped.ts";
import { StorageError } from "../storage/storage.ts";
import { exitCodes, reportFaults } from "./exit.ts";

/**
 * @param file of the configuration
 * @returns the exit code of `use`, or of what kept it from its work
 */
export async function operate(
  file: string | undefined,
  use: (config: Config) => Promise<number>,
): Promise<number> {
  try {
    const config = loadConfig({ file, environment: process.env });
    try {
      return await use(config);
    } catch (error) {
      if (!(error instanceof NoGatewayError)) throw error;
      return reportFaults([`no gateway runs on ${config.data_dir}`], exitCodes.failed);
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

/**
 * Asks the gateway that runs on the data folder, or opens the folder when none does; the next start finds what was done.
 *
 * @param running the gateway's desk
 * @param load what makes the folder's desk: it brings all stores with it, which asking a gateway needs none of
 */
export const withDesk = <Desk>(
  file: string | undefined,
  running: (dataDir: string) => Desk,
  load: () => Promise<(config: Config, world: LedgerWorld, stopped: Stopped) => Promise<Desk>>,
  use: (desk: Desk) => Promise<number>,
): Promise<number> =>
  operate(file, async (config) => {
    // Asked once: a gateway that ends in the middle is no reason to go on in its folder.
    if (await isRunning(config.data_dir)) return await use(running(config.data_dir));
    const [{ openStopped }, { stoppedWorld }, stopped] = await Promise.all([
      import("../operator/stopped.ts"),
      import("./stopped-world.ts"),
      load(),
    ]);
    const world = await stoppedWorld(config);
    const { desk, close } = await openStopped(config, world, (opened) => stopped(config, world, opened));
    try {
      return await use(desk);
    } finally {
      await close();
    }
  });
