// What waits in a lane: whatever is taken out of its middle, the others come in their order, each once, and are found.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { QueuedTransmission } from "../../src/dispatch/queue.ts";
import { createWaiting } from "../../src/dispatch/waiting.ts";

const queuedAt = (number: number, dueAt: number): QueuedTransmission =>
  ({ claim: { id: `${number}`, fence: 1 }, dueAt, acceptedAt: number }) as unknown as QueuedTransmission;

const action = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), dueAt: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ kind: fc.constant("tried" as const), dueAt: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ kind: fc.constant("remove" as const), which: fc.nat(20) }),
  fc.record({ kind: fc.constant("next" as const), now: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ kind: fc.constant("release" as const) }),
  fc.record({ kind: fc.constant("expire" as const), which: fc.nat(3) }),
);

test("as a plain list would answer", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const waiting = createWaiting();
      let queue: QueuedTransmission[] = [];
      let tried: QueuedTransmission[] = [];
      let number = 0;
      const without = (queued: QueuedTransmission) => {
        queue = queue.filter((one) => one !== queued);
        tried = tried.filter((one) => one !== queued);
      };
      for (const one of actions) {
        if (one.kind === "add" || one.kind === "tried") {
          const queued = queuedAt(++number, one.dueAt);
          if (one.kind === "add") waiting.add(queued);
          else waiting.addTried(queued);
          (one.kind === "add" ? queue : tried).push(queued);
        } else if (one.kind === "remove") {
          const queued = [...queue, ...tried][one.which];
          if (queued === undefined) continue;
          expect(waiting.find(queued.claim.id)).toBe(queued);
          waiting.takeFound(queued);
          without(queued);
          expect(waiting.find(queued.claim.id)).toBeUndefined();
        } else if (one.kind === "next") {
          const isDue = ({ dueAt }: QueuedTransmission) => dueAt <= one.now;
          const next = waiting.next(isDue);
          const least = Math.min(...queue.map(({ dueAt }) => dueAt));
          if (tried.length > 0 && !(least <= one.now)) expect(next).toBe(tried[0]);
          else expect(next?.dueAt).toBe(queue.length === 0 ? undefined : least);
          if (next === undefined) continue;
          expect([...queue, ...tried]).toContain(next);
          waiting.take(next);
          without(next);
        } else if (one.kind === "release") {
          waiting.release();
          queue.push(...tried.splice(0));
        } else {
          const isSo = ({ acceptedAt }: QueuedTransmission) => acceptedAt % 4 === one.which;
          const expected = [...queue, ...tried].filter(isSo);
          expect(new Set(waiting.takeAll(isSo))).toEqual(new Set(expected));
          for (const queued of expected) without(queued);
        }
        const seen: QueuedTransmission[] = [];
        waiting.each((queued) => seen.push(queued));
        expect(new Set(seen)).toEqual(new Set([...queue, ...tried]));
        expect(seen).toHaveLength(queue.length + tried.length);
        expect(waiting.length).toBe(seen.length);
        expect(waiting.facts(0).waiting).toBe(seen.length);
      }
    }),
    { numRuns: 500 },
  );
});

test("of two with one id none is passed over", () => {
  const waiting = createWaiting();
  const [one, other] = [queuedAt(1, 1), queuedAt(1, 2)];
  waiting.add(one);
  waiting.add(other);
  waiting.takeFound(other);
  expect(waiting.next(() => true)).toBe(one);
  waiting.take(one);
  expect(waiting.length).toBe(0);
});

test.each(["add", "addTried"] as const)("what is taken out and put back (%s) waits again", (put) => {
  const waiting = createWaiting();
  const [one, other] = [queuedAt(1, 1), queuedAt(2, 2)];
  waiting.add(one);
  waiting.add(other);
  waiting.takeFound(one);
  waiting[put](one);
  expect(waiting.find(one.claim.id)).toEqual(one);
  const seen: QueuedTransmission[] = [];
  waiting.each((queued) => seen.push(queued));
  expect(seen).toHaveLength(2);
  // The entries that were taken out are removed for good now.
  waiting.takeAll((queued) => queued === other);
  expect(waiting.length).toBe(1);
  const next = waiting.next(() => true) as QueuedTransmission;
  expect(next).toEqual(one);
  waiting.take(next);
  expect(waiting.next(() => true)).toBeUndefined();
});
