// The fuzzing of the API of SES that `npm run fuzz -- --requests` does at length, short and from a fixed seed.
import { expect, test } from "vitest";
import { fuzz } from "./fuzz.ts";
import { memoryFaults } from "./memory-bound.ts";

const SEED = 20_261_128;

test(`seed ${SEED}: every request has its answer, every 200 its mail, and memory goes back`, async () => {
  const report = await fuzz({ seed: SEED, lines: 0, messages: 0, requests: 3_000 });
  expect(report.faults).toEqual([]);
  expect(memoryFaults(report.memory)).toEqual([]);
  expect(report.requests).toBeGreaterThanOrEqual(3_000);
  // Mails are taken, and refused for many reasons.
  expect(report.account.taken).toBeGreaterThan(500);
  expect(report.account.repeats).toBeGreaterThan(40);
  for (const answer of [
    ...["400", "400 BadRequestException", "400 InvalidParameterValue", "400 MessageRejected", "417", "431"],
    ...["403 InvalidSignatureException", "403 SignatureDoesNotMatch", "403 AccessDenied"],
  ]) {
    expect(report.replies.get(`HTTP ${answer}`) ?? 0, answer).toBeGreaterThan(0);
  }
});
