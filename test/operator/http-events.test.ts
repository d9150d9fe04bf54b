// Events as they happen: what a page gets, what a visitor does not, and what many readers and slow ones cost.
import { request } from "node:http";
import type { Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createChanges } from "../../src/history/changes.ts";
import type { Id } from "../../src/identity/message-id.ts";
import { createEvents } from "../../src/operator/status/events.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { askAt, bearer, type HttpPlace, openHttpPlace, openRaw, STATUS } from "../support/http-place.ts";
import { createManualClock } from "../support/manual-clock.ts";

const PATH = "/api/v1/events";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function openPlace(options: Parameters<typeof openHttpPlace>[0] = {}): Promise<HttpPlace> {
  const place = await openHttpPlace(options);
  ends.push(place.close);
  return place;
}

interface Page {
  /** Resolves when so many events of the name have come, with their data. */
  got(name: string, count?: number): Promise<unknown[]>;
  readonly text: () => string;
  readonly ended: Promise<void>;
  readonly headers: Readonly<Record<string, unknown>>;
  leave(): void;
}

async function openPage(
  port: number,
  headers: Readonly<Record<string, string>> = {},
  query = "",
): Promise<Page> {
  let text = "";
  const checks = new Set<() => void>();
  const asked = request({ host: "127.0.0.1", port, path: `${PATH}${query}`, headers, agent: false });
  asked.on("error", () => {});
  asked.end();
  const reply = await new Promise<import("node:http").IncomingMessage>((resolve) =>
    asked.once("response", resolve),
  );
  reply.on("error", () => {});
  reply.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
    for (const check of checks) check();
  });
  const eventsOf = (name: string): unknown[] =>
    [...text.matchAll(/^event: (.*)\ndata: (.*)\n$/gm)]
      .filter(([, one]) => one === name)
      .map(([, , data = ""]) => JSON.parse(data));
  ends.push(() => asked.destroy());
  return {
    got: (name, count = 1) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (eventsOf(name).length >= count) resolve(eventsOf(name));
        };
        checks.add(check);
        check();
      }),
    text: () => text,
    ended: new Promise((resolve) => reply.once("close", resolve)),
    headers: reply.headers,
    leave: () => void asked.destroy(),
  };
}

/** Lets so many seconds pass, each with all that it brings. */
async function seconds(place: HttpPlace, count: number): Promise<void> {
  for (let second = 0; second < count; second++) {
    place.clock.advance(1_000);
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  }
}

const untilCount = async (place: HttpPlace, count: number): Promise<void> => {
  while (place.events.count() !== count) await new Promise(setImmediate);
};

test("the state comes at once and when it changes, ids of mails when something happens to them", async () => {
  const place = await openPlace();
  const page = await openPage(place.port);
  expect(page.headers).toMatchObject({ "content-type": "text/event-stream", "cache-control": "no-store" });
  await seconds(place, 1);
  expect(await page.got("status")).toMatchObject([
    { phase: "running", troubles: [{ text: expect.any(String) }] },
  ]);
  place.setStatus({ disk: { minimum: 0, free: 1_000 } });
  await seconds(place, 3);
  place.setStatus({ phase: "draining" });
  place.changes.note("a".repeat(32) as Id);
  await seconds(place, 1);
  expect(await page.got("status", 2)).toMatchObject([{}, { phase: "draining", disk: { free: 1_000 } }]);
  expect(await page.got("mails")).toEqual([{ ids: ["a".repeat(32)], isMore: false }]);
  // A proxy must not take it for dead.
  await seconds(place, 20);
  await page.got("status", 2);
  expect(page.text()).toContain(": still there\n\n");
  expect(page.text().match(/^event: /gm)).toHaveLength(3);
});

