// The engine on one table of Amazon DynamoDB, or of what speaks its protocol with consistent reads and
// conditional writes. Every record is an item, every write one conditional request; a batch is many requests
// at once. docs/dynamodb.md has the table, the rights it needs and what a mail costs.
//
// TransactWriteItems would write a hundred items in one request, but all or none, and for twice the units:
// nothing here has to happen together. PartiQL's BatchExecuteStatement would save requests; it is left out as
// long as it can't be tested without an account.
//
// DynamoDB has no clock. Who is alive is found by watching (gateways.ts). `changedAt`, `relayedAt`
// and `expires` are by the clock of the gateway that writes them: one that goes wrong by a day shortens or
// lengthens the retention by a day, and does nothing else.
import { type Log, silentLog } from "../../runtime/log.ts";
import {
  type Change,
  type Engine,
  type EngineLimits,
  type ExpiredDoubt,
  type Insertion,
  type InsertResult,
  isInDoubt,
  type LedgerRecord,
  type Taking,
} from "../shared/engine.ts";
import { type DynamodbOptions, type DynamodbTable, type Item, openDynamodbTable } from "./client.ts";
import { createGateways, type Gateways } from "./gateways.ts";
import {
  CHANGED_AT,
  changingOf,
  itemOf,
  number,
  numberOf,
  OPEN_INDEX,
  octetsOf,
  recordOf,
  takingOf,
  underFence,
} from "./items.ts";
import type { Call } from "./send.ts";
import { checkDynamodbTable } from "./table.ts";
import type { DynamodbUse } from "./use.ts";

export interface DynamodbEngineOptions extends DynamodbOptions, EngineLimits {
  readonly log?: Log | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: (() => number) | undefined;
  /** Milliseconds since any moment; never steps back, and goes on while the process is stopped. */
  readonly elapsed?: (() => number) | undefined;
}

export interface DynamodbEngine extends Engine {
  /** What DynamoDB was asked so far. */
  readonly use: DynamodbUse;
}

/** A fence is microseconds of the clock. */
const FENCES_A_MILLISECOND = 1_000;

/** Rejects with a StorageError that says what to do: no table, another one, no rights, no credentials. */
export async function openDynamodbEngine(options: DynamodbEngineOptions): Promise<DynamodbEngine> {
  const table = openDynamodbTable(options);
  try {
    await checkDynamodbTable(table, options.log ?? silentLog);
  } catch (error) {
    table.close();
    throw error;
  }
  return createEngine(table, options);
}

