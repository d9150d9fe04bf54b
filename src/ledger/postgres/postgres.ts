// The engine of a shared ledger on PostgreSQL 14 or newer: one statement a batch, the time of the database.
import { type Log, silentLog } from "../../runtime/log.ts";
import { StorageError } from "../../storage/storage.ts";
import type {
  Change,
  Engine,
  EngineLimits,
  ExpiredDoubt,
  Holder,
  Insertion,
  InsertResult,
  LedgerRecord,
  OpenRecord,
  Relaying,
  StoredSettings,
  Swept,
  Taking,
} from "../shared/engine.ts";
import { codeOf, connectDatabase, type Database, type Row } from "./database.ts";
import { checkPooler } from "./pooler.ts";
import { checkSchema } from "./schema.ts";
import { DURABLE, readOnlySession, SETTINGS, settingsOf, undurable, unsynced } from "./session.ts";
import {
  CHANGE_CODES,
  createStatements,
  NOBODY,
  PAGE_ROWS,
  STATE_CODES,
  STATES,
  SWEEP_ROWS,
} from "./statements.ts";

/** A statement of a batch takes milliseconds; a server that needs seconds is one that has failed. */
export const STATEMENT_TIMEOUT_MS = 5_000;

/** Gateways that were not heard of for so long are forgotten, and all that they held. */
const GATEWAY_KEPT_MIN_MS = 86_400_000;

/** Two gateways that register in the same microsecond: the second tries again. */
const REGISTER_TRIES = 5;
const UNIQUE_VIOLATION = "23505";

/** The time of the transaction. */
const NOW = "now()";

/** A transaction that began a little later may have been seen; a server's clock is corrected by less. */
const BEHIND_MIN_MS = 1_000;

export interface PostgresOptions extends EngineLimits {
  /** postgres://user:password@host:port/database; see DatabaseOptions. */
  readonly url: string;
  /** For what is found at the start and does not stop it; silent when left out. */
  readonly log?: Log;
  readonly statementTimeoutMs?: number;
  readonly connections?: number;
  /** An SQL expression for the present time; a test that owns time gives another. */
  readonly now?: string;
}

