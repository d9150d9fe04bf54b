// `mailonce ledger export`, `import` and `migrate`: the ids of a ledger as a stream from one kind to another,
// and the schema or table of a shared one.
import { type Config, ConfigError, loadConfig } from "../config/config.ts";
import type { Archive } from "../ledger/archive/archive.ts";
import { exportArchive } from "../ledger/archive/export.ts";
import { type Imported, importArchive } from "../ledger/archive/import.ts";
import { ArchiveError } from "../ledger/archive/lines.ts";
import { assertSettings } from "../ledger/open.ts";
import { SettingsError } from "../ledger/shared/settings.ts";
import { countOf } from "../runtime/amounts.ts";
import { systemClock } from "../runtime/clock.ts";
import { silentLog } from "../runtime/log.ts";
import { createDiskStorage } from "../storage/disk.ts";
import { StorageError } from "../storage/storage.ts";
import { FileError, openInput, openOutput } from "./archive-file.ts";
import { openCommandLog } from "./command-log.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { createProgress, type Progress } from "./progress.ts";

export interface ExportOptions {
  readonly config?: string;
  /** A file; standard output otherwise. */
  readonly output?: string;
}

export interface ImportOptions {
  readonly config?: string;
  /** A file; standard input otherwise. */
  readonly input?: string;
}

/** Writes every id that is relayed or in doubt. */
export function exportLedger({ config, output }: ExportOptions): Promise<number> {
  return configured(config, async (known, progress) => {
    await refuseMissing(known);
    return await withArchive(known, async (archive) => {
      const out = await openOutput(output);
      let ids = 0;
      let doubtful = 0;
      try {
        for await (const chunk of exportArchive(archive, (totals) => {
          ({ doubtful } = totals);
          ids = totals.relayed + doubtful;
        })) {
          await out.write(chunk);
          progress.report(ids);
        }
        await out.close();
      } catch (error) {
        await out.discard();
        throw error;
      }
      say(progress, `exported ${progress.summary(ids)}; ${countOf(doubtful)} of them doubtful`);
      return exitCodes.ok;
    });
  });
}

/** Has the ledger know all that the archive knows. */
export function importLedger({ config, input }: ImportOptions): Promise<number> {
  return configured(config, async (known, progress) => {
    if (known.ledger.kind !== "embedded") await assertSettings(known, silentLog);
    const source = await openInput(input);
    if (known.ledger.kind === "embedded") await makeSpool(known);
    return await withArchive(known, async (archive) => {
      let read = 0;
      try {
        const imported = await importArchive(archive, {
          source,
          retentionMs: known.ledger.retention,
          onProgress: (counts) => {
            ({ read } = counts);
            progress.report(read);
          },
        });
        say(progress, summaryOf(imported, progress));
        return imported.held === 0 ? exitCodes.ok : heldFault(imported);
      } catch (error) {
        if (!isExpected(error)) throw error;
        progress.clear();
        const stays = "what was imported until then stays; import the whole again";
        return reportFaults([error.message, stays], exitCodes.failed);
      }
    });
  });
}

/** Makes the schema or the table of a ledger that gateways share, or brings it to this version. */
export function migrateLedger({ config }: { config?: string }): Promise<number> {
  return configured(config, async ({ ledger }) => {
    process.stdout.write(`${await migrate(ledger)}\n`);
    return exitCodes.ok;
  });
}

async function migrate({ kind, postgres, dynamodb }: Config["ledger"]): Promise<string> {
  switch (kind) {
    case "embedded":
      return "embedded: nothing to do, the gateway makes it";
    case "postgres": {
      const { migratePostgres } = await import("../ledger/postgres/schema.ts");
      const { from, to, added } = await migratePostgres(postgres.url ?? "");
      if (from === to && added > 0)
        return `postgres: the schema is of version ${to}, and has now ${added} more`;
      if (from === to) return `postgres: nothing to do, the schema is of version ${to}`;
      const made = from === 0 ? "made" : `was of version ${from}, and is now`;
      return `postgres: the schema ${made}, version ${to}`;
    }
    case "dynamodb": {
      const { createDynamodbTable } = await import("../ledger/dynamodb/table.ts");
      const made = await createDynamodbTable(dynamodb);
      return `dynamodb: table ${dynamodb.table} ${made === "made" ? "made" : "is there"}`;
    }
  }
}

async function openArchive({ data_dir, ledger, log }: Config): Promise<Archive> {
  const { kind, retention: retentionMs, lease: leaseMs, postgres, dynamodb } = ledger;
  switch (kind) {
    case "embedded": {
      const { openEmbeddedArchive } = await import("../ledger/embedded/archive.ts");
      const storage = createDiskStorage(data_dir, await openCommandLog(log));
      return await openEmbeddedArchive({ storage, clock: systemClock, log: silentLog, retentionMs });
    }
    case "postgres": {
      const { openPostgresArchive } = await import("../ledger/postgres/archive.ts");
      return await openPostgresArchive({ url: postgres.url ?? "", leaseMs });
    }
    case "dynamodb": {
      const { openDynamodbArchive } = await import("../ledger/dynamodb/archive.ts");
      return await openDynamodbArchive({ ...dynamodb, retentionMs, leaseMs, log: silentLog });
    }
  }
}

/** An empty export would look like that of a ledger without ids, so a wrong folder is an error. */
async function refuseMissing({ data_dir, ledger }: Config): Promise<void> {
  if (ledger.kind !== "embedded") return;
  const names = await createDiskStorage(data_dir).list("ledger");
  if (names.includes("state")) return;
  throw new StorageError("unavailable", `there is no ledger in ${data_dir}`);
}

/** Where there is a ledger there is a spool: without one a gateway would not start on the folder. */
async function makeSpool({ data_dir, log }: Config): Promise<void> {
  const { openSpool } = await import("../spool/spool.ts");
  await (await openSpool(createDiskStorage(data_dir, await openCommandLog(log)))).close();
}

async function withArchive<T>(config: Config, use: (archive: Archive) => Promise<T>): Promise<T> {
  const archive = await openArchive(config);
  try {
    return await use(archive);
  } finally {
    await archive.close();
  }
}

async function configured(
  file: string | undefined,
  work: (config: Config, progress: Progress) => Promise<number>,
): Promise<number> {
  const progress = createProgress();
  try {
    return await work(loadConfig({ file, environment: process.env }), progress);
  } catch (error) {
    progress.clear();
    if (error instanceof ConfigError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (error instanceof SettingsError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (isExpected(error)) return reportFaults([error.message], exitCodes.failed);
    throw error;
  }
}

const isExpected = (error: unknown): error is Error =>
  error instanceof StorageError || error instanceof ArchiveError || error instanceof FileError;

function say(progress: Progress, text: string): void {
  progress.clear();
  process.stderr.write(`${text}\n`);
}

function summaryOf(counts: Imported, progress: Progress): string {
  const { read, added, strengthened, kept, expired } = counts;
  return (
    `imported ${progress.summary(read)}; ${countOf(added)} new, ${countOf(strengthened)} known better now, ` +
    `${countOf(kept)} known before, ${countOf(expired)} expired and left out`
  );
}

function heldFault({ held, heldIds }: Imported): number {
  const more = held > heldIds.length ? " and more" : "";
  return reportFaults(
    [
      `${countOf(held)} ids are held by gateways that run, and were left alone: ${heldIds.join(", ")}${more}`,
      "import again once these are relayed",
    ],
    exitCodes.failed,
  );
}
