// Where the configuration has events read, doubt waits for them: who starts the gateway says nothing else.
import { afterEach, expect, test, vi } from "vitest";
import { gatewayAmongOthers, settled } from "../dispatch/among-others.ts";

afterEach(() => void vi.unstubAllEnvs());

const WAIT_MS = 300_000;

test("with a queue of events a doubt waits for them", async () => {
  // Else the SDK would look for credentials in the network.
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
  const { relay, calls, first, clock } = await gatewayAmongOthers({
    ...{ MAILONCE_UPSTREAM_KIND: "ses", MAILONCE_UPSTREAM_SES_REGION: "eu-west-1" },
    ...{ MAILONCE_SPOOL_RETRY_MIN: "10s", MAILONCE_UPSTREAM_SES_EVENTS_WAIT: "5m" },
    // Nobody listens there, which is known at once.
    MAILONCE_UPSTREAM_SES_EVENTS_QUEUE_URL: "http://127.0.0.1:9/000000000000/events",
  });
  first.answer({ kind: "doubtful", cause: "the connection was lost" });
  await settled();
  clock.advance(WAIT_MS - 1);
  await settled();
  expect(calls).toHaveLength(1);
  expect(await relay.doubtful.list()).toMatchObject([{ standing: "held" }]);
  await relay.drain();
  await relay.close();
});
