// The statements of the ledger. Each is about a batch, handed over as one array a column, in the order of
// the keys: rows are then locked in one order, and batches that overlap seldom meet crosswise.
//
// Time is the database's: `now` is one expression in each statement. Every statement that writes has the
// condition DURABLE, which makes its own commit wait for the disk.
import type { Change, RecordState } from "../shared/engine.ts";
import type { Statement } from "./database.ts";
import { DURABLE, READ_ONLY } from "./session.ts";

/** What the column `state` holds. */
export const STATE_CODES: Readonly<Record<RecordState, number>> = {
  claimed: 1,
  queued: 2,
  attempted: 3,
  doubtful: 4,
  reclaimed: 5,
  remembered: 6,
  relayed: 7,
};

export const STATES = Object.fromEntries(
  Object.entries(STATE_CODES).map(([state, code]) => [code, state]),
) as Readonly<Record<number, RecordState>>;

/** "restored" and "forgotten" are not states; it is relayed, as it was before. Absent rows are deleted. */
export const CHANGE_CODES: Readonly<Record<Exclude<Change["to"], "absent">, number>> = {
  ...STATE_CODES,
  restored: 8,
  forgotten: 9,
};

const { claimed, queued, reclaimed, remembered, relayed } = STATE_CODES;
const { restored, forgotten } = CHANGE_CODES;

/** In the column `incarnation` of a remembered id, which nobody holds and which is under way all the same. */
export const NOBODY = 0;

/** Rows of one step of a sweep: a few milliseconds of work, and of locks. */
export const SWEEP_ROWS = 1_000;

/** Rows of one page of what is under way. */
export const PAGE_ROWS = 1_000;

/** Microseconds since the epoch, below 2^53 until the year 2255. */
export const FENCE = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

export const millis = (column: string) => `floor(extract(epoch FROM ${column}) * 1000)::float8`;
const interval = (parameter: string) => `${parameter}::float8 * interval '1 millisecond'`;

const millisUntil = (time: string, now: string) =>
  `greatest(floor(extract(epoch FROM ${time} - ${now}) * 1000), 0)::float8`;

export type StatementName =
  | "time"
  | "register"
  | "beat"
  | "retire"
  | "settings"
  | "putFirstSettings"
  | "putSettings"
  | "insert"
  | "read"
  | "take"
  | "change"
  | "remove"
  | "open"
  | "sweepRelayed"
  | "underWay"
  | "sweepHeld"
  | "sweepGateways";

export type Statements = Readonly<Record<StatementName, Statement>>;

