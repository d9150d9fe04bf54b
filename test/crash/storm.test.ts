import { afterAll, beforeAll, expect, test } from "vitest";
import { type Build, build } from "./gateway-process.ts";
import { runStorm } from "./storm.ts";

let built: Build;
beforeAll(() => {
  built = build();
});
afterAll(() => built.remove());

/** `npm run crash -- --storm 200` is the long one. */
const ROUNDS = 20;

test(`one task on 50 connections at the same instant, ${ROUNDS} times: relayed once each`, async () => {
  const { queued, taken, repeated } = await runStorm(built, 50, ROUNDS);
  expect(queued).toEqual(Array.from({ length: ROUNDS }, () => 1));
  expect({ taken, repeated }).toEqual({ taken: ROUNDS, repeated: 0 });
});
