import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createSesUpstream } from "../../src/upstream/ses/ses.ts";
import { createSmtpUpstream } from "../../src/upstream/smtp/smtp.ts";
import { kindOf } from "../conformance/upstream.ts";
import { type BlockedListener, createBlockedListener } from "../support/blocked-listener.ts";
import { neverAborted, transmissionOf } from "../support/transmission.ts";

let nobody: BlockedListener;
beforeEach(async () => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
  nobody = await createBlockedListener();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await nobody.close();
});

// The request's time-out is longer, so that each can only end by the one for connecting.
test("ses: what never connected was not sent", async () => {
  const timeouts = { connectMs: 200, requestMs: 30_000 };
  const endpoint = `http://127.0.0.1:${nobody.port}`;
  const upstream = createSesUpstream({ region: "eu-west-1", endpoint, timeouts });
  expect(kindOf(await upstream.transmit(transmissionOf(), neverAborted))).toBe("down");
  await upstream.close();
});

test("smtp: what never connected was not sent", async () => {
  const timeouts = { connectMs: 200, commandMs: 30_000 };
  const where = { host: "127.0.0.1", port: nobody.port, hostname: "client.example", tls: "none" } as const;
  const upstream = createSmtpUpstream({ ...where, timeouts });
  expect(kindOf(await upstream.transmit(transmissionOf(), neverAborted))).toBe("down");
  await upstream.close();
});