/** @param now an SQL expression for the present time */
export function createStatements(now: string): Statements {
  const alive = (lease: string) => `coalesce(g.beat_at > ${now} - ${interval(lease)}, false)`;
  const record = (lease: string, retention: string) => `
    r.id, r.state, r.fence, r.step, r.incarnation, r.digest, r.earlier_digest, r.first_date,
    coalesce(r.bound_fence = r.fence, false) AS bound,
    ${millis("r.relayed_at")} AS relayed_at, ${millis("r.changed_at")} AS changed_at,
    ${alive(lease)} AS alive, g.gateway, ${READ_ONLY} AS read_only,
    coalesce(r.forgotten = r.relayed_at, false) AS forgotten,
    coalesce(r.relayed_at < ${now} - ${interval(retention)}, false) AS expired`;

  // What the statement sees was written before it, so a later time is one that has come back.
  const behind = `(SELECT ${millisUntil("max(b.beat_at)", now)} FROM mailonce_gateways AS b)`;

  const texts: Readonly<Record<StatementName, string>> = {
    register: `
      INSERT INTO mailonce_gateways AS g (gateway, incarnation, beat_at)
      SELECT $1::text, ${FENCE}, ${now} WHERE ${DURABLE}
      ON CONFLICT (gateway) DO UPDATE
        SET incarnation = greatest(g.incarnation + 1, excluded.incarnation), beat_at = excluded.beat_at
      RETURNING incarnation`,
    // The statement sees the other rows as they were before it, so this gateway is counted apart.
    beat: `
      UPDATE mailonce_gateways SET beat_at = ${now}, confirmed = $4::bigint, confirmed_by = $2
      WHERE gateway = $1 AND incarnation = $2 AND ${DURABLE}
      RETURNING current_setting('fsync', true) AS fsync, ${behind} AS behind_ms,
        1 + (SELECT count(*) FROM mailonce_gateways AS g
             WHERE g.gateway <> $1 AND ${alive("$3")})::integer AS gateways,
        least($4::bigint, (SELECT min(CASE WHEN g.confirmed_by = g.incarnation THEN g.confirmed ELSE 0 END)
                           FROM mailonce_gateways AS g
                           WHERE g.gateway <> $1 AND ${alive("$3")})) AS confirmed,
        (SELECT version FROM mailonce_settings) AS version,
        (SELECT settings FROM mailonce_settings) AS settings`,
    retire: `
      UPDATE mailonce_gateways SET beat_at = to_timestamp(0)
      WHERE gateway = $1 AND incarnation = $2 AND ${DURABLE}`,
    time: `SELECT ${behind} AS behind_ms`,
    settings: `SELECT version, settings FROM mailonce_settings WHERE one = 1`,
    putFirstSettings: `
      INSERT INTO mailonce_settings (one, version, settings)
      SELECT 1, $1::bigint, $2::text WHERE ${DURABLE}
      ON CONFLICT (one) DO NOTHING RETURNING version`,
    putSettings: `
      UPDATE mailonce_settings SET version = $1, settings = $2
      WHERE one = 1 AND version = $3 AND ${DURABLE} RETURNING version`,
    insert: `
      INSERT INTO mailonce_ids (id, state, fence, step, incarnation, digest, changed_at)
      SELECT u.id, ${claimed}, ${FENCE}, 0, $3::bigint, u.digest, ${now}
      FROM unnest($1::bytea[], $2::bytea[]) AS u (id, digest)
      WHERE ${DURABLE}
      ON CONFLICT (id) DO NOTHING
      RETURNING id, fence`,
    read: `
      SELECT ${record("$2", "$3")}
      FROM unnest($1::bytea[]) AS u (id)
      JOIN mailonce_ids AS r ON r.id = u.id
      LEFT JOIN mailonce_gateways AS g ON g.incarnation = r.incarnation`,
    take: `
      UPDATE mailonce_ids AS r SET
        state = u.state, fence = greatest(r.fence + 1, ${FENCE}), step = 0, incarnation = $9::bigint,
        bound_fence = NULL,
        digest = u.digest, first_date = u.first_date,
        relayed_at = CASE WHEN u.keeps_relayed THEN r.relayed_at END, earlier_digest = u.earlier_digest,
        changed_at = CASE WHEN u.state = ${reclaimed} THEN r.changed_at ELSE ${now} END
      FROM unnest($1::bytea[], $2::bigint[], $3::smallint[], $4::smallint[], $5::bytea[], $6::text[],
                  $7::boolean[], $8::bytea[], $10::integer[])
        AS u (id, from_fence, from_state, state, digest, first_date, keeps_relayed, earlier_digest, from_step)
      WHERE r.id = u.id AND r.fence = u.from_fence AND r.state = u.from_state AND r.step = u.from_step
        AND ${DURABLE}
      RETURNING r.id, r.fence`,
    change: `
      UPDATE mailonce_ids AS r SET
        state = CASE WHEN u.state >= ${relayed} THEN ${relayed} ELSE u.state END,
        step = u.step,
        digest = CASE WHEN u.state > ${relayed} THEN coalesce(r.earlier_digest, r.digest) ELSE u.digest END,
        first_date = CASE WHEN u.state < ${relayed} THEN u.first_date END,
        incarnation = CASE WHEN u.state >= ${relayed} THEN NULL
                           WHEN u.state = ${remembered} THEN ${NOBODY} ELSE r.incarnation END,
        earlier_digest = CASE WHEN u.state < ${relayed} THEN r.earlier_digest END,
        bound_fence = CASE WHEN u.bound AND u.state < ${remembered} THEN r.fence END,
        relayed_at = CASE WHEN u.state = ${relayed}
                          THEN greatest(${now}, r.relayed_at + interval '1 millisecond')
                          ELSE r.relayed_at END,
        forgotten = CASE WHEN u.state = ${forgotten} THEN r.relayed_at ELSE r.forgotten END,
        changed_at = CASE WHEN u.state IN (${reclaimed}, ${remembered}, ${restored}) THEN r.changed_at
                          ELSE ${now} END
      FROM unnest($1::bytea[], $2::bigint[], $3::integer[], $4::smallint[], $5::bytea[], $6::text[], $7::boolean[])
        AS u (id, fence, step, state, digest, first_date, bound)
      WHERE r.id = u.id AND r.fence = u.fence AND r.step <= u.step AND ${DURABLE}
      RETURNING r.id`,
    remove: `
      DELETE FROM mailonce_ids AS r
      USING unnest($1::bytea[], $2::bigint[], $3::integer[]) AS u (id, fence, step)
      WHERE r.id = u.id AND r.fence = u.fence AND r.step <= u.step AND ${DURABLE}
      RETURNING r.id`,
    open: `
      SELECT ${record("$2", "$3")}
      FROM mailonce_ids AS r LEFT JOIN mailonce_gateways AS g ON g.incarnation = r.incarnation
      WHERE r.incarnation IS NOT NULL AND r.state NOT IN (${claimed}, ${queued}) AND r.id > $1
      ORDER BY r.id LIMIT ${PAGE_ROWS}`,
    // The condition is there twice, so that what has changed meanwhile is left alone.
    sweepRelayed: `
      DELETE FROM mailonce_ids
      WHERE incarnation IS NULL AND relayed_at < ${now} - ${interval("$1")} AND ${DURABLE} AND id IN (
        SELECT id FROM mailonce_ids
        WHERE incarnation IS NULL AND relayed_at < ${now} - ${interval("$1")}
        ORDER BY relayed_at LIMIT ${SWEEP_ROWS})
      RETURNING 1 AS removed`,
    underWay: `
      SELECT r.id, r.fence, r.first_date, r.changed_at < ${now} - ${interval("$3")} AND NOT ${alive("$2")} AS due
      FROM (SELECT id, fence, first_date, incarnation, changed_at FROM mailonce_ids
            WHERE incarnation IS NOT NULL AND id > $1 ORDER BY id LIMIT ${SWEEP_ROWS}) AS r
      LEFT JOIN mailonce_gateways AS g ON g.incarnation = r.incarnation
      ORDER BY r.id`,
    sweepHeld: `
      DELETE FROM mailonce_ids AS r
      USING unnest($1::bytea[], $2::bigint[]) AS u (id, fence)
      WHERE r.id = u.id AND r.fence = u.fence AND r.incarnation IS NOT NULL AND ${DURABLE}
        AND r.changed_at < ${now} - ${interval("$4")}
        AND NOT EXISTS (SELECT 1 FROM mailonce_gateways AS g
                        WHERE g.incarnation = r.incarnation AND ${alive("$3")})
      RETURNING r.id, r.first_date`,
    sweepGateways: `
      DELETE FROM mailonce_gateways WHERE beat_at < ${now} - ${interval("$1")} AND gateway <> $2 AND ${DURABLE}`,
  };
  const named = Object.entries(texts).map(([name, text]) => [name, { name: `mailonce_${name}`, text }]);
  return Object.fromEntries(named);
}
