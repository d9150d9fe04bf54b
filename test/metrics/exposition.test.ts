// The text that Prometheus reads.
import { expect, test } from "vitest";
import { catalogueOf } from "../../src/metrics/catalogue.ts";
import { createCounters } from "../../src/metrics/counters.ts";
import { createExposition } from "../../src/metrics/exposition.ts";
import { createHistogram } from "../../src/metrics/histogram.ts";
import { NO_READINGS } from "../support/readings.ts";

test("counters, gauges and histograms, with their labels", async () => {
  const histogram = createHistogram([0.5, 1]);
  for (const value of [0.1, 0.7, 0.8, 9]) histogram.observe(value);
  const { text, contentType } = createExposition([
    {
      name: "a_total",
      help: "A.",
      kind: "counter",
      labels: ["code"],
      read: () => [
        [2, "250"],
        [0, "451"],
      ],
    },
    {
      name: "b_bytes",
      help: "B.",
      kind: "gauge",
      labels: [],
      read: async () => [[Number.POSITIVE_INFINITY]],
    },
    {
      name: "c_seconds",
      help: "C.",
      kind: "histogram",
      labels: ["upstream"],
      read: () => [[histogram, 'a "b"']],
    },
  ]);
  expect(contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect((await text()).split("\n").filter((line) => line !== "")).toEqual([
    "# HELP a_total A.",
    "# TYPE a_total counter",
    'a_total{code="250"} 2',
    'a_total{code="451"} 0',
    "# HELP b_bytes B.",
    "# TYPE b_bytes gauge",
    "b_bytes +Inf",
    "# HELP c_seconds C.",
    "# TYPE c_seconds histogram",
    String.raw`c_seconds_bucket{upstream="a \"b\"",le="0.5"} 1`,
    String.raw`c_seconds_bucket{upstream="a \"b\"",le="1"} 3`,
    String.raw`c_seconds_bucket{upstream="a \"b\"",le="+Inf"} 4`,
    String.raw`c_seconds_sum{upstream="a \"b\""} 10.6`,
    String.raw`c_seconds_count{upstream="a \"b\""} 4`,
  ]);
});

test("each text has the numbers of its moment, also when several are asked for at once", async () => {
  const counters = createCounters();
  const { text } = createExposition(catalogueOf(counters, NO_READINGS));
  const codes = (all: string) =>
    all.split("\n").filter((line) => line.startsWith("mailonce_smtp_replies_total{"));
  expect(codes(await text())).toEqual([]);
  counters.replies.add(250);
  const both = await Promise.all([text(), text()]);
  expect(both.map(codes)).toEqual([0, 1].map(() => ['mailonce_smtp_replies_total{code="250"} 1']));
  counters.replies.add(250);
  expect(codes(await text())).toEqual(['mailonce_smtp_replies_total{code="250"} 2']);
});

test("a metric that nothing would set is not there", () => {
  const names = (more: object) =>
    catalogueOf(createCounters(), { ...NO_READINGS, ...more }).map(({ name }) => name);
  const least = names({});
  const added = (more: object) => names(more).filter((name) => !least.includes(name));
  expect(added({ remembered: () => ({ ids: 0, generations: 0 }) })).toEqual([
    "mailonce_ledger_ids",
    "mailonce_ledger_generations",
  ]);
  expect(added({ shared: { isUp: () => true, gateways: () => 1 } })).toEqual([
    "mailonce_ledger_up",
    "mailonce_ledger_call_duration_seconds",
    "mailonce_ledger_takeovers_total",
    "mailonce_gateways_alive",
  ]);
  expect(added({ quotas: () => [] })).toEqual(["mailonce_ses_quota_max", "mailonce_ses_quota_remaining"]);
  expect(added({ certificates: () => [] })).toEqual(["mailonce_tls_certificate_not_after_timestamp_seconds"]);
});

test("an upstream in several lists is there once, paused where one of them says so", async () => {
  const none = { count: 0 };
  const states = { due: none, waiting: none, held: none };
  const metrics = catalogueOf(createCounters(), {
    ...NO_READINGS,
    now: () => 61_000,
    lanes: () => [
      {
        ...{ name: "a", upstreams: [{ name: "a", pause: {} }], ...states },
        due: { count: 2, oldestAcceptedAt: 1_000, oldestDueAt: 60_000 },
      },
      {
        ...{ name: "b, a", upstreams: [{ name: "b", perSecond: 5 }, { name: "a" }], ...states },
        waiting: { count: 1, oldestAcceptedAt: 1_000, oldestDueAt: 99_000 },
      },
    ],
  });
  const rows = async (name: string) => await metrics.find((one) => one.name === `mailonce_${name}`)?.read();
  expect(await rows("upstream_paused")).toEqual([
    [1, "a"],
    [0, "b"],
  ]);
  expect(await rows("upstream_rate_limit")).toEqual([
    [Number.POSITIVE_INFINITY, "a"],
    [5, "b"],
  ]);
  const ages = (await rows("queue_oldest_age_seconds"))?.filter(([age]) => age !== 0);
  expect(ages).toEqual([
    [1, "a", "due"],
    [60, "b, a", "waiting"],
  ]);
});