/** Rejects with a StorageError, also when the schema is not that of this version; nothing stays open then. */
export async function openPostgresEngine(options: PostgresOptions): Promise<Engine> {
  const { url, connections, statementTimeoutMs = STATEMENT_TIMEOUT_MS } = options;
  const database = connectDatabase({
    url,
    statementTimeoutMs,
    ...(connections === undefined ? {} : { connections }),
  });
  try {
    await checkPooler(database);
    await checkSchema(database);
    await checkServer(database, options);
    return createEngine(database, options);
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Rejects with a StorageError when the server can't be held to its word; warns of what may be right. */
async function checkServer(
  database: Database,
  { log = silentLog, now = NOW }: PostgresOptions,
): Promise<void> {
  const [kept] = await database.run({ text: `SELECT ${DURABLE} AS durable` });
  if (kept?.durable !== true) throw undurable();
  const { fullPageWrites } = settingsOf(await database.run({ text: SETTINGS }));
  if (!fullPageWrites) log.warn("ledger.full_page_writes_off");
  const ms = behindOf((await database.run(createStatements(now).time))[0]);
  if (ms > 0) log.warn("ledger.time_stepped_back", { ms });
}

function createEngine(database: Database, options: PostgresOptions): Engine {
  const { now = NOW } = options;
  let { retentionMs, leaseMs } = options;
  const statements = createStatements(now);
  /** Where the next step of the sweep goes on. */
  let sweptTo: Uint8Array = new Uint8Array();
  let registered = "";

  async function register(gateway: string): Promise<number> {
    for (let tries = 1; ; tries++) {
      try {
        const [row] = await database.run(statements.register, [gateway]);
        registered = gateway;
        return Number(row?.incarnation);
      } catch (error) {
        if (codeOf(error) !== UNIQUE_VIOLATION || tries === REGISTER_TRIES) throw error;
      }
    }
  }

  async function read(keys: readonly Uint8Array[]): Promise<(LedgerRecord | undefined)[]> {
    if (keys.length === 0) return [];
    const rows = byId(await database.run(statements.read, [buffers(keys), leaseMs, retentionMs]));
    return keys.map((key) => {
      const row = rows.get(nameOf(key));
      return row === undefined ? undefined : recordOf(row);
    });
  }

  async function insert(incarnation: number, batch: readonly Insertion[]): Promise<InsertResult[]> {
    if (batch.length === 0) return [];
    const keys = buffers(batch.map(({ key }) => key));
    const digests = buffers(batch.map(({ digest }) => digest));
    const inserted = byId(await database.run(statements.insert, [keys, digests, incarnation]));
    const others = batch.filter(({ key }) => !inserted.has(nameOf(key)));
    const found = new Map<string, LedgerRecord>();
    const records = await read(others.map(({ key }) => key));
    others.forEach(({ key }, index) => {
      const record = records[index];
      if (record !== undefined) found.set(nameOf(key), record);
    });
    return batch.map(({ key }) => {
      const row = inserted.get(nameOf(key));
      if (row !== undefined) return { kind: "inserted", fence: Number(row.fence) };
      const record = found.get(nameOf(key));
      return record === undefined ? { kind: "vanished" } : { kind: "found", record };
    });
  }

  async function take(incarnation: number, batch: readonly Taking[]): Promise<(number | undefined)[]> {
    if (batch.length === 0) return [];
    const rows = await database.run(statements.take, [
      buffers(batch.map(({ key }) => key)),
      batch.map(({ from }) => from.fence),
      batch.map(({ from }) => STATE_CODES[from.state]),
      batch.map(({ to }) => STATE_CODES[to]),
      buffers(batch.map(({ digest }) => digest)),
      batch.map(({ firstDate }) => firstDate ?? null),
      batch.map(({ relayed }) => relayed !== undefined),
      batch.map(({ relayed }) => (relayed === undefined ? null : Buffer.from(relayed.digest))),
      incarnation,
    ]);
    const taken = byId(rows);
    return batch.map(({ key }) => {
      const row = taken.get(nameOf(key));
      return row === undefined ? undefined : Number(row.fence);
    });
  }

  async function change(batch: readonly Change[]): Promise<boolean[]> {
    const gone = batch.filter(({ to }) => to === "absent");
    const kept = batch.flatMap((one) => (one.to === "absent" ? [] : [{ ...one, to: one.to }]));
    const columns = (some: readonly Change[]) => [
      buffers(some.map(({ key }) => key)),
      some.map(({ fence }) => fence),
      some.map(({ step }) => step),
    ];
    const [removed, changed] = await bothOf(
      gone.length === 0 ? [] : database.run(statements.remove, columns(gone)),
      kept.length === 0
        ? []
        : database.run(statements.change, [
            ...columns(kept),
            kept.map(({ to }) => CHANGE_CODES[to]),
            buffers(kept.map(({ digest }) => digest)),
            kept.map(({ firstDate }) => firstDate ?? null),
            kept.map(({ bound }) => bound),
          ]),
    );
    const done = byId([...removed, ...changed]);
    return batch.map(({ key }) => done.has(nameOf(key)));
  }

  async function* open(): AsyncGenerator<OpenRecord> {
    for (let after = Buffer.alloc(0); ; ) {
      const rows = await database.run(statements.open, [after, leaseMs, retentionMs]);
      for (const row of rows) yield { key: octets(row.id), record: recordOf(row) };
      if (rows.length < PAGE_ROWS) return;
      after = Buffer.from(octets(rows.at(-1)?.id));
    }
  }

  async function sweep(announce: (doubt: ExpiredDoubt) => void): Promise<Swept> {
    const relayed = await database.run(statements.sweepRelayed, [retentionMs]);
    const page = await database.run(statements.underWay, [Buffer.from(sweptTo), leaseMs, retentionMs]);
    const due = page.filter((row) => row.due === true);
    for (const doubt of doubtsOf(due)) announce(doubt);
    const held =
      due.length === 0
        ? []
        : await database.run(statements.sweepHeld, [
            due.map(({ id }) => id),
            due.map(({ fence }) => fence),
            leaseMs,
            retentionMs,
          ]);
    const isLastPage = page.length < SWEEP_ROWS;
    sweptTo = isLastPage ? new Uint8Array() : octets(page.at(-1)?.id);
    if (isLastPage) {
      await database.run(statements.sweepGateways, [Math.max(retentionMs, GATEWAY_KEPT_MIN_MS), registered]);
    }
    return {
      removed: relayed.length + held.length,
      doubts: doubtsOf(held),
      more: relayed.length === SWEEP_ROWS || !isLastPage,
    };
  }

  return {
    name: "postgres",
    callMaxMs: 2 * database.callMaxMs,
    register,
    async beat(gateway, incarnation, confirmed) {
      const [row] = await database.run(statements.beat, [gateway, incarnation, leaseMs, confirmed]);
      // It can be turned off while the server runs.
      if (row?.fsync === "off") throw unsynced();
      return {
        current: row !== undefined,
        gateways: Number(row?.gateways ?? 1),
        settings: storedIn(row),
        confirmed: Number(row?.confirmed ?? 0),
        behindMs: behindOf(row),
      };
    },
    limit(limits) {
      ({ retentionMs, leaseMs } = limits);
    },
    async settings() {
      const [row] = await database.run(statements.settings);
      return storedIn(row);
    },
    async putSettings(from, { version, text }) {
      const rows =
        from === 0
          ? await database.run(statements.putFirstSettings, [version, text])
          : await database.run(statements.putSettings, [version, text, from]);
      return rows.length > 0;
    },
    async retire(gateway, incarnation) {
      await database.run(statements.retire, [gateway, incarnation]);
    },
    insert,
    read,
    take,
    change,
    open,
    sweep,
    async close() {
      await database.close().catch(() => {});
    },
  };
}

const storedIn = (row: Row | undefined): StoredSettings | undefined =>
  typeof row?.settings === "string" ? { version: Number(row.version), text: row.settings } : undefined;

function recordOf(row: Row): LedgerRecord {
  // What a standby knows is of some time ago.
  if (row.read_only === true) throw readOnlySession();
  const state = STATES[Number(row.state)];
  if (state === undefined) throw new StorageError("damaged", `the ledger holds a state ${row.state}`);
  const digest = octets(row.digest);
  const earlier = row.earlier_digest === null ? digest : octets(row.earlier_digest);
  const relayed: Relaying | undefined =
    row.relayed_at === null ? undefined : { at: Number(row.relayed_at), digest: earlier };
  const incarnation = Number(row.incarnation ?? NOBODY);
  const holder: Holder | undefined =
    incarnation === NOBODY ? undefined : { incarnation, alive: row.alive === true };
  return {
    state,
    fence: Number(row.fence),
    digest,
    firstDate: typeof row.first_date === "string" ? row.first_date : undefined,
    relayed,
    changedAt: Number(row.changed_at),
    holder,
    bound: row.bound === true,
    expired: row.expired === true,
  };
}

/** Milliseconds; 0 when it is too little to say anything. */
function behindOf(row: Row | undefined): number {
  const ms = Number(row?.behind_ms ?? 0);
  return ms < BEHIND_MIN_MS ? 0 : ms;
}

/** Both, or the first error, when neither is under way any more. */
async function bothOf(
  first: Row[] | Promise<Row[]>,
  second: Row[] | Promise<Row[]>,
): Promise<readonly [Row[], Row[]]> {
  const [one, other] = await Promise.allSettled([first, second]);
  if (one.status === "rejected") throw one.reason;
  if (other.status === "rejected") throw other.reason;
  return [one.value, other.value];
}

/** A copy, since a Buffer may be a small part of what was read. */
const octets = (value: unknown): Uint8Array => new Uint8Array(value as Buffer);
const doubtsOf = (rows: readonly Row[]): ExpiredDoubt[] =>
  rows.flatMap(({ id, first_date: firstDate }) =>
    typeof firstDate === "string" ? [{ key: octets(id), firstDate }] : [],
  );
const nameOf = (key: Uint8Array): string => Buffer.from(key).toString("latin1");
const byId = (rows: readonly Row[]): Map<string, Row> =>
  new Map(rows.map((row) => [nameOf(row.id as Buffer), row]));

/** pg writes an array of Buffers as bytea[]. */
const buffers = (values: readonly Uint8Array[]): Buffer[] =>
  values.map((value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength));
