// A history on a disk and a clock that the test owns.
import type { History, HistoryEvent, HistoryReader } from "../../src/history/history.ts";
import { type HistoryOptions, openHistory } from "../../src/history/open.ts";
import type { LogFields } from "../../src/runtime/log.ts";
import type { Page, PageRequest } from "../../src/runtime/page.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { createManualClock, type ManualClock } from "../support/manual-clock.ts";

export const HOUR = 3_600_000;

/** What the disk has to do is done, and the history's own next steps too. */
export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 60; turn++) await new Promise(setImmediate);
};

export interface Kept {
  readonly history: History;
  readonly clock: ManualClock;
  readonly lines: readonly ({ readonly event: string } & LogFields)[];
  events(): string[];
  /** Lets so much time pass, in steps in which the disk can do its work. */
  pass(ms: number): Promise<void>;
}

export async function keepHistory(
  storage: Storage,
  options: Partial<HistoryOptions> = {},
  clock = createManualClock(),
): Promise<Kept> {
  const lines: ({ readonly event: string } & LogFields)[] = [];
  const note = (event: string, fields: LogFields = {}) => void lines.push({ event, ...fields });
  const log = { debug: note, info: note, warn: note, error: note };
  const history = await openHistory(
    { storage, clock, log },
    { retentionMs: 72 * HOUR, addresses: true, wasRunBefore: async () => false, ...options },
  );
  return {
    ...{ history, clock, lines },
    events: () => lines.map(({ event }) => event),
    async pass(ms) {
      const step = ms > 60_000 ? 60_000 : 1_000;
      for (let left = ms; left > 0; left -= step) {
        clock.advance(Math.min(left, step));
        await settled();
      }
    },
  };
}

/** Page by page. */
export async function all<T>(read: (page: PageRequest) => Promise<Page<T>>, limit = 3): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await read({ limit, cursor });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return items;
}

export const allOf = (history: HistoryReader, id: string): Promise<HistoryEvent[]> =>
  all((page) => history.ofId(id, page));
