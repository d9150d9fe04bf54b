// Reads the history, newest first, a page at a time.
import type { Id } from "../identity/message-id.ts";
import { bufferOf } from "../runtime/buffer-view.ts";
import type { Page, PageRequest } from "../runtime/page.ts";
import type { Store } from "../storage/storage.ts";
import type { HistoryEvent, HistoryMail, HistoryMemory, HistoryReader } from "./history.ts";
import {
  countNames,
  decodeNoted,
  idNamed,
  keyOfIdIn,
  type NameKind,
  prefixOfId,
  prefixOfNames,
  STAMP_OCTETS,
  sumOf,
  upstreamIdOf,
} from "./record.ts";
import type { Shelf } from "./shelf.ts";
import type { Writing } from "./writing.ts";

/** Records that one page may look at, found or not: some 50 ms, in which others have their turns. */
const LOOKED_AT_MAX = 20_000;

/** Records of one id that are looked at for what is known of it: it has some hundred after three days of tries. */
const KNOWN_MAX = 1_000;

/** Longer than a stamp, and after all of them. */
const BEYOND = new Uint8Array(STAMP_OCTETS + 1).fill(255);

interface StoredMemory {
  known(id: Id): ReturnType<HistoryMemory["known"]>;
}

/** Where a page begins: at this place of the record with this stamp, the first one unless given. */
interface Position {
  readonly stamp: Uint8Array;
  readonly place: number;
}

const BEGINNING: Position = { stamp: new Uint8Array(), place: 0 };

const positionOf = (cursor: string | undefined): Position => {
  if (cursor === undefined) return BEGINNING;
  const match = /^([0-9a-f]{16})-(\d{1,6})$/.exec(cursor);
  if (match === null) throw new RangeError("not a cursor");
  return { stamp: Buffer.from(match[1] as string, "hex"), place: Number(match[2]) };
};

const cursorOf = (key: Uint8Array, place: number): string =>
  `${bufferOf(key).toString("hex", key.length - STAMP_OCTETS)}-${place}`;

export function createReading(shelf: Shelf, writing: Writing): HistoryReader & StoredMemory {
  /** @param read what is found in a record from a place on, each item with the place after it */
  async function pageOf<T>(
    prefix: Uint8Array,
    { limit, cursor }: PageRequest,
    read: (
      store: Store,
      key: Uint8Array,
      value: Uint8Array,
      place: number,
    ) => AsyncIterable<readonly [item: T, next: number]>,
  ): Promise<Page<T>> {
    let { stamp, place } = positionOf(cursor);
    await writing.flush();
    const items: T[] = [];
    let looked = 0;
    let last: Uint8Array | undefined;
    const store = await shelf.store();
    const range = { gte: Buffer.concat([prefix, stamp]), lt: Buffer.concat([prefix, BEYOND]) };
    for await (const [key, value] of store.entries(range)) {
      if (looked++ >= LOOKED_AT_MAX) return { items, next: cursorOf(key, 0) };
      // The record that the cursor names may be gone by now.
      const isNamed = last !== undefined || Buffer.compare(key, range.gte) !== 0;
      if (isNamed) place = 0;
      last = key;
      for await (const [item, next] of read(store, key, value, place)) {
        if (items.push(item) >= limit) return { items, next: cursorOf(key, next) };
      }
    }
    return { items };
  }

  /** Those that are named so, and for which `mailOf` finds the event of it. */
  const named = (
    kind: NameKind,
    name: string,
    page: PageRequest,
    mailOf: (id: Id, event: HistoryEvent) => HistoryMail | undefined,
  ): Promise<Page<HistoryMail>> => {
    const sum = sumOf(kind, name);
    return pageOf(prefixOfNames(sum), page, async function* (store, key, names, from) {
      for (let place = from; place < countNames(names); place++) {
        const id = idNamed(names, place, sum);
        const value = id === undefined ? undefined : await store.get(keyOfIdIn(key, id));
        if (id === undefined || value === undefined) continue;
        for (const event of decodeNoted(value)) {
          const mail = mailOf(id, event);
          if (mail === undefined) continue;
          yield [mail, place + 1] as const;
          break;
        }
      }
    });
  };

  return {
    async known(id) {
      // In memory first: what is written meanwhile is in both.
      const noted = writing.noted(id);
      const prefix = prefixOfId(id);
      const stored: HistoryEvent[] = [];
      let looked = 0;
      const store = await shelf.store();
      const range = { gte: prefix, lt: Buffer.concat([prefix, BEYOND]) };
      for await (const [, value] of store.entries(range)) {
        stored.push(...decodeNoted(value));
        if (++looked >= KNOWN_MAX) break;
      }
      return eachOnce(stored.reverse(), noted);
    },

    ofId: (id, page) =>
      pageOf(prefixOfId(id), page, async function* (_store, _key, value, from) {
        const events = decodeNoted(value);
        for (let place = from; place < events.length; place++) {
          yield [events[place] as HistoryEvent, place + 1] as const;
        }
      }),

    ofTask: (task, wanted, page) =>
      named("task", task, page, (id, event) => {
        if (event.kind !== "accepted" || event.task !== task) return undefined;
        const { at, recipient } = event;
        if (wanted !== undefined && recipient !== wanted) return undefined;
        return recipient === undefined ? { id, at } : { id, at, recipient };
      }),

    ofUpstreamId: (upstreamId, page) =>
      named("upstreamId", upstreamId, page, (id, event) =>
        upstreamIdOf(event) === upstreamId ? { id, at: event.at } : undefined,
      ),
  };
}

/** What is being written may be in memory and in the store. */
function eachOnce(stored: readonly HistoryEvent[], noted: readonly HistoryEvent[]): readonly HistoryEvent[] {
  if (stored.length === 0 || noted.length === 0) return [...stored, ...noted];
  const texts = new Set(stored.map((event) => JSON.stringify(event)));
  return [...stored, ...noted.filter((event) => !texts.has(JSON.stringify(event)))];
}
