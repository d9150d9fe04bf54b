// A clock that is wrong, and generations that come and go meanwhile: on the process and on the real disk.
import { afterAll, beforeAll, expect, test } from "vitest";
import { openEmbeddedLedger } from "../../src/ledger/embedded/embedded.ts";
import type { ClaimResult } from "../../src/ledger/ledger.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { digestOf } from "../conformance/ledger.ts";
import { idOf } from "../support/ids.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { temporaryFolder } from "../support/storage.ts";
import { type Build, build } from "./gateway-process.ts";
import { createPlace, stopTested, submitNumbered, upTo } from "./place.ts";

let built: Build;
beforeAll(() => {
  built = build();
});
afterAll(() => built.remove());

const HOUR_MS = 3_600_000;
const settings = { LEDGER_RETENTION: "4h", SPOOL_LIFETIME: "3h" };

test("set forth and back by hours, over restarts: nothing goes twice within the retention", async () => {
  const place = await createPlace(built);
  // The retention is four hours, a generation half of one. Never more than the retention ahead of the past.
  const offsets = [0, 3, -2, 0, 1, -1, 1.5].map((hours) => hours * HOUR_MS);
  const known: number[] = [];
  for (const [run, offset] of offsets.entries()) {
    const gateway = await place.start({ clockOffsetMs: offset }, settings);
    for (const reply of await submitNumbered(gateway, known)) expect(reply).toContain("repeat of");
    const fresh = upTo(5).map((n) => run * 10 + n);
    for (const reply of await submitNumbered(gateway, fresh)) expect(reply).toContain("queued as");
    known.push(...fresh);
    await gateway.order({ kind: "advance", ms: run % 2 === 0 ? HOUR_MS / 2 : -HOUR_MS / 2 });
    const later = upTo(5).map((n) => run * 10 + 5 + n);
    await submitNumbered(gateway, later);
    known.push(...later);
    expect(await gateway.order({ kind: "tell-when-dry" })).toEqual({ kind: "dry", waiting: 0 });
    for (const reply of await submitNumbered(gateway, known)) expect(reply).toContain("repeat of");
    if (run % 2 === 0) expect(await stopTested(gateway)).toBe(0);
    else {
      gateway.signal("SIGKILL");
      await gateway.exited;
    }
  }
  expect(place.upstream.taken.length).toBe(known.length);
  expect(place.upstream.repeated()).toEqual([]);
});

test("set back while mail waits for its next attempt: it goes, and once", async () => {
  const place = await createPlace(built);
  place.upstream.play("refuse-rcpt-4");
  const gateway = await place.start({}, settings);
  await submitNumbered(gateway, [1]);
  await gateway.logged("transmission.refused");
  await gateway.order({ kind: "advance", ms: -2 * HOUR_MS });
  place.upstream.play("accept");
  await gateway.logged("transmission.relayed");
  expect(place.upstream.taken.length).toBe(1);
});

test("the retention is over: the id is new again, and its generation is off the disk", async () => {
  const place = await createPlace(built);
  const start = async (hours: number) => await place.start({ clockOffsetMs: hours * HOUR_MS }, settings);
  const first = await start(0);
  await submitNumbered(first, [1]);
  await first.logged("transmission.relayed");
  await stopTested(first);
  // One start finds that the generation is over, a later one that it has expired.
  await stopTested(await start(1));
  const last = await start(6);
  expect(last.lines.some(({ event }) => event === "ledger.generation_expired")).toBe(true);
  expect((await submitNumbered(last, [1]))[0]).toContain("queued as");
  await last.logged("transmission.relayed");
  expect(place.upstream.taken.length).toBe(2);
});

test("ids looked up while their generation expires and others are closed early: each is whole or absent", async () => {
  const retentionMs = 64_000;
  const clock = createManualClock();
  const storage = createDiskStorage(await temporaryFolder());
  const ledger = await openEmbeddedLedger({ storage, clock, log: silentLog, retentionMs, firstCapacity: 64 });
  const request = (label: string) => ({ id: idOf(label), digest: digestOf(1) });
  const relay = async (label: string): Promise<ClaimResult["kind"]> => {
    const [result] = (await ledger.claim([request(label)])) as [ClaimResult];
    if (result.kind === "claimed") {
      await ledger.attempt(result.claim, "Tue, 10 Dec 2013 10:13:06 +0000");
      await ledger.settle(result.claim, "relayed");
    }
    return result.kind;
  };
  // With 64 ids a generation is full long before its span of eight seconds is over.
  for (let n = 0; n < 300; n++) expect(await relay(`early ${n}`)).toBe("claimed");
  for (let n = 0; n < 300; n++) expect(await relay(`early ${n}`)).toBe("repeat");
  clock.advance(retentionMs - 1);
  for (let n = 0; n < 300; n++) expect(await relay(`early ${n}`)).toBe("repeat");

  const kinds = new Map<string, number>();
  const lookUps = async (): Promise<void> => {
    // The time comes in the midst of it, and the sweeps with it, at the speed of the disk.
    for (let n = 0; n < 300 || !kinds.has("claimed"); n++) {
      const kind = await relay(`early ${n % 300}`);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      if (n < 300 && n % 10 === 0) clock.advance(retentionMs / 100);
    }
  };
  await Promise.all([lookUps(), relay("late")]);
  expect([...kinds.keys()].sort()).toEqual(["claimed", "repeat"]);
  expect(await relay("late")).toBe("repeat");
  await ledger.close();
});
