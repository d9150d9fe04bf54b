// Which way a mail goes, by the domain of its sender.
import { expect, test } from "vitest";
import { createRoutes, type Route, type RoutedUpstream } from "../../src/dispatch/routes.ts";
import { senderDomainsOf } from "../../src/identity/id-right.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { unlimited } from "../../src/runtime/rate.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { createManualClock } from "../support/manual-clock.ts";

function open(routes: readonly Route[]) {
  const closed: string[] = [];
  const upstreams = new Map(
    ["a", "b", "c"].map((name, index): [string, RoutedUpstream] => {
      const limits = { messageOctets: 1, lineOctets: 1, smtpUtf8: true };
      const transmit: Upstream["transmit"] = async () => ({ kind: "accepted", upstreamId: name });
      const upstream: Upstream = { name, limits, transmit, close: async () => void closed.push(name) };
      return [name, { upstream, rate: unlimited, concurrency: 10 + index }];
    }),
  );
  const parts = { clock: createManualClock(), random: systemRandom, log: silentLog };
  const made = createRoutes(routes, upstreams, parts, { minMs: 5_000, maxMs: 900_000 });
  const wayOf = (from: string | undefined, reversePath = ""): string | undefined =>
    made.lanes[made.laneOf(senderDomainsOf({ from, reversePath }))]?.upstream.name;
  return { made, wayOf, closed };
}

const routes: Route[] = [
  { domains: ["one.example", "xn--bcher-kva.example"], by: "from", upstreams: ["a"] },
  { domains: ["bounces.example"], by: "reverse-path", upstreams: ["b", "a"] },
  { by: "from", upstreams: ["c"] },
  { domains: ["two.example"], by: "from", upstreams: ["b", "a"] },
];

test("by From, by the reverse-path, and all other mail", () => {
  const { wayOf } = open(routes);
  expect(wayOf("Shop <shop@ONE.example>")).toBe("a");
  expect(wayOf("shop@bücher.example")).toBe("a");
  expect(wayOf("shop@two.example")).toBe("b, a");
  expect(wayOf("shop@other.example", "x@bounces.example")).toBe("b, a");
  expect(wayOf("shop@bounces.example", "x@one.example")).toBe("c");
  expect(wayOf("shop@sub.one.example")).toBe("c");
  expect(wayOf(undefined)).toBe("c");
  expect(wayOf("nobody")).toBe("c");
});

test("the first route that fits counts", () => {
  const { wayOf } = open(routes);
  expect(wayOf("shop@one.example", "x@bounces.example")).toBe("a");
});

test("a list is one lane, however many routes lead there; the smallest concurrency counts", () => {
  const { made } = open(routes);
  expect(made.lanes.map(({ upstream }) => upstream.name)).toEqual(["a", "b, a", "c"]);
  expect(made.lanes.map(({ concurrency }) => concurrency)).toEqual([10, 10, 12]);
});

test("each upstream is closed once", async () => {
  const { made, closed } = open(routes);
  await made.close();
  expect(closed).toEqual(["a", "b", "c"]);
});
