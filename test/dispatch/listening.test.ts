// When what is held for evidence has been held for long enough, beside what test/evidence/wait.test.ts shows of a gateway.
import { expect, test } from "vitest";
import { createListening } from "../../src/dispatch/listening.ts";
import type { QueuedTransmission } from "../../src/dispatch/queue.ts";
import { createEvidenceWait } from "../../src/evidence/wait.ts";
import { silentLog } from "../../src/runtime/log.ts";
import type { SpooledTransmission } from "../../src/spool/record.ts";
import { idOf } from "../support/ids.ts";
import { createManualClock } from "../support/manual-clock.ts";

const WAIT_MS = 300_000;
const READ_MS = 120_000;
const id = idOf("a");

/** One mail is held until the time. */
function listeningUntil(until: number) {
  const clock = createManualClock(0);
  const wait = createEvidenceWait(clock, () => WAIT_MS);
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
    ...{ wait, isBusy: () => false, clock, log: silentLog },
    over: async () => void over.push(clock.now()),
  });
  listening.until(id, until, undefined);
  return { clock, wait, over };
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
