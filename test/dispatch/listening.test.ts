// When what is held for evidence has been held for long enough, beside what test/evidence/wait.test.ts shows of a gateway.
import { expect, test } from "vitest";
import { createListening } from "../../src/dispatch/listening.ts";
import type { QueuedTransmission } from "../../src/dispatch/queue.ts";
import { createEvidenceWait } from "../../src/evidence/wait.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import type { SpooledTransmission } from "../../src/spool/record.ts";
import { idOf } from "../support/ids.ts";
import { createManualClock } from "../support/manual-clock.ts";

const WAIT_MS = 300_000;
const READ_MS = 120_000;
const id = idOf("a");

/** One mail is held until the time. */
function listeningUntil(until: number) {
  const clock = createManualClock(0);
  const world: { readingSince: number | undefined; isUp: boolean; isHeldUp: boolean } = {
    ...{ readingSince: 0, isUp: true, isHeldUp: false },
  };
  const wait = createEvidenceWait({
    ...{ waitMsOf: () => WAIT_MS, clock },
    readingSince: () => world.readingSince,
    isUp: () => world.isUp,
    isHeldUp: () => world.isHeldUp,
  });
  const transmission: SpooledTransmission = {
    ...{ id, messageId: "<a@b.example>", recipient: "r@example.net", size: 10, sender: {} },
    ...{ digest: "00".repeat(16), acceptedAt: 0, attempts: 1, dueAt: 0 },
    ...{ held: true, hold: "doubt", evidenceUntil: until },
  };
  const queued: QueuedTransmission = {
    ...{ key: { submission: "s", index: 0 }, claim: { id, fence: 1 }, dueAt: 0, size: 10, lane: 0 },
    ...{ acceptedAt: 0, isAttempted: true },
  };
  const over: number[] = [];
  const listening = createListening({
    inDoubt: new Map([[id, { queued, transmission }]]),
    ...{ wait, isBusy: () => false, clock, random: systemRandom, log: silentLog },
    over: async () => void over.push(clock.now()),
  });
  listening.until(id, until, undefined);
  return { clock, wait, world, over };
}

test("no wait ends before evidence is read, however long the start takes", () => {
  const { clock, wait, over } = listeningUntil(READ_MS);
  clock.advance(3 * WAIT_MS);
  expect(over).toEqual([]);
  wait.begin();
  clock.advance(READ_MS - 1);
  expect(over).toEqual([]);
  clock.advance(1);
  expect(over).toEqual([3 * WAIT_MS + READ_MS]);
});

test("a queue that is read again since a moment ago is read for two minutes first", () => {
  const { clock, wait, world, over } = listeningUntil(WAIT_MS);
  wait.begin();
  world.readingSince = undefined;
  clock.advance(WAIT_MS - 1_000);
  world.readingSince = clock.now();
  clock.advance(READ_MS - 1);
  expect(over).toEqual([]);
  clock.advance(1);
  expect(over).toEqual([WAIT_MS - 1_000 + READ_MS]);
});

test("while the queue is silent mail does not wait for it", () => {
  const { clock, wait, world, over } = listeningUntil(WAIT_MS);
  wait.begin();
  world.readingSince = undefined;
  clock.advance(WAIT_MS);
  expect(over).toEqual([WAIT_MS]);
});

test("a queue that comes and goes puts it off once", () => {
  const { clock, wait, world, over } = listeningUntil(WAIT_MS);
  wait.begin();
  for (let second = 0; second < 600; second++) {
    world.readingSince = clock.now();
    clock.advance(1_000);
  }
  expect(over).toEqual([WAIT_MS - 1_000 + READ_MS]);
});

test("while what was read can't be settled no wait ends, and then the queue is read first", () => {
  const { clock, wait, world, over } = listeningUntil(WAIT_MS);
  wait.begin();
  clock.advance(WAIT_MS - 20_000);
  // So for a while around the end of the wait; nobody asked before it.
  world.isHeldUp = true;
  world.readingSince = undefined;
  clock.advance(3 * WAIT_MS);
  expect(over).toEqual([]);
  world.isHeldUp = false;
  world.readingSince = clock.now();
  clock.advance(READ_MS - 1);
  expect(over).toEqual([]);
  clock.advance(11_000);
  expect(over).toHaveLength(1);
});

test("what was put off once is put off again while nothing can be settled", () => {
  const { clock, wait, world, over } = listeningUntil(WAIT_MS);
  wait.begin();
  world.readingSince = WAIT_MS - 1_000;
  clock.advance(WAIT_MS + 1_000);
  world.isHeldUp = true;
  clock.advance(WAIT_MS);
  expect(over).toEqual([]);
  world.isHeldUp = false;
  world.readingSince = clock.now();
  clock.advance(READ_MS + 11_000);
  expect(over).toHaveLength(1);
});

test("while the ledger is away no wait ends, and then the queue is read first", () => {
  const { clock, wait, world, over } = listeningUntil(WAIT_MS);
  wait.begin();
  world.isUp = false;
  world.readingSince = undefined;
  clock.advance(3 * WAIT_MS);
  expect(over).toEqual([]);
  world.isUp = true;
  // It was found away ten seconds ago at most.
  clock.advance(READ_MS - 10_001);
  expect(over).toEqual([]);
  clock.advance(20_000);
  expect(over).toHaveLength(1);
});
