// Which queues are read, and how long an id in doubt waits for what is in them.
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { eventQueuesOf, evidenceWaitOf } from "../../src/config/events.ts";

const QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/mailonce";
const plain = loadConfig({ environment: {} });

type Upstream = (typeof plain.upstreams)[string];
const upstream = (kind: Upstream["kind"], events: Partial<Upstream["ses"]["events"]> = {}): Upstream => {
  const { memory_max_bytes: _, ...rest } = plain.upstream;
  return {
    ...rest,
    kind,
    ses: { ...rest.ses, region: "eu-west-1", events: { ...rest.ses.events, ...events } },
  };
};

test("none unless one is named, and only of SES", () => {
  for (const one of [upstream("ses"), upstream("smtp", { queue_url: QUEUE })]) {
    const config = { ...plain, upstreams: { one } };
    expect(eventQueuesOf(config)).toEqual([]);
    expect(evidenceWaitOf(config)).toBeUndefined();
  }
});

test("a queue that two upstreams name is one, and each has a wait of its own", () => {
  const other = `${QUEUE}-other`;
  const config = {
    ...plain,
    upstreams: {
      a: upstream("ses", { queue_url: QUEUE, wait: 1_000 }),
      b: upstream("ses", { queue_url: QUEUE, wait: 3_000 }),
      c: upstream("ses", { queue_url: other, wait: 2_000 }),
      d: upstream("smtp"),
    },
  };
  expect(eventQueuesOf(config)).toEqual([
    { queueUrl: QUEUE, region: "eu-west-1", waitMs: 1_000 },
    { queueUrl: other, region: "eu-west-1", waitMs: 2_000 },
  ]);
  const waitOf = evidenceWaitOf(config);
  expect(["a", "b", "c", "d", "gone", undefined].map((name) => waitOf?.(name))).toEqual([
    1_000, 3_000, 2_000, 0, 0, 3_000,
  ]);
});

test("a single upstream has no name in the configuration, so whatever names it has the wait", () => {
  const environment = { MAILONCE_UPSTREAM_KIND: "ses", MAILONCE_UPSTREAM_SES_EVENTS_QUEUE_URL: QUEUE };
  const waitOf = evidenceWaitOf(loadConfig({ environment }));
  for (const name of ["ses eu-west-1", undefined]) expect(waitOf?.(name)).toBe(5 * 60_000);
});
