// What a claim without an answer may have left in the engine is given up, and nothing that came after it.
import { expect, test } from "vitest";
import type { Claim } from "../../src/ledger/ledger.ts";
import { LEAVINGS_MAX } from "../../src/ledger/shared/leavings.ts";
import { openSharedLedger } from "../../src/ledger/shared/shared.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { HARNESS_RETENTION_MS } from "../conformance/ledger.ts";
import { HARNESS_LEASE_MS } from "../conformance/ledger-shared.ts";
import { request } from "../conformance/ledger-steps.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryEngines } from "../support/memory-engine.ts";
import { watchEngine } from "../support/watched-engine.ts";

test("while the engine is away, claims are remembered up to a bound, and refused unasked beyond it", async () => {
  const clock = createManualClock();
  const limits = { retentionMs: HARNESS_RETENTION_MS, leaseMs: HARNESS_LEASE_MS };
  const engines = createMemoryEngines(() => clock.now(), limits);
  const watched = watchEngine(engines.connect());
  const ledger = await openSharedLedger({
    ...limits,
    ...{ engine: watched.engine, gatewayId: "a", clock, elapsed: () => clock.now(), log: silentLog },
  });
  engines.fail({ calls: ["insert", "read", "take", "change"] });
  for (let asked = 0; asked < LEAVINGS_MAX; asked += 200) {
    const requests = Array.from({ length: 200 }, (_, index) => request(`${asked + index}`));
    await expect(ledger.claim(requests)).rejects.toMatchObject({ code: "unavailable" });
  }
  engines.mend();
  await expect(ledger.claim([request("one more")])).rejects.toThrow(/still without an answer/);

  // What was asked for can't take effect any more, and has been looked for.
  clock.advance(engines.connect().callMaxMs);
  await watched.idle();
  clock.advance(1_000);
  await watched.idle();
  expect(await ledger.claim([request("one more")])).toMatchObject([{ kind: "claimed" }]);
  await ledger.close();
});

test("a claim that was relayed while an earlier one was cleaned up stays relayed", async () => {
  const clock = createManualClock();
  const limits = { retentionMs: HARNESS_RETENTION_MS, leaseMs: HARNESS_LEASE_MS };
  const engines = createMemoryEngines(() => clock.now(), limits);
  const watched = watchEngine(engines.connect());
  const ledger = await openSharedLedger({
    ...limits,
    ...{ engine: watched.engine, gatewayId: "a", clock, elapsed: () => clock.now(), log: silentLog },
  });
  watched.delayCall("insert");
  await expect(ledger.claim([request("x")])).rejects.toMatchObject({ code: "unavailable" });

  // It is looked for what that claim has left, and the next one comes first.
  const read = engines.hold(["read"]);
  const answer = watched.holdAnswers("read");
  clock.advance(1);
  const [result] = await ledger.claim([request("x")]);
  const claim = (result as { claim: Claim }).claim;
  ledger.accepted([claim]);
  read();
  await watched.idle();
  expect(await ledger.attempt(claim, "a date")).toBe("attempted");
  expect(await ledger.settle(claim, "relayed")).toBe("settled");
  answer();
  await watched.idle();
  expect(await ledger.claim([request("x")])).toMatchObject([{ kind: "repeat", standing: "relayed" }]);
  await ledger.close();
});
