// Which queues are read.
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { eventQueuesOf } from "../../src/config/events.ts";

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
  }
});

test("a queue that two upstreams name is one", () => {
  const other = `${QUEUE}-other`;
  const config = {
    ...plain,
    upstreams: {
      a: upstream("ses", { queue_url: QUEUE }),
      b: upstream("ses", { queue_url: QUEUE }),
      c: upstream("ses", { queue_url: other }),
      d: upstream("smtp"),
    },
  };
  expect(eventQueuesOf(config)).toEqual([
    { queueUrl: QUEUE, region: "eu-west-1" },
    { queueUrl: other, region: "eu-west-1" },
  ]);
});
