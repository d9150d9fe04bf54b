// An operator's pauses: durable before the answer, over by time that passes, and none half made.
import { expect, test } from "vitest";
import { openOperatorPauses } from "../../src/dispatch/operator-pauses.ts";
import type { LogFields } from "../../src/runtime/log.ts";
import { openSpool } from "../../src/spool/spool.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";

const HOUR_MS = 3_600_000;

async function open(storage = createMemoryStorage(), clock = createManualClock()) {
  const spool = await openSpool(storage);
  const lines: [string, LogFields | undefined][] = [];
  const note = (event: string, fields?: LogFields): void => void lines.push([event, fields]);
  let overs = 0;
  const pauses = await openOperatorPauses({
    ...{ note: spool, clock, log: { warn: note, error: note } },
    over: () => void overs++,
  });
  return { storage, clock, spool, lines, pauses, overs: () => overs };
}

const settle = () => new Promise(setImmediate);

test("it is durable when it is answered, and as it was after a restart", async () => {
  const { storage, clock, pauses, lines } = await open();
  const since = clock.now();
  await pauses.pause(["ses", "relay"], { forMs: HOUR_MS, reason: "a move", by: "ann" });
  await pauses.pause(["other"], {});
  expect(lines).toEqual([
    [
      "operator.paused",
      {
        ...{ upstreams: ["ses", "relay"], until: new Date(since + HOUR_MS).toISOString() },
        ...{ reason: "a move", by: "ann" },
      },
    ],
    ["operator.paused", { upstreams: ["other"] }],
  ]);
  storage.crash();
  const again = await open(storage, clock);
  expect(again.pauses.of("ses")).toEqual({ since, until: since + HOUR_MS, reason: "a move", by: "ann" });
  expect(again.pauses.of("relay")).toEqual(again.pauses.of("ses"));
  expect(again.pauses.of("other")).toEqual({ since });
  expect(again.pauses.of("fourth")).toBeUndefined();
});

test("the longest duration that can be written ends with the calendar", async () => {
  const { storage, clock, pauses, lines } = await open();
  await pauses.pause(["ses"], { forMs: 999_999_999 * 24 * HOUR_MS });
  expect(lines).toMatchObject([["operator.paused", { until: "+275760-09-13T00:00:00.000Z" }]]);
  storage.crash();
  const again = await open(storage, clock);
  expect(new Date(again.pauses.of("ses")?.until ?? 0).toISOString()).toBe("+275760-09-13T00:00:00.000Z");
});

test("resumed, it stays so after a restart; what was not paused is not named", async () => {
  const { storage, clock, pauses, lines, overs } = await open();
  await pauses.pause(["ses", "relay"], {});
  expect([...(await pauses.resume(["ses", "other"], { reason: "done" })).keys()]).toEqual(["ses"]);
  expect(lines.at(-1)).toEqual(["operator.resumed", { upstreams: ["ses"], reason: "done" }]);
  expect([pauses.of("ses"), overs()]).toEqual([undefined, 1]);
  expect((await pauses.resume(["ses"], {})).size).toBe(0);
  storage.crash();
  const again = await open(storage, clock);
  expect(again.pauses.of("ses")).toBeUndefined();
  expect(again.pauses.of("relay")).toBeDefined();
});

test("it ends by itself, by time that passes and not by the clock, also while no gateway runs", async () => {
  const { storage, clock, pauses, lines, overs } = await open();
  await pauses.pause(["ses"], { forMs: HOUR_MS });
  await pauses.pause(["relay"], { forMs: 60 * 24 * HOUR_MS });
  clock.set(clock.now() - 2 * HOUR_MS);
  clock.advance(HOUR_MS - 1);
  expect(pauses.of("ses")).toBeDefined();
  clock.advance(1);
  await settle();
  expect([pauses.of("ses"), overs()]).toEqual([undefined, 1]);
  expect(lines.at(-1)).toEqual([
    "operator.resumed",
    { upstreams: ["ses"], reason: "the time of the pause is over" },
  ]);
  // A timer of 25 days and more would end at once.
  clock.advance(60 * 24 * HOUR_MS - HOUR_MS - 1);
  await settle();
  expect(pauses.of("relay")).toBeDefined();

  pauses.close();
  storage.crash();
  clock.advance(3 * HOUR_MS);
  const again = await open(storage, clock);
  clock.advance(0);
  await settle();
  expect(again.pauses.of("relay")).toBeUndefined();
  expect(again.lines.map(([event]) => event)).toEqual(["operator.resumed"]);
});

test("paused again: since when stays, the end is the new one", async () => {
  const { clock, pauses } = await open();
  const since = clock.now();
  await pauses.pause(["ses"], { forMs: HOUR_MS });
  clock.advance(HOUR_MS / 2);
  const before = await pauses.pause(["ses"], { reason: "longer" });
  expect(before.get("ses")).toEqual({ since, until: since + HOUR_MS });
  clock.advance(HOUR_MS);
  await settle();
  expect(pauses.of("ses")).toEqual({ since, reason: "longer" });
});

test("the disk takes nothing: as before, and who asked gets the error", async () => {
  const { storage, pauses, lines, overs } = await open();
  await pauses.pause(["relay"], { reason: "first" });
  storage.fail({ call: "commit", times: 2 });
  await expect(pauses.pause(["ses", "relay"], { reason: "second" })).rejects.toThrow();
  expect([pauses.of("ses"), pauses.of("relay")?.reason]).toEqual([undefined, "first"]);
  expect(overs()).toBe(1);
  await expect(pauses.resume(["relay"], {})).rejects.toThrow();
  expect(pauses.of("relay")?.reason).toBe("first");
  expect(lines.map(([event]) => event)).toEqual(["operator.paused"]);
});

test("of two that come together the later one holds, in memory and on the disk", async () => {
  const { storage, clock, pauses } = await open();
  await Promise.all([pauses.pause(["ses"], {}), pauses.resume(["ses"], {}), pauses.pause(["relay"], {})]);
  expect([pauses.of("ses"), pauses.of("relay") !== undefined]).toEqual([undefined, true]);
  storage.crash();
  const again = await open(storage, clock);
  expect([again.pauses.of("ses"), again.pauses.of("relay") !== undefined]).toEqual([undefined, true]);
});
