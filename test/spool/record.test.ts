// What the spool notes of a transmission comes back as it was, and an older build's records mean what they meant.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeTransmission,
  encodeTransmission,
  freed,
  holdOf,
  LAST_REPLY_MAX,
  lastAttemptOf,
  type SpooledTransmission,
} from "../../src/spool/record.ts";

const plain: SpooledTransmission = {
  id: "a".repeat(32),
  messageId: "<a@b.example>",
  recipient: "r@example.net",
  size: 10,
  sender: {},
  digest: "00".repeat(16),
  acceptedAt: 1,
  attempts: 0,
  dueAt: 1,
};

test("the last attempt comes back, within its limits", () => {
  const text = fc.string({ unit: "binary", maxLength: 10_000 });
  const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
  const hold = fc.constantFrom("doubt", "operator", undefined);
  fc.assert(
    fc.property(text, text, time, hold, (upstream, reply, at, why) => {
      const last = lastAttemptOf(upstream, reply, at);
      expect(Buffer.byteLength(last.lastReply)).toBeLessThanOrEqual(LAST_REPLY_MAX);
      expect(Buffer.byteLength(last.lastUpstream)).toBeLessThanOrEqual(LAST_REPLY_MAX);
      const held = why === undefined ? {} : ({ held: true, hold: why } as const);
      const record = encodeTransmission({ ...plain, ...last, ...held });
      const found = decodeTransmission(record);
      expect(found).toEqual({ ...plain, ...last, ...held });
      expect(holdOf(found)).toBe(why);
      expect(freed(found, 7)).toEqual({ ...plain, ...last, acceptedAt: 7, dueAt: 7 });
    }),
  );
});

test("what an older build held is held for a doubt", () => {
  expect(holdOf({ ...plain, held: true })).toBe("doubt");
});

test("what this build held and an older one freed is not held", () => {
  expect(holdOf({ ...plain, hold: "doubt" })).toBeUndefined();
});

test("what this build holds is held for an older build, whatever the reason", () => {
  for (const hold of ["doubt", "operator"] as const) {
    const record = JSON.parse(Buffer.from(encodeTransmission({ ...plain, held: true, hold })).toString());
    expect(record.held).toBe(true);
  }
});
