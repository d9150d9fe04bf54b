// Thousands of doubts, page by page: the oldest first, each of them once; over HTTP and by the command's client.
import { expect, test } from "vitest";
import type { Doubt } from "../../src/ledger/ledger.ts";
import { createDoubtfulDesk, type DoubtfulEntry } from "../../src/operator/doubtful.ts";
import { gatewayDesk } from "../../src/operator/http/client.ts";
import { openHttpPlace } from "../support/http-place.ts";
import { closed } from "../support/pages-place.ts";
import { idOf } from "../support/transmission.ts";

const MANY = 5_000;
const BEGUN = Date.UTC(2026, 10, 27);

/** In no order; seven of each moment. */
function doubtsOf(count: number): Doubt[] {
  return Array.from({ length: count }, (_, n) => {
    const at = (n * 2_711) % count;
    const rest = { firstDate: "", digest: new Uint8Array(16), claimed: at % 5 === 0 };
    return { id: idOf(at), changedAt: BEGUN + Math.floor(at / 7) * 1_000, ...rest };
  });
}

function deskOf(doubts: readonly Doubt[]) {
  const none = async (): Promise<never> => {
    throw new Error("not asked for here");
  };
  return createDoubtfulDesk({
    ledger: { doubts: async () => [...doubts], decide: none },
    spool: { read: none },
    policy: "hold",
    spooled: () => undefined,
    decisions: {
      ...{ isBusy: () => false, make: none, makeApart: none, decidedRelayed: none, decidedNotRelayed: none },
      decidedElsewhere() {},
    },
    history: { decided() {} },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    addresses: false,
  });
}

const inOrder = (doubts: readonly Doubt[]): string[] =>
  doubts
    .toSorted((one, other) => one.changedAt - other.changedAt || (one.id < other.id ? -1 : 1))
    .map(({ id }) => id);

test.each([1, 199, 200, 1_000, MANY, MANY + 1])("pages of %s have each once, in order", async (limit) => {
  const doubts = doubtsOf(limit === 1 ? 300 : MANY);
  const desk = deskOf(doubts);
  const found: DoubtfulEntry[] = [];
  let cursor: string | undefined;
  do {
    const { items, total, next } = await desk.oldest({ limit, cursor });
    expect(total).toBe(doubts.length);
    expect(items.length).toBe(Math.min(limit, doubts.length - found.length));
    found.push(...items);
    cursor = next;
  } while (cursor !== undefined);
  expect(found.map(({ id }) => id)).toEqual(inOrder(doubts));
});

test("what is decided between two pages takes none of the others away", async () => {
  const doubts = doubtsOf(MANY);
  const desk = deskOf(doubts);
  const first = await desk.oldest({ limit: 200 });
  const gone = new Set(first.items.map(({ id }) => id));
  doubts.splice(0, MANY, ...doubts.filter(({ id }) => !gone.has(id)));
  const second = await desk.oldest({ limit: MANY, cursor: first.next });
  expect(second.items.map(({ id }) => id)).toEqual(inOrder(doubts));
});

test("by age, and without what is another gateway's", async () => {
  const doubts = doubtsOf(MANY);
  const until = BEGUN + 100_000;
  const { items, total, next } = await deskOf(doubts).oldest({ limit: 50, until, isOurs: true });
  const meant = inOrder(doubts.filter(({ changedAt, claimed }) => changedAt <= until && !claimed));
  expect([items.map(({ id }) => id), total]).toEqual([meant.slice(0, 50), meant.length]);
  expect(next).toBeDefined();
});

test("over HTTP by pages of a thousand at most, and the command's client has all of them", async () => {
  const doubts = doubtsOf(2_500);
  const { ask, data } = closed(await openHttpPlace({ parts: { doubtful: deskOf(doubts) } }));
  const first = await ask("/api/v1/doubtful");
  const body = JSON.parse(first.body) as { doubtful: DoubtfulEntry[]; total: number; next: string };
  expect([body.doubtful.length, body.total]).toEqual([1_000, 2_500]);
  const few = JSON.parse((await ask(`/api/v1/doubtful?limit=2&cursor=${body.next}`)).body);
  expect(few.doubtful.map(({ id }: DoubtfulEntry) => id)).toEqual(inOrder(doubts).slice(1_000, 1_002));
  expect((await gatewayDesk(data).list()).map(({ id }) => id)).toEqual(inOrder(doubts));
  for (const query of ["cursor=x", "cursor=1.", "limit=0", "limit=1001", "more=1"]) {
    expect([query, (await ask(`/api/v1/doubtful?${query}`)).status]).toEqual([query, 400]);
  }
});
