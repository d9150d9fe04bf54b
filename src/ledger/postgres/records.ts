// The calls of the engine about records of ids: one statement a batch.
import { everyOne } from "../every-one.ts";
import { nameOf } from "../key-name.ts";
import type {
  Change,
  Engine,
  EngineLimits,
  Insertion,
  InsertResult,
  LedgerRecord,
  OpenRecord,
  Taking,
} from "../shared/engine.ts";
import type { Database } from "./database.ts";
import { buffersOf, byId, octetsOf, recordOf } from "./rows.ts";
import { CHANGE_CODES, PAGE_ROWS, STATE_CODES, type Statements } from "./statements.ts";

export type Records = Pick<Engine, "read" | "insert" | "take" | "change" | "open">;

/** @param limits those in force now */
export function createRecords(
  database: Database,
  statements: Statements,
  limits: () => EngineLimits,
): Records {
  /** As the statements take them. */
  const inForce = () => [limits().leaseMs, limits().retentionMs];

  async function read(keys: readonly Uint8Array[]): Promise<(LedgerRecord | undefined)[]> {
    if (keys.length === 0) return [];
    const rows = byId(await database.run(statements.read, [buffersOf(keys), ...inForce()]));
    return keys.map((key) => {
      const row = rows.get(nameOf(key));
      return row === undefined ? undefined : recordOf(row);
    });
  }

  async function insert(incarnation: number, batch: readonly Insertion[]): Promise<InsertResult[]> {
    if (batch.length === 0) return [];
    const keys = buffersOf(batch.map(({ key }) => key));
    const digests = buffersOf(batch.map(({ digest }) => digest));
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
      buffersOf(batch.map(({ key }) => key)),
      batch.map(({ from }) => from.fence),
      batch.map(({ from }) => STATE_CODES[from.state]),
      batch.map(({ to }) => STATE_CODES[to]),
      buffersOf(batch.map(({ digest }) => digest)),
      batch.map(({ firstDate }) => firstDate ?? null),
      batch.map(({ relayed }) => relayed !== undefined),
      batch.map(({ relayed }) => (relayed === undefined ? null : Buffer.from(relayed.digest))),
      incarnation,
      batch.map(({ from }) => from.step),
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
      buffersOf(some.map(({ key }) => key)),
      some.map(({ fence }) => fence),
      some.map(({ step }) => step),
    ];
    const rows = await everyOne([
      gone.length === 0 ? [] : database.run(statements.remove, columns(gone)),
      kept.length === 0
        ? []
        : database.run(statements.change, [
            ...columns(kept),
            kept.map(({ to }) => CHANGE_CODES[to]),
            buffersOf(kept.map(({ digest }) => digest)),
            kept.map(({ firstDate }) => firstDate ?? null),
            kept.map(({ bound }) => bound),
          ]),
    ]);
    const done = byId(rows.flat());
    return batch.map(({ key }) => done.has(nameOf(key)));
  }

  async function* open(): AsyncGenerator<OpenRecord> {
    for (let after = Buffer.alloc(0); ; ) {
      const rows = await database.run(statements.open, [after, ...inForce()]);
      for (const row of rows) yield { key: octetsOf(row.id), record: recordOf(row) };
      if (rows.length < PAGE_ROWS) return;
      after = Buffer.from(octetsOf(rows.at(-1)?.id));
    }
  }

  return { read, insert, take, change, open };
}
