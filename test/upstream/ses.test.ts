import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { silentLog } from "../../src/runtime/log.ts";
import { createSesUpstream, type SesUpstreamOptions } from "../../src/upstream/ses.ts";
import { sesExpectations } from "../conformance/ses-expectations.ts";
import { testUpstream, verdictOf } from "../conformance/upstream.ts";
import { createScriptedSes, type ScriptedSes } from "../support/scripted-ses.ts";
import type { SesFault } from "../support/ses-faults.ts";
import { messageOf, neverAborted, transmissionOf } from "../support/transmission.ts";

beforeEach(() => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
  // What the environment says must not bring the SDK's retries back.
  vi.stubEnv("AWS_MAX_ATTEMPTS", "5");
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
});
afterEach(() => vi.unstubAllEnvs());

const timeouts = { connectMs: 300, requestMs: 400 };
const open = (endpoint: string, more: SesUpstreamOptions = {}) =>
  createSesUpstream({ region: "eu-west-1", endpoint, timeouts, ...more });

testUpstream<SesFault>({
  name: "ses",
  expectations: sesExpectations,
  async setUp(fault) {
    const peer = await createScriptedSes({ script: fault });
    return {
      upstream: open(peer.endpoint),
      peer,
      async close() {
        // P2: one attempt is one request, whatever went wrong.
        expect(peer.calls(), "requests").toBeLessThanOrEqual(1);
        await peer.close();
      },
    };
  },
});

describe("a call", () => {
  let peer: ScriptedSes;
  beforeEach(async () => {
    peer = await createScriptedSes({ keepContents: true });
  });
  afterEach(() => peer.close());

  test("carries the octets as they are, the recipient, and the reverse-path for bounces", async () => {
    const more = { configurationSet: "events", fromEmailAddressIdentityArn: "arn:aws:ses:x" };
    const transmission = transmissionOf({ bodyOctets: 300_000, chunkOctets: 1_000 });
    await open(peer.endpoint, more).transmit(transmission, neverAborted);
    expect(peer.lastCall()).toEqual({
      ConfigurationSetName: "events",
      FromEmailAddressIdentityArn: "arn:aws:ses:x",
      FeedbackForwardingEmailAddress: "sender@example.org",
      EmailTags: [{ Name: "mailonce-id", Value: transmission.id }],
      Destination: { ToAddresses: ["reader@example.net"] },
    });
    const octets = Buffer.from(peer.taken[0]?.octets ?? []);
    expect(octets.equals(messageOf(transmission.messageId, 300_000))).toBe(true);
  });

  test("of the null reverse-path names no address for bounces", async () => {
    await open(peer.endpoint).transmit(transmissionOf({ reversePath: "" }), neverAborted);
    expect(peer.lastCall()).not.toHaveProperty("FeedbackForwardingEmailAddress");
  });

  test("gives the id of SES", async () => {
    const outcome = await open(peer.endpoint).transmit(transmissionOf(), neverAborted);
    expect(outcome).toEqual({ kind: "accepted", upstreamId: "0100-1-000000" });
  });

  test("follows another over the same connection", async () => {
    const upstream = open(peer.endpoint);
    for (let number = 0; number < 5; number++) {
      await upstream.transmit(transmissionOf({ number }), neverAborted);
    }
    expect(peer.taken).toHaveLength(5);
    expect(peer.connections()).toBe(1);
    await upstream.close();
  });

  test.each([
    ["too-many-requests", 250],
    ["too-many-requests-retry-after", 7_000],
    ["rate-exceeded", 250],
    ["quota-exceeded", 60_000],
    ["quota-exceeded-until", 120_000],
    ["account-suspended", 60_000],
  ] as const)("that meets %s is not to be repeated before %d ms", async (fault, retryAfterMs) => {
    peer.play(fault);
    const outcome = await open(peer.endpoint).transmit(transmissionOf(), neverAborted);
    expect(outcome).toMatchObject({ kind: "refused", retryAfterMs });
  });

  test("takes configuration set and tags from the message, beside the gateway's own tag", async () => {
    const octets = Buffer.from(
      "From: a@b.example\r\nX-SES-CONFIGURATION-SET: own\r\nX-SES-MESSAGE-TAGS: a=1,\r\n b=2, c d=3\r\n\r\nHi\r\n",
    );
    const transmission = transmissionOf({ octets });
    const warnings: unknown[] = [];
    const log = { ...silentLog, warn: (event: string, fields?: unknown) => warnings.push([event, fields]) };
    const upstream = open(peer.endpoint, { configurationSet: "of all", log });
    await upstream.transmit(transmission, neverAborted);
    await upstream.transmit(transmission, neverAborted);
    expect(peer.lastCall()).toMatchObject({
      ConfigurationSetName: "own",
      EmailTags: [
        { Name: "mailonce-id", Value: transmission.id },
        { Name: "a", Value: "1" },
        { Name: "b", Value: "2" },
      ],
    });
    expect(Buffer.from(peer.taken[0]?.octets ?? []).equals(octets)).toBe(true);
    expect(warnings).toEqual([["upstream.bad_tags", expect.objectContaining({ left_out: 1 })]]);
  });

  test("that is aborted while SES works on it is doubtful", async () => {
    peer.play("held-reply");
    const abort = new AbortController();
    const attempt = open(peer.endpoint, { timeouts: {} }).transmit(transmissionOf(), abort.signal);
    await peer.struck();
    abort.abort();
    expect((await attempt).kind).toBe("doubtful");
    expect(peer.taken).toHaveLength(1);
  });

  test("with content cut short is not made", async () => {
    const transmission = transmissionOf();
    const upstream = open(peer.endpoint);
    const short = { ...transmission, size: transmission.size + 1 };
    expect(verdictOf(await upstream.transmit(short, neverAborted))).toBe("transient");
    expect(peer.calls()).toBe(0);
  });
});

describe("certainly not sent, by our own configuration", () => {
  const verdict = async (endpoint: string, more: SesUpstreamOptions = {}) =>
    verdictOf(await open(endpoint, more).transmit(transmissionOf(), neverAborted));

  test("nobody listens", async () => {
    const peer = await createScriptedSes();
    await peer.close();
    expect(await verdict(peer.endpoint)).toBe("upstream");
  });

  test("no region", async () => {
    vi.stubEnv("AWS_REGION", undefined);
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    const outcome = await createSesUpstream().transmit(transmissionOf(), neverAborted);
    expect(outcome).toMatchObject({ kind: "refused", permanence: "transient", scope: "upstream" });
    expect(outcome).toMatchObject({ reply: expect.stringContaining("Region is missing") });
  });

  test("no credentials", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    expect(await verdict("http://127.0.0.1:9")).toBe("upstream");
  });

  test("a certificate that nobody vouches for: not one request gets through", async () => {
    const read = (name: string) =>
      readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url), "utf8");
    const peer = await createScriptedSes({ tls: { key: read("key.pem"), cert: read("cert.pem") } });
    expect(await verdict(peer.endpoint)).toBe("upstream");
    expect(peer.connections()).toBe(1);
    expect(peer.calls()).toBe(0);
    await peer.close();
  });
});
