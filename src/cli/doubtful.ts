// `mailonce doubtful list` and `resolve`: asks the gateway that runs on the data folder, or opens the folder
// when none does.
import { type Config, ConfigError, loadConfig } from "../config/config.ts";
import { SettingsError } from "../ledger/shared/settings.ts";
import type { DoubtfulEntry, Resolution } from "../operator/doubtful.ts";
import { openOfflineDesk } from "../operator/offline.ts";
import { createHandler, type OperatorRequest, REASON_MAX } from "../operator/requests.ts";
import { askGateway } from "../operator/socket.ts";
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
  return asked(config, { request: "doubtful.list" }, (answer) => {
    const lines = (answer as DoubtfulEntry[]).map((entry) => `${JSON.stringify(entry)}\n`);
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
  return await asked(config, { request: "doubtful.resolve", id, decision, reason }, (answer) => {
    const resolution = answer as Resolution;
    if (!resolution.ok) return reportFaults([resolution.fault], exitCodes.failed);
    process.stdout.write(`${resolution.id} ${WHAT_NEXT[resolution.next]}\n`);
    return exitCodes.ok;
  });
}

async function asked(
  file: string | undefined,
  request: OperatorRequest,
  tell: (answer: unknown) => number,
): Promise<number> {
  try {
    const config = loadConfig({ file, environment: process.env });
    const answer = (await askGateway(config.data_dir, request)) ?? (await askFolder(config, request));
    const { error } = answer as { error?: string };
    return error === undefined ? tell(answer) : reportFaults([error], exitCodes.failed);
  } catch (error) {
    if (error instanceof ConfigError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (error instanceof SettingsError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (error instanceof StorageError) return reportFaults([error.message], exitCodes.failed);
    throw error;
  }
}

/** Opens the parts of a gateway except its queue; the next start finds the decisions. */
async function askFolder(config: Config, request: OperatorRequest): Promise<unknown> {
  const log = createCommandLog(config.log);
  const storage = createDiskStorage(config.data_dir, log);
  const { desk, close } = await openOfflineDesk(config, {
    ...{ storage, clock: systemClock, random: systemRandom, log },
  });
  try {
    return await createHandler(desk)(request);
  } finally {
    await close();
  }
}
