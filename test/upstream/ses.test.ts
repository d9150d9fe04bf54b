import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { silentLog } from "../../src/runtime/log.ts";
import { createSesUpstream, type SesUpstreamOptions } from "../../src/upstream/ses/ses.ts";
import { sesExpectations } from "../conformance/ses-expectations.ts";
import { kindOf, testUpstream } from "../conformance/upstream.ts";
import { makeFolder } from "../support/process.ts";
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
    ["too-many-requests", 250, "later"],
    ["too-many-requests-retry-after", 7_000, "later"],
    ["rate-exceeded", 250, "later"],
    ["quota-exceeded", 60_000, "down"],
    ["quota-exceeded-until", 120_000, "down"],
    ["account-suspended", 60_000, "down"],
  ] as const)("that meets %s is not to be repeated before %d ms", async (fault, retryAfterMs, kind) => {
    peer.play(fault);
    const outcome = await open(peer.endpoint).transmit(transmissionOf(), neverAborted);
    expect(outcome).toMatchObject({ kind, retryAfterMs });
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

  test("takes tenant and contact list from the message, which SES would not read there", async () => {
    const octets = Buffer.from(
      "From: a@b.example\r\nX-SES-TENANT: acme\r\nX-SES-LIST-MANAGEMENT-OPTIONS: news; topic=weekly\r\n\r\nHi\r\n",
    );
    await open(peer.endpoint).transmit(transmissionOf({ octets }), neverAborted);
    expect(peer.lastCall()).toMatchObject({
      TenantName: "acme",
      ListManagementOptions: { ContactListName: "news", TopicName: "weekly" },
    });
  });

  test("is not made with list options that can't be read: nobody could unsubscribe", async () => {
    const octets = Buffer.from("X-SES-LIST-MANAGEMENT-OPTIONS: the news list\r\n\r\nHi\r\n");
    const outcome = await open(peer.endpoint).transmit(transmissionOf({ octets }), neverAborted);
    expect(kindOf(outcome)).toBe("refused");
    expect(outcome).toMatchObject({ reply: expect.stringContaining("X-SES-LIST-MANAGEMENT-OPTIONS") });
    expect(peer.calls()).toBe(0);
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
    expect(kindOf(await upstream.transmit(short, neverAborted))).toBe("later");
    expect(peer.calls()).toBe(0);
  });
});

describe("certainly not sent, by our own configuration", () => {
  const verdict = async (endpoint: string, more: SesUpstreamOptions = {}) =>
    kindOf(await open(endpoint, more).transmit(transmissionOf(), neverAborted));

  test("nobody listens", async () => {
    const peer = await createScriptedSes();
    await peer.close();
    expect(await verdict(peer.endpoint)).toBe("down");
  });

  test("no region", async () => {
    vi.stubEnv("AWS_REGION", undefined);
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    const outcome = await createSesUpstream().transmit(transmissionOf(), neverAborted);
    expect(outcome).toMatchObject({ kind: "down" });
    expect(outcome).toMatchObject({ reply: expect.stringContaining("Region is missing") });
  });

  test("no credentials", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    expect(await verdict("http://127.0.0.1:9")).toBe("down");
  });

  test("a certificate that nobody vouches for: not one request gets through", async () => {
    const peer = await createScriptedSes({ tls: tlsOf("cert.pem", "key.pem") });
    expect(await verdict(peer.endpoint)).toBe("down");
    expect(peer.connections()).toBe(1);
    expect(peer.calls()).toBe(0);
    await peer.close();
  });

  const tlsOf = (certificate: string, key: string) => {
    const read = (name: string) =>
      readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url), "utf8");
    return { key: read(key), cert: read(certificate) };
  };

  /** Accepts connections and does with them what the test says. */
  async function listenTo(serve: (socket: Socket) => void) {
    const server = createServer(serve);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return { endpoint: `https://127.0.0.1:${port}`, close: () => void server.close() };
  }

  test("a handshake that never ends: the time-out comes before the first octet", async () => {
    const sockets: Socket[] = [];
    const peer = await listenTo((socket) => sockets.push(socket));
    expect(await verdict(peer.endpoint)).toBe("down");
    for (const socket of sockets) socket.destroy();
    peer.close();
  });

  test("a handshake that is cut off", async () => {
    const peer = await listenTo((socket) => socket.once("data", () => socket.destroy()));
    expect(await verdict(peer.endpoint)).toBe("down");
    peer.close();
  });

  test("a server that speaks no TLS", async () => {
    const peer = await listenTo((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad\r\n\r\n")),
    );
    expect(await verdict(peer.endpoint)).toBe("down");
    peer.close();
  });

  test("a server that knows only other versions of TLS", async () => {
    const server = createTlsServer({
      ...tlsOf("cert.pem", "key.pem"),
      maxVersion: "TLSv1.1",
      minVersion: "TLSv1",
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    expect(await verdict(`https://127.0.0.1:${port}`)).toBe("down");
    server.close();
  });
});

describe("credentials in a file that is written anew", () => {
  const write = (path: string, key: string) =>
    writeFileSync(path, `[default]\naws_access_key_id = ${key}\naws_secret_access_key = secret\n`);

  test.each(["expired-token", "expired-token-400", "unknown-key"] as const)(
    "are read again after %s, and not before",
    async (fault) => {
      const folder = makeFolder();
      const file = join(folder.path, "credentials");
      vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
      vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
      vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", file);
      write(file, "AKIAOLD");
      const peer = await createScriptedSes();
      const upstream = open(peer.endpoint);
      const transmit = async () => {
        const verdict = kindOf(await upstream.transmit(transmissionOf(), neverAborted));
        return `${verdict} ${/Credential=(\w+)/.exec(peer.lastAuthorization())?.[1]}`;
      };
      expect(await transmit()).toBe("accepted AKIAOLD");
      write(file, "AKIANEW");
      expect(await transmit()).toBe("accepted AKIAOLD");
      peer.play(fault);
      expect(await transmit()).toBe("down AKIAOLD");
      peer.play("accept");
      expect(await transmit()).toBe("accepted AKIANEW");
      // A file that names nobody any more is no reason to go on with what was refused.
      peer.play(fault);
      expect(await transmit()).toBe("down AKIANEW");
      peer.play("accept");
      const calls = peer.calls();
      rmSync(file);
      expect(kindOf(await upstream.transmit(transmissionOf(), neverAborted))).toBe("down");
      expect(peer.calls()).toBe(calls);
      write(file, "AKIATHIRD");
      expect(await transmit()).toBe("accepted AKIATHIRD");
      await upstream.close();
      await peer.close();
      folder.remove();
    },
  );
});
