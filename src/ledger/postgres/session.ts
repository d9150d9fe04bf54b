// What a session of PostgreSQL must be for the ledger to keep its word, and how that is found out: that a commit is
// on the disk when it is confirmed, that it can be written to, and whether what it was asked for at its start has
// arrived. A pooler between may drop that, and a setting of a session may be lost between two transactions there.
import { StorageError } from "../../storage/storage.ts";

/**
 * SQL, part of the condition of every statement that writes: true, and from then on this transaction's commit waits
 * until it is on the disk, whatever the server, the database, the role or a pooler has set. `remote_apply`
 * waits for more and stays. It is in the statement itself, since nothing else works behind a pooler that gives each
 * transaction another session; evaluated once a statement, before its first row.
 */
export const DURABLE = `(
  SELECT CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply') THEN true
              ELSE set_config('synchronous_commit', 'on', true) = 'on' END)`;

/** SQL: whether the session takes no writes, as a column. */
export const READ_ONLY = "current_setting('transaction_read_only', true) = 'on'";

/** What `settingsOf` reads: a row for each setting that the server has, in its base unit. */
export const SETTINGS = `
  SELECT name, setting FROM pg_settings
  WHERE name IN ('fsync', 'full_page_writes', 'transaction_read_only', 'statement_timeout')`;

export interface SessionSettings {
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
  readonly readOnly: boolean;
  /** Milliseconds; 0: none. */
  readonly statementTimeoutMs: number;
}

/** @param rows of SETTINGS. A setting that the server does not have (others speak its protocol) is as it should be. */
export function settingsOf(rows: readonly Readonly<Record<string, unknown>>[]): SessionSettings {
  const settings = new Map(rows.map(({ name, setting }) => [name, setting]));
  return {
    fsync: settings.get("fsync") !== "off",
    fullPageWrites: settings.get("full_page_writes") !== "off",
    readOnly: settings.get("transaction_read_only") === "on",
    statementTimeoutMs: Number(settings.get("statement_timeout") ?? 0),
  };
}

/** Throws a StorageError that names the setting and its consequence when nothing may be kept through the session. */
export function refuseSession({ fsync, readOnly }: SessionSettings): void {
  if (!fsync) throw unsynced();
  if (readOnly) throw readOnlySession();
}

export const unsynced = (): StorageError =>
  new StorageError(
    "unavailable",
    "PostgreSQL: fsync is off: a crash of its machine loses what it confirmed, so mails that were relayed may " +
      "be relayed again; set fsync = on",
  );

export const undurable = (): StorageError =>
  new StorageError(
    "unavailable",
    "PostgreSQL: synchronous_commit = on does not hold in a transaction that sets it, so what is confirmed may be lost " +
      "in a crash of the server",
  );

export const readOnlySession = (cause?: unknown): StorageError =>
  new StorageError(
    "unavailable",
    "PostgreSQL: the session is read-only (transaction_read_only is on): this is a standby, or " +
      "default_transaction_read_only is set; the ledger needs the primary",
    cause,
  );
