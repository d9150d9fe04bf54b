// `mailonce doubtful list` and `resolve`: asks the gateway that runs on the data folder, or opens the folder
// when none does.
import { type Config, ConfigError, loadConfig } from "../config/config.ts";
import type { Id } from "../identity/message-id.ts";
import { openLedger } from "../ledger/open.ts";
import { SettingsError } from "../ledger/shared/settings.ts";
import {
  createDoubtfulDesk,
  type DoubtfulDesk,
  type DoubtfulEntry,
  type Resolution,
  type SpooledDoubt,
} from "../operator/doubtful.ts";
import { createHandler, type OperatorRequest } from "../operator/requests.ts";
import { askGateway } from "../operator/socket.ts";
import { systemClock } from "../runtime/clock.ts";
import { createDiskStorage } from "../runtime/disk.ts";
import { silentLog } from "../runtime/log.ts";
import { systemRandom } from "../runtime/random.ts";
import { StorageError } from "../runtime/storage.ts";
import { openSpool } from "../spool/spool.ts";
import { exitCodes, reportFaults } from "./exit.ts";

export interface ResolveOptions {
  readonly relayed?: boolean;
  readonly notRelayed?: boolean;
  readonly config?: string;
}

export function listDoubtful({ config }: { config?: string }): Promise<number> {
  return asked(config, { request: "doubtful.list" }, (answer) => {
    for (const entry of answer as DoubtfulEntry[]) process.stdout.write(`${JSON.stringify(entry)}\n`);
    return exitCodes.ok;
  });
}

const WHAT_NEXT = {
  relayed: "counts as relayed",
  queued: "is queued to be relayed",
  forgotten: "is forgotten: its task may submit it again",
} as const;

export async function resolveDoubtful(id: string, options: ResolveOptions): Promise<number> {
  if ((options.relayed === true) === (options.notRelayed === true)) {
    return reportFaults(["say either --relayed or --not-relayed"], exitCodes.badConfiguration);
  }
  const decision = options.relayed === true ? "relayed" : "not-relayed";
  return await asked(options.config, { request: "doubtful.resolve", id, decision }, (answer) => {
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
    const answer =
      (await askGateway(config.data_dir, request)) ??
      (await withDesk(config, (desk) => createHandler(desk)(request)));
    const { error } = answer as { error?: string };
    return error === undefined ? tell(answer) : reportFaults([error], exitCodes.failed);
  } catch (error) {
    if (error instanceof ConfigError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (error instanceof SettingsError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (error instanceof StorageError) return reportFaults([error.message], exitCodes.failed);
    throw error;
  }
}

/** Opens what a gateway would, but for its queue: what is decided here is found by the next start. */
async function withDesk<T>(config: Config, use: (desk: DoubtfulDesk) => Promise<T>): Promise<T> {
  const storage = createDiskStorage(config.data_dir);
  const spool = await openSpool(storage);
  try {
    const world = { storage, clock: systemClock, random: systemRandom, log: silentLog };
    const { ledger } = await openLedger(config, world);
    const transmissions = new Map<Id, SpooledDoubt>();
    for await (const [key, transmission] of spool.load())
      transmissions.set(transmission.id, { key, transmission });
    try {
      return await use(
        createDoubtfulDesk({
          ledger,
          spool,
          spooled: async () => transmissions,
          async ended(_, next, { key, transmission: { held: _held, ...transmission } }) {
            const now = systemClock.now();
            if (next === "queued") {
              await spool.update(key, { ...transmission, acceptedAt: now, dueAt: now }, "durably");
            }
          },
        }),
      );
    } finally {
      await ledger.close();
    }
  } finally {
    await spool.close();
  }
}
