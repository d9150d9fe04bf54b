// The ledger in DynamoDB as an archive, read and merged into while gateways use it. A page of the table says
// which ids there are; they are then read consistently.

import { ID_OCTETS } from "../../identity/message-id.ts";
import type { Log } from "../../runtime/log.ts";
import type { Archive, ArchiveRecord } from "../archive/archive.ts";
import { type Found, mergeInto, type Place, type Replacement } from "../archive/merge.ts";
import { everyOne } from "../every-one.ts";
import { recordOf as archivedOf } from "../shared/archived.ts";
import type { RecordState } from "../shared/engine.ts";
import type { DynamodbOptions, Item } from "./client.ts";
import { openDynamodbTable } from "./connection.ts";
import { createFences } from "./fences.ts";
import { createGateways } from "./gateways.ts";
import type { ItemRequests, Update, Written } from "./item-requests.ts";
import {
  DOUBT_OCTETS,
  expiryOf,
  number,
  numberOf,
  OPEN_INDEX,
  octets,
  octetsOf,
  recordOf,
  text,
  updateOf,
} from "./items.ts";
import type { Call } from "./send.ts";
import { checkDynamodbTable } from "./table.ts";

/** A table that grows into a load refuses some of it for minutes; nobody waits for an import. */
const CALL_MS = 120_000;
const REQUEST_MS = 15_000;

export interface DynamodbArchiveOptions extends DynamodbOptions {
  readonly retentionMs: number;
  readonly leaseMs: number;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now?: (() => number) | undefined;
}

interface Version {
  readonly fence: number;
  readonly step: number;
  readonly state: RecordState;
}

/** Rejects with a StorageError that says what to do; nothing stays open then. */
export async function openDynamodbArchive(options: DynamodbArchiveOptions): Promise<Archive> {
  const { now = Date.now } = options;
  const table = openDynamodbTable({ timeouts: { callMs: CALL_MS, requestMs: REQUEST_MS }, ...options });
  try {
    await checkDynamodbTable(table.definition, options.log);
  } catch (error) {
    table.close();
    throw error;
  }
  const place = createPlace(table.items, { ...options, now });
  return {
    kind: "dynamodb",
    records: () => readAll(table.items, { now: now(), retentionMs: options.retentionMs }),
    merge: (batch) => mergeInto(place, batch),
    now: async () => now(),
    close: async () => table.close(),
  };
}

/** Who holds what makes no difference to what is exported. */
const nobody = (incarnation: number) => ({ incarnation, alive: false });

async function* readAll(
  requests: ItemRequests,
  times: { readonly now: number; readonly retentionMs: number },
): AsyncGenerator<ArchiveRecord> {
  let after: Item | undefined;
  do {
    const call = requests.begin();
    const page = await requests.page(call, undefined, after);
    const keys = page.keys.filter(({ length }) => length === ID_OCTETS);
    for (const item of await requests.getMany(call, keys)) {
      const record = archivedOf({ key: octetsOf(item, "id"), ...recordOf(item, nobody, times) });
      if (record !== undefined) yield record;
    }
    after = page.next;
  } while (after !== undefined);
}

interface PlaceOptions {
  readonly retentionMs: number;
  readonly leaseMs: number;
  readonly now: () => number;
}

function createPlace(requests: ItemRequests, options: PlaceOptions): Place<Version> {
  const { retentionMs, leaseMs, now } = options;
  const gateways = createGateways(
    requests,
    () => leaseMs,
    () => performance.now(),
  );

  const fences = createFences(now);

  function isOwn(written: Written, fence: number): boolean {
    return (
      written.kind === "written" ||
      (written.isUncertain && written.found !== undefined && numberOf(written.found, "fence") === fence)
    );
  }

  /** What is in the way, undefined when nothing was. */
  async function insertOne(call: Call, record: ArchiveRecord): Promise<Item | undefined> {
    const fence = fences.next();
    const written = await requests.update(call, record.key, {
      ...updateTo(record, fence, retentionMs),
      condition: "attribute_not_exists(id)",
    });
    return isOwn(written, fence) ? undefined : (written.kind === "refused" && written.found) || {};
  }

  function foundOf(key: Uint8Array, item: Item): Found<Version> {
    const vanished = { fence: -1, step: -1, state: "relayed" } as const;
    if (item.id === undefined) return { record: undefined, isHeld: false, version: vanished };
    const found = recordOf(item, gateways.holder, { now: now(), retentionMs });
    const { fence, state } = found;
    return {
      record: archivedOf({ key, ...found }),
      isHeld: found.holder?.alive === true,
      version: { fence, state, step: numberOf(item, "step") },
    };
  }

  async function replaceOne(call: Call, { record, version }: Replacement<Version>): Promise<boolean> {
    const fence = fences.next(version.fence);
    const update = updateTo(record, fence, retentionMs);
    const written = await requests.update(call, record.key, {
      ...update,
      condition: "fence = :was AND step = :stepped AND standing = :stood",
      values: {
        ...update.values,
        ":was": number(version.fence),
        ":stepped": number(version.step),
        ":stood": text(version.state),
      },
    });
    return isOwn(written, fence);
  }

  return {
    async insert(batch) {
      const call = requests.begin();
      const found = await everyOne(batch.map((record) => insertOne(call, record)));
      if (found.some((item) => item?.holder !== undefined)) await gateways.refresh(call);
      return batch.map(({ key }, i) => {
        const item = found[i];
        return item && foundOf(key, item);
      });
    },
    async replace(batch) {
      const call = requests.begin();
      return await everyOne(batch.map((one) => replaceOne(call, one)));
    },
  };
}

/** Makes the item what the record says, whatever it was. The caller adds the condition. */
function updateTo({ key, relayed, doubt }: ArchiveRecord, fence: number, retentionMs: number): Update {
  const earlier = doubt === undefined ? undefined : relayed;
  const at = doubt?.changedAt ?? relayed?.time ?? 0;
  const digest = doubt?.digest ?? relayed?.digest;
  const attributes: Readonly<Record<string, Item[string] | undefined>> = {
    standing: text(doubt === undefined ? "relayed" : "remembered"),
    fence: number(fence),
    step: number(0),
    changedAt: number(at),
    digest: digest && octets(digest),
    relayedAt: relayed && number(relayed.time),
    expires: doubt === undefined ? number(expiryOf(at, retentionMs)) : undefined,
    firstDate: doubt && text(doubt.firstDate),
    [OPEN_INDEX]: doubt && octets(key.slice(0, DOUBT_OCTETS)),
    earlier: earlier && octets(earlier.digest),
    earlierExpires: earlier && number(expiryOf(earlier.time, retentionMs)),
    holder: undefined,
  };
  return updateOf(attributes, { condition: "" });
}
