// Removes expired doubt, page by page of the index of open records. All others are left to DynamoDB's TTL.
import { everyOne } from "../every-one.ts";
import { type ExpiredDoubt, isInDoubt, type Swept } from "../shared/engine.ts";
import type { Item } from "./client.ts";
import type { Gateways } from "./gateways.ts";
import type { ItemRequests } from "./item-requests.ts";
import { CHANGED_AT, number, OPEN_INDEX, type Times, text } from "./items.ts";
import { isGone, type Records } from "./records.ts";

/** As in Engine. */
export type Sweep = (announce: (doubt: ExpiredDoubt) => void) => Promise<Swept>;

export interface SweepParts {
  readonly items: ItemRequests;
  readonly gateways: Gateways;
  readonly records: Pick<Records, "read">;
  readonly times: () => Times;
}

export function createSweep({ items: requests, gateways, records, times }: SweepParts): Sweep {
  /** Where the next step goes on. */
  let sweptTo: Item | undefined;

  return async (announce) => {
    if (sweptTo === undefined) await gateways.forget();
    const call = requests.begin();
    const { now, retentionMs } = times();
    const limit = now - retentionMs;
    const page = await requests.page(call, OPEN_INDEX, sweptTo, {
      expression: `${CHANGED_AT} < :limit`,
      values: { ":limit": number(limit) },
    });
    sweptTo = page.next;
    const found = await records.read(page.keys, call);
    const due = page.keys.flatMap((key, i) => {
      const record = found[i];
      const isDue =
        record !== undefined &&
        isInDoubt(record.state) &&
        record.changedAt < limit &&
        record.holder?.alive !== true;
      return isDue ? [{ key, record }] : [];
    });
    for (const { key, record } of due) announce({ key, firstDate: record.firstDate ?? "" });
    const removed = await everyOne(
      due.map(async ({ key, record }) => {
        const written = await requests.remove(call, key, {
          condition: `fence = :fence AND ${CHANGED_AT} = :changed AND standing = :stood`,
          values: {
            ":fence": number(record.fence),
            ":changed": number(record.changedAt),
            ":stood": text(record.state),
          },
        });
        return isGone(written) ? [{ key, firstDate: record.firstDate ?? "" }] : [];
      }),
    );
    const doubts = removed.flat();
    return { removed: doubts.length, doubts, more: page.next !== undefined };
  };
}
