// Attempts at SES in threads: the outcomes are those of one thread, and a thread may die at any time. The
// threads run what was built, as Node.js can't run the sources.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createSesUpstream } from "../../src/upstream/ses/ses.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { sesExpectations } from "../conformance/ses-expectations.ts";
import { testUpstream, verdictOf } from "../conformance/upstream.ts";
import { createScriptedSes, type ScriptedSes } from "../support/scripted-ses.ts";
import type { SesFault } from "../support/ses-faults.ts";
import { messageOf, neverAborted, transmissionOf } from "../support/transmission.ts";

type Module = typeof import("../../src/upstream/ses-workers.ts");
const { createSesWorkers } = (await import(resolve("dist/upstream/ses-workers.js"))) as Module;

beforeEach(() => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
});
afterEach(() => vi.unstubAllEnvs());

function open(endpoint: string, { threads = 1, timeouts = {} } = {}): Upstream {
  const call = { region: "eu-west-1", endpoint, timeouts };
  return createSesUpstream({ ...call, attempts: createSesWorkers({ ...call, threads }) });
}

testUpstream<SesFault>({
  name: "ses in a thread",
  expectations: sesExpectations,
  async setUp(fault) {
    const peer = await createScriptedSes({ script: fault });
    return {
      upstream: open(peer.endpoint, { timeouts: { connectMs: 300, requestMs: 400 } }),
      peer,
      async close() {
        expect(peer.calls(), "requests").toBeLessThanOrEqual(1);
        await peer.close();
      },
    };
  },
});