function createEngine(table: DynamodbTable, options: DynamodbEngineOptions): DynamodbEngine {
  const { now = Date.now, elapsed = () => performance.now() } = options;
  let { retentionMs, leaseMs } = options;
  const gateways: Gateways = createGateways(table, () => leaseMs, elapsed);
  const underWay = new Set<Promise<unknown>>();
  let lastFence = 0;
  let sweptTo: Item | undefined;

  const times = () => ({ now: now(), retentionMs });

  /**
   * Greater than those that this process gave before and than `before`. The last three digits are chance, so
   * that two gateways in one millisecond do not give an id the same.
   */
  function nextFence(before = 0): number {
    const clock = Math.floor(now()) * FENCES_A_MILLISECOND + Math.floor(Math.random() * FENCES_A_MILLISECOND);
    lastFence = Math.max(clock, lastFence + 1, before + 1);
    return lastFence;
  }

  async function tracked<T>(work: Promise<T>): Promise<T> {
    underWay.add(work);
    try {
      return await work;
    } finally {
      underWay.delete(work);
    }
  }

  /** All at once, as far as requests at once go. Waits for all of them, also when one fails. */
  async function each<One, Answer>(
    batch: readonly One[],
    work: (one: One, call: Call) => Promise<Answer>,
    call = table.begin(),
  ): Promise<Answer[]> {
    const settled = await Promise.allSettled(batch.map((one) => work(one, call)));
    const failed = settled.find(({ status }) => status === "rejected");
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    return settled.map((one) => (one as PromiseFulfilledResult<Answer>).value);
  }

  /**
   * How holders are is asked again after their records were read: a gateway that has begun another life is
   * dead in the old one at once, and one that was taken for dead may have gone on.
   */
  async function recordsOf(items: readonly (Item | undefined)[], call: Call) {
    if (items.some((item) => item?.holder !== undefined)) await gateways.refresh(call);
    return items.map((item) => (item === undefined ? undefined : recordOf(item, gateways.isAlive, times())));
  }

  async function insert(incarnation: number, batch: readonly Insertion[]): Promise<InsertResult[]> {
    const call = table.begin();
    type Inserted = { fence: number } | { found: Item | undefined };
    const all = await each(
      batch,
      async (one): Promise<Inserted> => {
        const fence = nextFence();
        const written = await table.put(
          call,
          itemOf(one, incarnation, fence, times()),
          "attribute_not_exists(id)",
        );
        if (written.kind === "written") return { fence };
        const { found } = written;
        const isOwn =
          found !== undefined &&
          numberOf(found, "fence") === fence &&
          numberOf(found, "holder") === incarnation;
        return isOwn ? { fence } : { found };
      },
      call,
    );
    const records = await recordsOf(
      all.map((one) => ("found" in one ? one.found : undefined)),
      call,
    );
    return all.map((one, i) => {
      if ("fence" in one) return { kind: "inserted", fence: one.fence };
      const record = records[i];
      return record === undefined ? { kind: "vanished" } : { kind: "found", record };
    });
  }

  async function read(
    keys: readonly Uint8Array[],
    call = table.begin(),
  ): Promise<(LedgerRecord | undefined)[]> {
    const items = new Map(
      (await table.getMany(call, keys)).map((item) => [nameOf(octetsOf(item, "id")), item] as const),
    );
    return await recordsOf(
      keys.map((key) => items.get(nameOf(key))),
      call,
    );
  }

  async function take(incarnation: number, taking: Taking, call: Call): Promise<number | undefined> {
    const fence = nextFence(taking.from.fence);
    const written = await table.update(call, taking.key, takingOf(taking, incarnation, fence, times()));
    if (written.kind === "written") return fence;
    const { found = {} } = written;
    const isOwn = numberOf(found, "fence") === fence && numberOf(found, "holder") === incarnation;
    return isOwn ? fence : undefined;
  }

  async function change(one: Change, call: Call): Promise<boolean> {
    if (one.to === "absent") {
      const removed = await table.remove(call, one.key, underFence(one));
      // Gone, and perhaps by the request whose answer was lost: it is as was asked.
      return removed.kind === "written" || (removed.found === undefined && removed.isUncertain);
    }
    let { now: at } = times();
    for (;;) {
      const written = await table.update(call, one.key, changingOf(one, { now: at, retentionMs }));
      if (written.kind === "written") return true;
      const { found } = written;
      if (found === undefined || numberOf(found, "fence") !== one.fence) return false;
      // A step is one change only, so this is it, by a request whose answer was lost.
      if (numberOf(found, "step") >= one.step) return numberOf(found, "step") === one.step;
      const relayedAt = numberOf(found, "relayedAt");
      if (one.to !== "relayed" || relayedAt < at) return false;
      at = relayedAt + 1;
    }
  }

  async function* open(): AsyncGenerator<{ key: Uint8Array; record: LedgerRecord }> {
    let after: Item | undefined;
    do {
      const call = table.begin();
      const page = await table.page(call, OPEN_INDEX, after);
      const records = await read(page.keys, call);
      for (const [i, record] of records.entries()) {
        const key = page.keys[i];
        if (key !== undefined && record !== undefined && isInDoubt(record.state)) yield { key, record };
      }
      after = page.next;
    } while (after !== undefined);
  }

  /** One page of the open records. All others are left to DynamoDB's TTL. */
  async function sweep(announce: (doubt: ExpiredDoubt) => void) {
    if (sweptTo === undefined) await gateways.forget();
    const call = table.begin();
    const limit = now() - retentionMs;
    const page = await table.page(call, OPEN_INDEX, sweptTo, {
      expression: `${CHANGED_AT} < :limit`,
      values: { ":limit": number(limit) },
    });
    sweptTo = page.next;
    const records = await read(page.keys, call);
    const due = page.keys.flatMap((key, i) => {
      const record = records[i];
      const isDue =
        record !== undefined &&
        isInDoubt(record.state) &&
        record.changedAt < limit &&
        record.holder?.alive !== true;
      return isDue ? [{ key, record }] : [];
    });
    for (const { key, record } of due) announce({ key, firstDate: record.firstDate ?? "" });
    const removed = await each(
      due,
      async ({ key, record }) => {
        const written = await table.remove(call, key, {
          condition: `fence = :fence AND ${CHANGED_AT} = :changed AND standing = :stood`,
          values: {
            ":fence": number(record.fence),
            ":changed": number(record.changedAt),
            ":stood": { S: record.state },
          },
        });
        const isGone = written.kind === "written" || (written.found === undefined && written.isUncertain);
        return isGone ? [{ key, firstDate: record.firstDate ?? "" }] : [];
      },
      call,
    );
    const doubts = removed.flat();
    return { removed: doubts.length, doubts, more: page.next !== undefined };
  }

  const none = (batch: readonly unknown[]) => batch.length === 0;
  return {
    name: "dynamodb",
    callMaxMs: table.callMaxMs,
    use: table.use,
    register: (gateway) => tracked(gateways.register(gateway)),
    beat: (gateway, incarnation, confirmed) => tracked(gateways.beat(gateway, incarnation, confirmed)),
    limit(limits) {
      ({ retentionMs, leaseMs } = limits);
    },
    settings: () => tracked(gateways.settings()),
    putSettings: (from, settings) => tracked(gateways.putSettings(from, settings)),
    retire: (gateway, incarnation) => tracked(gateways.retire(gateway, incarnation)),
    insert: async (incarnation, batch) => (none(batch) ? [] : await tracked(insert(incarnation, batch))),
    read: async (keys) => (none(keys) ? [] : await tracked(read(keys))),
    take: (incarnation, batch) => tracked(each(batch, (one, call) => take(incarnation, one, call))),
    change: (batch) => tracked(each(batch, change)),
    open,
    sweep: (announce) => tracked(sweep(announce)),
    async close() {
      await Promise.allSettled(underWay);
      table.close();
    },
  };
}

const nameOf = (key: Uint8Array): string => Buffer.from(key).toString("latin1");
