import { afterAll, beforeAll, expect, test } from "vitest";
import { type Build, build } from "./gateway-process.ts";
import { createPlace } from "./place.ts";
import { storm } from "./storm.ts";

let built: Build;
beforeAll(() => {
  built = build();
});
afterAll(() => built.remove());

/** `npm run crash -- --storm 200` is the long one. */
const ROUNDS = 20;

test(`one task on 50 connections at the same instant, ${ROUNDS} times: relayed once each`, async () => {
  const place = await createPlace(built);
  const gateway = await place.start();
  const queued = await storm(gateway.port as number, 50, ROUNDS);
  expect(queued).toEqual(Array.from({ length: ROUNDS }, () => 1));
  await gateway.order({ kind: "tell-when-dry" });
  expect(place.upstream.taken.length).toBe(ROUNDS);
  expect(place.upstream.repeated()).toEqual([]);
});
