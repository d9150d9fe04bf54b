// The engine as the core uses it: each kind of call goes through a lane, and is counted, so that the cost of a mail
// can be measured.
import type { Counters } from "../../metrics/counters.ts";
import type { Change, Engine, Insertion, InsertResult, LedgerRecord, Taking } from "./engine.ts";
import { createLane, type Lane } from "./lanes.ts";

export type CallKind = "insert" | "read" | "take" | "change" | "beat";

/** Calls of the engine, and the records that they were about. */
export type CallCounts = Readonly<Record<CallKind, { calls: number; records: number }>>;

export interface Calls {
  readonly counts: CallCounts;
  readonly insert: Lane<Insertion, InsertResult>;
  readonly read: Lane<Uint8Array, LedgerRecord | undefined>;
  readonly take: Lane<Taking, number | undefined>;
  readonly change: Lane<Change, boolean>;
}

/** @param incarnation holds what is inserted and taken */
export function createCalls(
  engine: Engine,
  incarnation: number,
  { elapsed, ledgerSeconds }: Pick<Counters, "elapsed" | "ledgerSeconds">,
): Calls {
  const none = () => ({ calls: 0, records: 0 });
  const counts: CallCounts = {
    insert: none(),
    read: none(),
    take: none(),
    change: none(),
    beat: none(),
  };
  const keyOf = ({ key }: { readonly key: Uint8Array }) => key;

  function lane<Item, Answer>(
    kind: CallKind,
    call: (batch: readonly Item[]) => Promise<readonly Answer[]>,
    key: (item: Item) => Uint8Array,
  ): Lane<Item, Answer> {
    return createLane(async (batch) => {
      counts[kind].calls++;
      counts[kind].records += batch.length;
      const began = elapsed();
      try {
        return await call(batch);
      } finally {
        ledgerSeconds.observe(elapsed() - began);
      }
    }, key);
  }

  return {
    counts,
    insert: lane("insert", (batch: readonly Insertion[]) => engine.insert(incarnation, batch), keyOf),
    read: lane(
      "read",
      (keys: readonly Uint8Array[]) => engine.read(keys),
      (key) => key,
    ),
    take: lane("take", (batch: readonly Taking[]) => engine.take(incarnation, batch), keyOf),
    change: lane("change", (batch: readonly Change[]) => engine.change(batch), keyOf),
  };
}