test("many streams together get the state less often, but at once what is wrong anew", async () => {
  const place = await openPlace();
  const pages = await Promise.all(Array.from({ length: 30 }, () => openPage(place.port, {}, "?only=status")));
  await seconds(place, 1);
  await Promise.all(pages.map((page) => page.got("status")));
  const states = (): number[] => pages.map((page) => page.text().match(/^event: status$/gm)?.length ?? 0);
  const changed = async (reportsWaiting: number): Promise<void> => {
    place.setStatus({ reportsWaiting });
    await seconds(place, 1);
  };
  // 30 streams, 20 a second: each other second.
  for (let count = 1; count <= 8; count++) await changed(count);
  await Promise.all(pages.map((page) => page.got("status", 5)));
  expect(new Set(states())).toEqual(new Set([5]));
  await changed(9);
  // What is wrong is the same, though its text counts on: it waits for its turn.
  place.setStatus({ troubles: STATUS.troubles.map((trouble) => ({ ...trouble, text: "another text" })) });
  await seconds(place, 1);
  await Promise.all(pages.map((page) => page.got("status", 6)));
  place.setStatus({ troubles: STATUS.troubles.map((trouble) => ({ ...trouble, text: "a third text" })) });
  await seconds(place, 1);
  expect(new Set(states())).toEqual(new Set([6]));
  place.setStatus({ troubles: [] });
  await seconds(place, 1);
  await Promise.all(pages.map((page) => page.got("status", 7)));
  place.setStatus({ troubles: STATUS.troubles });
  await seconds(place, 1);
  expect((await Promise.all(pages.map((page) => page.got("status", 8)))).map((all) => all.at(-1))).toEqual(
    pages.map(() => expect.objectContaining({ reportsWaiting: 9, troubles: [expect.anything()] })),
  );
});

test("who comes between two states that all get has what is so in the end", async () => {
  const place = await openPlace();
  const pages = await Promise.all(Array.from({ length: 50 }, () => openPage(place.port, {}, "?only=status")));
  await seconds(place, 1);
  await Promise.all(pages.map((page) => page.got("status")));
  place.setStatus({ reportsWaiting: 1 });
  const late = await openPage(place.port, {}, "?only=status");
  await seconds(place, 1);
  expect(await late.got("status")).toMatchObject([{ reportsWaiting: 1 }]);
  place.setStatus({ reportsWaiting: STATUS.reportsWaiting });
  await seconds(place, 1);
  const all = await late.got("status", 2);
  expect(all.at(-1)).toMatchObject({ reportsWaiting: STATUS.reportsWaiting });
});

test("who asks for the state only gets no ids, and nothing is collected for them", async () => {
  const place = await openPlace();
  const page = await openPage(place.port, {}, "?only=status");
  await seconds(place, 1);
  await page.got("status");
  place.changes.note("a".repeat(32) as Id);
  expect(place.changes.take()).toEqual({ ids: [], isMore: false });
  const both = await openPage(place.port);
  place.changes.note("b".repeat(32) as Id);
  place.setStatus({ phase: "draining" });
  await seconds(place, 1);
  expect(await both.got("mails")).toEqual([{ ids: ["b".repeat(32)], isMore: false }]);
  await page.got("status", 2);
  expect(page.text()).not.toContain("event: mails");
  expect((await askAt(place.port, `${PATH}?only=mails`)).status).toBe(400);
});

test("a visitor gets neither replies nor places; who has a token gets both", async () => {
  const place = await openPlace();
  const visitor = await openPage(place.port);
  await seconds(place, 1);
  await visitor.got("status");
  expect(visitor.text()).not.toMatch(/reply|Correct|smtp/);
  const closed = await openPlace({ withTokens: true });
  expect((await askAt(closed.port, PATH)).status).toBe(401);
  const token = await closed.addToken("ann", "read");
  const reader = await openPage(closed.port, bearer(token));
  await seconds(closed, 1);
  expect(await reader.got("status")).toMatchObject([{ troubles: [{ reason: "535 a reply" }] }]);
});

