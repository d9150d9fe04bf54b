// Of many doubts the oldest that a page shows. There can be a hundred thousand, so that no more are kept, sorted or put into
// words than are shown. Pure.
import type { Id } from "../identity/message-id.ts";
import type { Doubt } from "../ledger/ledger.ts";
import type { PageRequest } from "../runtime/page.ts";

type Place = Pick<Doubt, "id" | "changedAt">;

export interface OldestDoubts<T extends Place> {
  readonly items: readonly T[];
  readonly next?: string;
  /** All that are meant, on whichever page. */
  readonly total: number;
}

/**
 * @param isMeant the others are on no page
 * @throws RangeError for a cursor that is none
 */
export function oldestOf<T extends Place>(
  doubts: readonly T[],
  { limit, cursor }: PageRequest,
  isMeant: (doubt: T) => boolean = () => true,
): OldestDoubts<T> {
  const after = cursor === undefined ? undefined : placeOf(cursor);
  const found: T[] = [];
  let total = 0;
  let isMore = false;
  for (const doubt of doubts) {
    if (!isMeant(doubt)) continue;
    total += 1;
    if (after !== undefined && !isBefore(after, doubt)) continue;
    const last = found.at(-1);
    if (found.length >= limit && last !== undefined) {
      isMore = true;
      if (!isBefore(doubt, last)) continue;
      found.pop();
    }
    found.splice(placeIn(found, doubt), 0, doubt);
  }
  const last = found.at(-1);
  return { items: found, total, ...(isMore && last !== undefined ? { next: cursorOf(last) } : {}) };
}

const isBefore = (one: Place, other: Place): boolean =>
  one.changedAt === other.changedAt ? one.id < other.id : one.changedAt < other.changedAt;

/** Where it belongs among those that are sorted. */
function placeIn(sorted: readonly Place[], doubt: Place): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (isBefore(sorted[middle] as Place, doubt)) from = middle + 1;
    else to = middle;
  }
  return from;
}

const cursorOf = ({ changedAt, id }: Place): string => `${changedAt}.${id}`;

function placeOf(cursor: string): Place {
  const [, changedAt, id] = /^(\d{1,15})\.([a-z2-7]{32})$/.exec(cursor) ?? [];
  if (changedAt === undefined) throw new RangeError("the cursor is none of a page");
  return { changedAt: Number(changedAt), id: id as Id };
}