describe("threads", () => {
  let peer: ScriptedSes;
  let upstream: Upstream;
  let workers: Worker[];
  const note = (worker: Worker): void => void workers.push(worker);

  beforeEach(async () => {
    workers = [];
    process.on("worker", note);
    peer = await createScriptedSes({ keepContents: true });
  });
  afterEach(async () => {
    process.off("worker", note);
    await upstream.close();
    await peer.close();
  });

  test("hand on the octets as they are, of any size and in any chunks, and leave ours alone", async () => {
    upstream = open(peer.endpoint);
    const large = transmissionOf({ number: 1, bodyOctets: 3_000_000, chunkOctets: 1_000 });
    const small = messageOf("<small@example.org>");
    const whole = { ...transmissionOf({ number: 2, octets: small }), octets: small };
    for (const transmission of [large, whole, whole]) {
      expect((await upstream.transmit(transmission, neverAborted)).kind).toBe("accepted");
    }
    const taken = peer.taken.map(({ octets }) => Buffer.from(octets ?? []));
    expect(taken[0]?.equals(messageOf(large.messageId, 3_000_000))).toBe(true);
    expect(taken[1]?.equals(messageOf("<small@example.org>"))).toBe(true);
    expect(taken[2]?.equals(messageOf("<small@example.org>"))).toBe(true);
  });

  test("share what comes at once, and each message is relayed once", async () => {
    upstream = open(peer.endpoint, { threads: 2 });
    const numbers = Array.from({ length: 200 }, (_, number) => number);
    const outcomes = await Promise.all(
      numbers.map((number) => upstream.transmit(transmissionOf({ number }), neverAborted)),
    );
    expect(outcomes.every(({ kind }) => kind === "accepted")).toBe(true);
    expect(new Set(peer.taken.map(({ messageId }) => messageId)).size).toBe(200);
    expect(peer.calls()).toBe(200);
    expect(workers).toHaveLength(2);
  });

  test("end one attempt that is aborted, and no other", async () => {
    upstream = open(peer.endpoint);
    peer.play("held-reply");
    const abort = new AbortController();
    const struck = peer.struck();
    const aborted = upstream.transmit(transmissionOf({ number: 1 }), abort.signal);
    await struck;
    const struckAgain = peer.struck();
    const other = upstream.transmit(transmissionOf({ number: 2 }), neverAborted);
    await struckAgain;
    abort.abort();
    expect((await aborted).kind).toBe("doubtful");
    peer.release();
    expect((await other).kind).toBe("accepted");
  });

  test("that meet an abort at any moment never send what is then called refused", async () => {
    upstream = open(peer.endpoint);
    await upstream.transmit(transmissionOf(), neverAborted);
    const refused: string[] = [];
    for (let number = 1; number <= 200; number++) {
      const transmission = transmissionOf({ number });
      const abort = new AbortController();
      const attempt = upstream.transmit(transmission, abort.signal);
      if (number % 4 === 0) await setTimeout(1);
      else for (let turns = number % 20; turns > 0; turns--) await new Promise(setImmediate);
      abort.abort();
      if ((await attempt).kind === "refused") refused.push(transmission.messageId);
    }
    // Connections are in order, so what was sent before this one has arrived.
    await upstream.transmit(transmissionOf({ number: 201 }), neverAborted);
    expect(refused.length).toBeGreaterThan(0);
    const taken = new Set(peer.taken.map(({ messageId }) => messageId));
    expect(refused.filter((messageId) => taken.has(messageId))).toEqual([]);
  });

  test("that die leave what they had sent doubtful, and others take their place", async () => {
    upstream = open(peer.endpoint);
    peer.play("held-reply");
    const struck = peer.struck();
    const attempt = upstream.transmit(transmissionOf({ number: 1 }), neverAborted);
    await struck;
    await workers[0]?.terminate();
    expect(await attempt).toMatchObject({ kind: "doubtful", cause: expect.stringContaining("thread") });
    peer.play("accept");
    expect((await upstream.transmit(transmissionOf({ number: 2 }), neverAborted)).kind).toBe("accepted");
    expect(workers).toHaveLength(2);
    expect(peer.calls()).toBe(2);
  });

  test("that die before they call SES have sent nothing", async () => {
    upstream = open(peer.endpoint);
    const attempt = upstream.transmit(transmissionOf(), neverAborted);
    // By then the thread has the message, and it takes many turns to load what it needs.
    await new Promise(setImmediate);
    await workers[0]?.terminate();
    expect(verdictOf(await attempt)).toBe("transient");
    expect(peer.calls()).toBe(0);
  });

  test("that can't start hold no mail back for ever, and none is lost to them", async () => {
    const kill = (worker: Worker): void => void worker.terminate();
    process.on("worker", kill);
    upstream = open(peer.endpoint, { threads: 2 });
    for (let number = 0; number < 6; number++) {
      const attempts = [0, 1, 2].map(() => upstream.transmit(transmissionOf({ number }), neverAborted));
      expect((await Promise.all(attempts)).map(verdictOf)).toEqual(Array(3).fill("transient"));
    }
    process.off("worker", kill);
    expect(peer.calls()).toBe(0);
    await vi.waitFor(async () => {
      const outcome = await upstream.transmit(transmissionOf({ number: 7 }), neverAborted);
      expect(outcome.kind).toBe("accepted");
    });
    expect(peer.calls()).toBe(1);
  });

  test("end an attempt that is aborted before they have started", async () => {
    upstream = open(peer.endpoint);
    const abort = new AbortController();
    const attempt = upstream.transmit(transmissionOf(), abort.signal);
    await new Promise(setImmediate);
    abort.abort();
    expect(verdictOf(await attempt)).toBe("transient");
    expect((await upstream.transmit(transmissionOf({ number: 1 }), neverAborted)).kind).toBe("accepted");
    expect(peer.calls()).toBe(1);
  });

  test("that are closed with an attempt under way end it", async () => {
    upstream = open(peer.endpoint);
    peer.play("held-reply");
    const struck = peer.struck();
    const attempt = upstream.transmit(transmissionOf(), neverAborted);
    await struck;
    await upstream.close();
    expect((await attempt).kind).toBe("doubtful");
  });

  test("give the account's rate their answers", async () => {
    upstream = open(peer.endpoint);
    peer.play("too-many-requests");
    expect(await upstream.transmit(transmissionOf(), neverAborted)).toMatchObject({ throttled: true });
    await vi.waitFor(() => expect(peer.accountCalls()).toBe(1));
  });

  test("without credentials hold no mail for sent", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    upstream = open(peer.endpoint);
    expect(verdictOf(await upstream.transmit(transmissionOf(), neverAborted))).toBe("upstream");
    expect(peer.calls()).toBe(0);
  });
});

test("a thread without work closes its connections in time", async () => {
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.end('{"MessageId":"0100"}'));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const connected = once(server, "connection") as Promise<[Socket]>;
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const upstream = open(endpoint, { timeouts: { idleMs: 100 } });
  expect((await upstream.transmit(transmissionOf(), neverAborted)).kind).toBe("accepted");
  const [socket] = await connected;
  await once(socket, "close");
  await upstream.close();
  server.close();
});