test("it ends when the gateway stops, when its reader goes, and after ten minutes", async () => {
  const place = await openPlace();
  const [leaves, stays] = [await openPage(place.port), await openPage(place.port)];
  await untilCount(place, 2);
  leaves.leave();
  await untilCount(place, 1);
  await seconds(place, 601);
  await stays.ended;
  expect(place.events.count()).toBe(0);
  const last = await openPage(place.port);
  await untilCount(place, 1);
  place.events.close();
  await last.ended;
  expect((await askAt(place.port, PATH)).status).toBe(503);
});

test("to ask for its header only takes no place", async () => {
  const place = await openPlace();
  for (let n = 0; n < 200; n++) expect((await askAt(place.port, PATH, { method: "HEAD" })).status).toBe(200);
  expect(place.events.count()).toBe(0);
});

describe("1,000 streams", () => {
  test("of visitors: 64 are open, the others are told so, and cost little; health is answered", async () => {
    const place = await openPlace({ clock: systemClock });
    const before = process.memoryUsage().rss;
    const sockets: Socket[] = [];
    let statuses = "";
    for (let n = 0; n < 1_000; n++) {
      const socket = await openRaw(place.port);
      sockets.push(socket);
      socket.setEncoding("latin1").on("data", (text: string) => {
        statuses += /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? "";
        statuses += " ";
      });
      socket.write(`GET ${PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    }
    ends.push(() => {
      for (const socket of sockets) socket.destroy();
    });
    await untilCount(place, 64);
    expect((await askAt(place.port, "/healthz")).status).toBe(200);
    while ((statuses.match(/503/g)?.length ?? 0) < 100) await new Promise(setImmediate);
    expect(place.events.count()).toBe(64);
    expect(statuses.match(/200/g)).toHaveLength(64);
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(100);
  });

  test("with a token there are 128, also when visitors have all of theirs", () => {
    const events = createEvents({
      status: async () => STATUS,
      changes: createChanges(),
      clock: createManualClock(),
    });
    const open = (role: "visitor" | "read", count: number): number =>
      Array.from({ length: count }, () => events.open(role, true)).filter((one) => one !== undefined).length;
    expect([open("visitor", 1_000), open("read", 1_000), open("visitor", 1)]).toEqual([64, 64, 0]);
    events.close();
    expect([events.count(), open("read", 1)]).toEqual([0, 0]);
  });
});

test("a slow reader is cut when 64 KiB wait for it; the others go on", async () => {
  const clock = createManualClock();
  const changes = createChanges();
  const events = createEvents({ status: async () => STATUS, changes, clock });
  const slow = events.open("read", true);
  const reader = events.open("read", true)?.getReader();
  if (slow === undefined || reader === undefined) throw new Error("not open");
  let octets = 0;
  const reading = (async () => {
    for (let read = await reader.read(); !read.done; read = await reader.read()) octets += read.value.length;
  })();
  for (let second = 0; second < 20; second++) {
    for (let n = 0; n < 500; n++) changes.note(`${second}.${n}`.padEnd(32, "a") as Id);
    clock.advance(1_000);
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  }
  expect(events.count()).toBe(1);
  expect(octets).toBeGreaterThan(20 * 500 * 32);
  events.close();
  await reading;
  // What waited for the slow one is no more than one event above the bound.
  let kept = 0;
  for await (const piece of slow) kept += piece.length;
  expect(kept).toBeLessThan(64 * 1024 + 500 * 40);
});

test("nothing is collected while nobody watches, and no more than 500 ids a second", () => {
  const changes = createChanges();
  changes.note("a" as Id);
  expect(changes.take()).toEqual({ ids: [], isMore: false });
  changes.watch(true);
  for (let n = 0; n < 501; n++) changes.note(`${n}` as Id);
  const { ids, isMore } = changes.take();
  expect([ids.length, isMore, changes.take().isMore]).toEqual([500, true, false]);
});
