// What rows of mailonce_ids hold, and how octets go to PostgreSQL and come back. Pure.
import { bufferOf } from "../../runtime/buffer-view.ts";
import { StorageError } from "../../storage/storage.ts";
import { nameOf } from "../key-name.ts";
import type { Holder, LedgerRecord, Relaying } from "../shared/engine.ts";
import type { Row } from "./database.ts";
import { readOnlySession } from "./session.ts";
import { NOBODY, STATES } from "./statements.ts";

/** A copy: a Buffer may be a small part of a large one, which it would keep in memory. */
export const octetsOf = (value: unknown): Uint8Array => new Uint8Array(value as Buffer);

/** pg writes Buffers as bytea, and an array of them as bytea[]. */
export const buffersOf = (values: readonly Uint8Array[]): Buffer[] => values.map(bufferOf);

/** Rows by the names of their ids. */
export const byId = (rows: readonly Row[]): Map<string, Row> =>
  new Map(rows.map((row) => [nameOf(row.id as Buffer), row]));

/** What a row says whatever it is read for. */
export function standingOf(
  row: Row,
): Pick<LedgerRecord, "state" | "digest" | "firstDate" | "relayed" | "changedAt"> {
  const state = STATES[Number(row.state)];
  if (state === undefined) throw new StorageError("damaged", `the ledger holds a state ${row.state}`);
  const digest = octetsOf(row.digest);
  const earlier = row.earlier_digest === null ? digest : octetsOf(row.earlier_digest);
  const relayed: Relaying | undefined =
    row.relayed_at === null ? undefined : { at: Number(row.relayed_at), digest: earlier };
  const firstDate = typeof row.first_date === "string" ? row.first_date : undefined;
  return { state, digest, firstDate, relayed, changedAt: Number(row.changed_at) };
}

export function recordOf(row: Row): LedgerRecord {
  // What a standby knows is of some time ago.
  if (row.read_only === true) throw readOnlySession();
  const incarnation = Number(row.incarnation ?? NOBODY);
  const holder: Holder | undefined =
    incarnation === NOBODY
      ? undefined
      : {
          incarnation,
          alive: row.alive === true,
          gateway: typeof row.gateway === "string" ? row.gateway : undefined,
        };
  return {
    ...standingOf(row),
    fence: Number(row.fence),
    step: Number(row.step),
    holder,
    bound: row.bound === true,
    expired: row.expired === true,
    forgotten: row.forgotten === true,
  };
}
