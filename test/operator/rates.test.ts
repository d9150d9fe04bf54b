// How much went through in the last minutes, from sums that the parts count.
import { expect, test } from "vitest";
import { createCounters } from "../../src/metrics/counters.ts";
import { createRates, flowOf } from "../../src/operator/status/rates.ts";
import { createManualClock } from "../support/manual-clock.ts";

function open() {
  const clock = createManualClock();
  const now = { accepted: 0, relayed: 0, repeats: 0, refused: 0 };
  const rates = createRates(() => ({ ...now }), clock);
  return { clock, now, rates };
}

test("of the last minute and of the last five, since the start before that", () => {
  const { clock, now, rates } = open();
  now.accepted = 7;
  expect(rates.inLast(60).accepted).toBe(7);
  // One each second.
  for (let second = 0; second < 600; second++) {
    clock.advance(1_000);
    now.accepted++;
    now.repeats += 2;
    if (second === 29) expect(rates.inLast(60)).toMatchObject({ accepted: 37, repeats: 60 });
  }
  expect(rates.inLast(60)).toMatchObject({ accepted: 61, repeats: 122 });
  expect(rates.inLast(300)).toMatchObject({ accepted: 301, repeats: 602 });
  expect(rates.sinceStart()).toEqual({ accepted: 607, relayed: 0, repeats: 1_200, refused: 0 });
  clock.advance(61_000);
  expect(rates.inLast(60)).toEqual({ accepted: 0, relayed: 0, repeats: 0, refused: 0 });
  expect(rates.inLast(300).accepted).toBe(240);
});

test("its timer ends", () => {
  const { clock, rates } = open();
  rates.close();
  clock.advance(1_000);
  expect(clock.untilNext()).toBeUndefined();
});

test("what the parts count is added up: over identities, upstreams and kinds of repeats", () => {
  const counters = createCounters();
  counters.recipients.of("queued").add("task", 3);
  counters.recipients.of("queued").add("none");
  counters.recipients.of("repeat_relayed").add("task", 2);
  counters.recipients.of("repeat_underway").add("fingerprint");
  counters.recipients.of("conflict").add("task");
  counters.attempts.of("ses").add("accepted", 5);
  counters.attempts.of("relay").add("accepted");
  counters.attempts.of("relay").add("refused");
  counters.attempts.of("relay").add("later", 9);
  expect(flowOf(counters)).toEqual({ accepted: 4, relayed: 6, repeats: 3, refused: 1 });
});
