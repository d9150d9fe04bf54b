// The calls of the engine about records of ids: every record is an item, every write one conditional request; a batch
// is many requests at once.
//
// TransactWriteItems would write a hundred items in one request, but all or none, and for twice the units:
// nothing here has to happen together. PartiQL's BatchExecuteStatement would save requests; it is left out as
// long as it can't be tested without an account.
import { everyOne } from "../every-one.ts";
import { nameOf } from "../key-name.ts";
import {
  type Change,
  type Engine,
  type Insertion,
  type InsertResult,
  isInDoubt,
  type LedgerRecord,
  type OpenRecord,
  type Taking,
} from "../shared/engine.ts";
import type { Item } from "./client.ts";
import type { Fences } from "./fences.ts";
import type { Gateways } from "./gateways.ts";
import type { ItemRequests, Written } from "./item-requests.ts";
import {
  changingOf,
  itemOf,
  numberOf,
  OPEN_INDEX,
  octetsOf,
  recordOf,
  type Times,
  takingOf,
  underFence,
} from "./items.ts";
import type { Call } from "./send.ts";

export interface Records extends Pick<Engine, "insert" | "take" | "change" | "open"> {
  /** @param call of which it is a part; left out: one of its own */
  read(keys: readonly Uint8Array[], call?: Call): Promise<(LedgerRecord | undefined)[]>;
}

export interface RecordsParts {
  readonly items: ItemRequests;
  readonly gateways: Gateways;
  readonly fences: Fences;
  readonly times: () => Times;
}

export function createRecords({ items: requests, gateways, fences, times }: RecordsParts): Records {
  /**
   * How holders are is asked again after their records were read: a gateway that has begun another life is
   * dead in the old one at once, and one that was taken for dead may have gone on.
   */
  async function recordsOf(items: readonly (Item | undefined)[], call: Call) {
    if (items.some((item) => item?.holder !== undefined)) await gateways.refresh(call);
    return items.map((item) => (item === undefined ? undefined : recordOf(item, gateways.holder, times())));
  }

  async function insertOne(incarnation: number, one: Insertion, call: Call): Promise<Inserted> {
    const fence = fences.next();
    const item = itemOf(one, incarnation, fence, times());
    const written = await requests.put(call, item, "attribute_not_exists(id)");
    if (written.kind === "written" || isOwn(written, incarnation, fence)) return { fence };
    return { found: written.found };
  }

  async function insert(incarnation: number, batch: readonly Insertion[]): Promise<InsertResult[]> {
    const call = requests.begin();
    const all = await everyOne(batch.map((one) => insertOne(incarnation, one, call)));
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
    call = requests.begin(),
  ): Promise<(LedgerRecord | undefined)[]> {
    const items = new Map(
      (await requests.getMany(call, keys)).map((item) => [nameOf(octetsOf(item, "id")), item] as const),
    );
    return await recordsOf(
      keys.map((key) => items.get(nameOf(key))),
      call,
    );
  }

  async function takeOne(incarnation: number, taking: Taking, call: Call): Promise<number | undefined> {
    const fence = fences.next(taking.from.fence);
    const update = takingOf(taking, incarnation, fence, times());
    const written = await requests.update(call, taking.key, update);
    return written.kind === "written" || isOwn(written, incarnation, fence) ? fence : undefined;
  }

  async function changeOne(one: Change, call: Call): Promise<boolean> {
    if (one.to === "absent") {
      return isGone(await requests.remove(call, one.key, underFence(one)));
    }
    let { now: at } = times();
    for (;;) {
      const written = await requests.update(call, one.key, changingOf(one, { ...times(), now: at }));
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

  async function* open(): AsyncGenerator<OpenRecord> {
    let after: Item | undefined;
    do {
      const call = requests.begin();
      const page = await requests.page(call, OPEN_INDEX, after);
      const records = await read(page.keys, call);
      for (const [i, record] of records.entries()) {
        const key = page.keys[i];
        if (key !== undefined && record !== undefined && isInDoubt(record.state)) yield { key, record };
      }
      after = page.next;
    } while (after !== undefined);
  }

  /** One call for all of the batch. */
  async function each<One, Answer>(
    batch: readonly One[],
    work: (one: One, call: Call) => Promise<Answer>,
  ): Promise<Answer[]> {
    const call = requests.begin();
    return await everyOne(batch.map((one) => work(one, call)));
  }

  return {
    insert,
    read,
    take: (incarnation, batch) => each(batch, (one, call) => takeOne(incarnation, one, call)),
    change: (batch) => each(batch, changeOne),
    open,
  };
}

type Inserted = { readonly fence: number } | { readonly found: Item | undefined };

/** Written by an earlier request of the same call, whose answer was lost. */
const isOwn = ({ found }: Refused, incarnation: number, fence: number): boolean =>
  found !== undefined && numberOf(found, "fence") === fence && numberOf(found, "holder") === incarnation;

/** Gone, perhaps by an earlier request of the same call whose answer was lost: it is as was asked. */
export const isGone = (removed: Written): boolean =>
  removed.kind === "written" || (removed.found === undefined && removed.isUncertain);

type Refused = Extract<Written, { kind: "refused" }>;
