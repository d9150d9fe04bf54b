// The expiry of doubt at an engine whose answers are lost: a line for each, before it is gone, and one only.
import { expect, test } from "vitest";
import type { Engine } from "../../src/ledger/shared/engine.ts";
import { startExpiry } from "../../src/ledger/shared/expiry.ts";
import { type Log, silentLog } from "../../src/runtime/log.ts";
import { digestOf } from "../conformance/ledger.ts";
import { pseudoIds } from "../support/ids.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryEngines } from "../support/memory-engine.ts";

const RETENTION_MS = 64_000;

async function doubt(engine: Engine, key: Uint8Array, firstDate: string): Promise<void> {
  const life = await engine.register("a");
  const digest = digestOf(1);
  await engine.insert(life, [{ key, digest }]);
  const [record] = await engine.read([key]);
  const change = {
    key,
    fence: record?.fence ?? 0,
    step: 1,
    to: "remembered",
    digest,
    firstDate,
    bound: false,
  };
  expect(await engine.change([change as Parameters<Engine["change"]>[0][number]])).toEqual([true]);
}

for (const takesEffect of [true, false]) {
  test(`a sweep that ${takesEffect ? "is not answered" : "fails"} loses no line, and repeats none`, async () => {
    const clock = createManualClock();
    const engines = createMemoryEngines(() => clock.now(), { retentionMs: RETENTION_MS, leaseMs: 1_000 });
    const engine = engines.connect();
    const [key] = [...pseudoIds("doubt", 1)] as [Uint8Array];
    await doubt(engine, key, "date");
    clock.advance(RETENTION_MS + 1);
    const events: [string, unknown][] = [];
    const note = (event: string, facts?: unknown) => void events.push([event, facts]);
    const log: Log = { ...silentLog, warn: note, error: note };
    const expiry = startExpiry({ engine, clock, log, retentionMs: RETENTION_MS, expired: () => {} });
    engines.fail({ calls: ["sweep"], takesEffect, times: 3 });
    for (let sweeps = 0; sweeps < 6; sweeps++) {
      while (clock.untilNext() === undefined) await new Promise(setImmediate);
      clock.advance(clock.untilNext() ?? 0);
    }
    await expiry.stop();
    expect((await engine.read([key]))[0]).toBeUndefined();
    const names = events.map(([event]) => event);
    expect(names.filter((name) => name === "ledger.doubtful_expired")).toHaveLength(1);
    expect(names.filter((name) => name === "ledger.sweep_failed")).toHaveLength(3);
    if (takesEffect) expect(names[0]).toBe("ledger.doubtful_expired");
  });
}
