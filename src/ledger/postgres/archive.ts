// The ledger in PostgreSQL as an archive, read and merged into while gateways use it.

import { bufferOf } from "../../runtime/buffer-view.ts";
import type { Archive, ArchiveRecord } from "../archive/archive.ts";
import { type Found, mergeInto, type Place, type Replacement } from "../archive/merge.ts";
import { nameOf } from "../key-name.ts";
import { recordOf } from "../shared/archived.ts";
import { connectDatabase, type Database, type Row } from "./database.ts";
import { octetsOf, standingOf } from "./rows.ts";
import { checkSchema } from "./schema.ts";
import { DURABLE } from "./session.ts";
import { FENCE, millis, NOBODY, STATE_CODES } from "./statements.ts";

/** Beside gateways that keep the database busy, a page may take long; nobody waits for it. */
const STATEMENT_TIMEOUT_MS = 60_000;

/** One for each batch of an import that is under way. */
const CONNECTIONS = 4;

/** Rows of a page: some 300 KB. */
const PAGE_ROWS = 2_000;

const { remembered, relayed } = STATE_CODES;
const time = (value: string) => `to_timestamp(${value}::float8 / 1000)`;
const COLUMNS = `
  r.id, r.state, r.digest, r.earlier_digest, r.first_date,
  ${millis("r.relayed_at")} AS relayed_at, ${millis("r.changed_at")} AS changed_at`;

/** Arrays of one record each: id, digest, first date, relayed, its digest, changed. */
const UNNEST = "unnest($1::bytea[], $2::bytea[], $3::text[], $4::float8[], $5::bytea[], $6::float8[]";
const FIELDS = "id, digest, first_date, relayed_at, relayed_digest, changed_at";
const STATE = `CASE WHEN u.digest IS NULL THEN ${relayed} ELSE ${remembered} END`;
const INCARNATION = `CASE WHEN u.digest IS NULL THEN NULL ELSE ${NOBODY} END`;
const EARLIER = "CASE WHEN u.digest IS NULL THEN NULL ELSE u.relayed_digest END";

const statements = {
  now: { text: `SELECT ${millis("now()")} AS now` },
  page: {
    name: "mailonce_archive_page",
    text: `
      SELECT ${COLUMNS} FROM mailonce_ids AS r WHERE r.id > $1 ORDER BY r.id LIMIT ${PAGE_ROWS}`,
  },
  insert: {
    name: "mailonce_archive_insert",
    text: `
      INSERT INTO mailonce_ids (id, state, fence, step, incarnation, digest, earlier_digest, first_date,
                                relayed_at, changed_at)
      SELECT u.id, ${STATE}, ${FENCE}, 0, ${INCARNATION}, coalesce(u.digest, u.relayed_digest), ${EARLIER},
             u.first_date, ${time("u.relayed_at")}, ${time("u.changed_at")}
      FROM ${UNNEST}) AS u (${FIELDS}) WHERE ${DURABLE} ORDER BY u.id
      ON CONFLICT (id) DO NOTHING
      RETURNING id`,
  },
  read: {
    name: "mailonce_archive_read",
    text: `
      SELECT ${COLUMNS}, r.fence, r.step,
        coalesce(g.beat_at > now() - $2::float8 * interval '1 millisecond', false) AS alive
      FROM unnest($1::bytea[]) AS u (id)
      JOIN mailonce_ids AS r ON r.id = u.id
      LEFT JOIN mailonce_gateways AS g ON g.incarnation = r.incarnation`,
  },
  replace: {
    name: "mailonce_archive_replace",
    text: `
      UPDATE mailonce_ids AS r SET
        state = ${STATE}, fence = greatest(r.fence + 1, ${FENCE}), step = 0, incarnation = ${INCARNATION},
        digest = coalesce(u.digest, u.relayed_digest), earlier_digest = ${EARLIER}, first_date = u.first_date,
        relayed_at = ${time("u.relayed_at")}, changed_at = ${time("u.changed_at")}
      FROM ${UNNEST}, $7::bigint[], $8::integer[]) AS u (${FIELDS}, from_fence, from_step)
      WHERE r.id = u.id AND r.fence = u.from_fence AND r.step = u.from_step AND ${DURABLE}
      RETURNING r.id`,
  },
};

