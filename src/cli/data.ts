// `mailonce data check` and `data accept`: lists the faults of a data folder while no gateway runs on it, and
// makes it usable without the damaged parts.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { openEmbeddedLedger } from "../ledger/embedded/embedded.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Log, LogFields } from "../runtime/log.ts";
import type { TransmissionKey } from "../spool/record.ts";
import { ContentError, openSpool, type Spool, type SpooledMail } from "../spool/spool.ts";
import { createDiskStorage } from "../storage/disk.ts";
import { acceptFolder } from "../storage/folder-accept.ts";
import { checkFolder, consequenceOf, type FolderCheck } from "../storage/folder-check.ts";
import { refuseHeld, whileLocked } from "../storage/folder-lock.ts";
import { FORMATTED, findLostSeals } from "../storage/sealed-format.ts";
import { StorageError } from "../storage/storage.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { operate } from "./operate.ts";

/** The start's warnings to leave out: repairs have been named before, and doubt is no damage. */
const DAMAGE_EVENTS = /^(data\.(?!repaired)|ledger\.(filter|generation_adopted)|spool\.)/;

interface DataOptions {
  readonly config?: string;
}

export interface AcceptOptions extends DataOptions {
  readonly yes?: boolean;
}

/** Prints a line for each fault. Exit code 1 when there is one. */
export function checkData(options: DataOptions): Promise<number> {
  return onFolder(options, async (config) => {
    const check = await whileLocked(config.data_dir, () => checkWhole(config.data_dir));
    const lines = linesOf(check);
    // The contents of the stores are checked only when they can be opened.
    if (check.findings.length === 0) lines.push(...(await openAsStartDoes(config)));
    for (const line of lines) process.stdout.write(`${line}\n`);
    if (lines.length === 0) process.stdout.write("nothing is wrong\n");
    return lines.length === 0 ? exitCodes.ok : exitCodes.failed;
  });
}

/** Accepts the folder without its damaged parts, and prints what was done. */
export function acceptData(options: AcceptOptions): Promise<number> {
  return onFolder(options, ({ data_dir: folder }) =>
    whileLocked(folder, async () => {
      const check = await checkWhole(folder);
      for (const line of linesOf(check)) process.stdout.write(`${line}\n`);
      if (check.findings.length === 0) {
        process.stdout.write("nothing to accept: a gateway starts on this folder\n");
        return exitCodes.ok;
      }
      if (options.yes !== true) {
        return reportFaults(["nothing was changed; say --yes to go on with what is there"], exitCodes.failed);
      }
      for (const line of await acceptFolder(folder, check)) process.stdout.write(`${line}\n`);
      return exitCodes.ok;
    }),
  );
}

async function checkWhole(folder: string): Promise<FolderCheck> {
  const check = await checkFolder(folder, true);
  await refuseHeld(folder, FORMATTED);
  const lost = check.findings.length === 0 ? await findLostSeals(folder, check) : [];
  return { ...check, findings: [...check.findings, ...lost] };
}

function linesOf({ findings, repairs }: FolderCheck): string[] {
  return [
    ...findings.map(({ store, file, fault }) => `${join(store, file)}: ${fault}; ${consequenceOf(store)}`),
    ...repairs.map(({ file, fault, consequence }) => `${file}: ${fault}; ${consequence}`),
  ];
}

const onFolder = ({ config: file }: DataOptions, use: (config: Config) => Promise<number>): Promise<number> =>
  operate(file, async (config) => {
    const { data_dir: folder } = config;
    if (!existsSync(join(folder, "spool")) && !existsSync(join(folder, "ledger"))) {
      throw new StorageError("unavailable", `there is no data in ${folder}`);
    }
    return await use(config);
  });

/** Filters, bodies and records, as a start finds them. @returns what the start would warn of */
async function openAsStartDoes({ data_dir: folder, ledger }: Config): Promise<string[]> {
  const lines: string[] = [];
  const said = (event: string, fields: LogFields = {}): void => {
    if (DAMAGE_EVENTS.test(event)) lines.push(`${event}: ${JSON.stringify(fields)}`);
  };
  const log: Log = { debug() {}, info() {}, warn: said, error: said };
  const storage = createDiskStorage(folder, log);
  const spool = await openSpool(storage);
  try {
    lines.push(...(await lostMailIn(spool)));
    if (existsSync(join(folder, "ledger/state"))) {
      const { retention: retentionMs } = ledger;
      await (await openEmbeddedLedger({ storage, clock: systemClock, log, retentionMs })).close();
    }
  } finally {
    await spool.close();
  }
  return lines;
}

/** Reads every content to its end. */
async function lostMailIn(spool: Spool): Promise<string[]> {
  const lines: string[] = [];
  const keys: TransmissionKey[] = [];
  for await (const [key] of spool.load()) keys.push(key);
  for (const key of keys) {
    const mail = await spool.read(key);
    if (mail === undefined) continue;
    const cause = mail.kind === "lost" ? mail.cause : await bodyFault(mail);
    const { submission, index } = key;
    if (cause !== undefined)
      lines.push(`submission ${submission}, recipient ${index + 1}: ${cause}; ${REPORTED}`);
  }
  return lines;
}

const REPORTED = "it can't be relayed, and its failure is reported to the sender";

async function bodyFault(mail: SpooledMail): Promise<string | undefined> {
  try {
    for await (const _ of mail.bodyOctets());
    return undefined;
  } catch (error) {
    if (error instanceof ContentError) return error.message;
    throw error;
  }
}