export interface PostgresArchiveOptions {
  /** See DatabaseOptions. */
  readonly url: string;
  /** Milliseconds without a heartbeat after which a gateway counts as dead. */
  readonly leaseMs: number;
}

/** By these a row is known again. */
interface Version {
  readonly fence: number;
  readonly step: number;
}

/** Rejects with a StorageError, also when the schema is not that of this version; nothing stays open then. */
export async function openPostgresArchive({ url, leaseMs }: PostgresArchiveOptions): Promise<Archive> {
  const database = connectDatabase({
    url,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    connections: CONNECTIONS,
  });
  try {
    await checkSchema(database);
  } catch (error) {
    await database.close();
    throw error;
  }
  const place = createPlace(database, leaseMs);
  return {
    kind: "postgres",
    records: () => readAll(database),
    merge: (batch) => mergeInto(place, batch),
    async now() {
      const [row] = await database.run(statements.now);
      return Number(row?.now);
    },
    async close() {
      await database.close().catch(() => {});
    },
  };
}

async function* readAll(database: Database): AsyncGenerator<ArchiveRecord> {
  for (let after: unknown = Buffer.alloc(0); ; ) {
    const rows = await database.run(statements.page, [after]);
    for (const row of rows) {
      const record = recordIn(row);
      if (record !== undefined) yield record;
    }
    if (rows.length < PAGE_ROWS) return;
    after = rows.at(-1)?.id;
  }
}

function createPlace(database: Database, leaseMs: number): Place<Version> {
  return {
    async insert(batch) {
      const inserted = namesOf(await database.run(statements.insert, columnsOf(batch)));
      const others = batch.flatMap(({ key }) => (inserted.has(nameOf(key)) ? [] : [bufferOf(key)]));
      if (others.length === 0) return batch.map(() => undefined);
      const found = new Map<string, Found<Version>>();
      for (const row of await database.run(statements.read, [others, leaseMs])) {
        found.set(nameOf(row.id as Buffer), {
          record: recordIn(row),
          isHeld: row.alive === true,
          version: { fence: Number(row.fence), step: Number(row.step) },
        });
      }
      return batch.map(({ key }) => (inserted.has(nameOf(key)) ? undefined : foundOf(found, key)));
    },
    async replace(batch) {
      if (batch.length === 0) return [];
      const versions = (pick: (version: Version) => number) =>
        batch.map(({ version }: Replacement<Version>) => pick(version));
      const replaced = namesOf(
        await database.run(statements.replace, [
          ...columnsOf(batch.map(({ record }) => record)),
          versions(({ fence }) => fence),
          versions(({ step }) => step),
        ]),
      );
      return batch.map(({ record }) => replaced.has(nameOf(record.key)));
    },
  };
}

/** What has vanished between two statements counts as replaced: the next try finds out. */
const VANISHED: Found<Version> = { record: undefined, isHeld: false, version: { fence: -1, step: -1 } };

const foundOf = (found: ReadonlyMap<string, Found<Version>>, key: Uint8Array): Found<Version> =>
  found.get(nameOf(key)) ?? VANISHED;

function columnsOf(batch: readonly ArchiveRecord[]): unknown[] {
  const column = <Value>(pick: (record: ArchiveRecord) => Value | undefined) =>
    batch.map((record) => pick(record) ?? null);
  const digests = (pick: (record: ArchiveRecord) => Uint8Array | undefined) =>
    column((record) => {
      const digest = pick(record);
      return digest && bufferOf(digest);
    });
  return [
    batch.map(({ key }) => bufferOf(key)),
    digests(({ doubt }) => doubt?.digest),
    column(({ doubt }) => doubt?.firstDate),
    column((record) => record.relayed?.time),
    digests((record) => record.relayed?.digest),
    column((record) => record.doubt?.changedAt ?? record.relayed?.time),
  ];
}

const recordIn = (row: Row): ArchiveRecord | undefined =>
  recordOf({ key: octetsOf(row.id), ...standingOf(row) });

const namesOf = (rows: readonly Row[]): ReadonlySet<string> =>
  new Set(rows.map(({ id }) => nameOf(id as Buffer)));
