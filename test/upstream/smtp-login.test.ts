// How often a wrong password is shown to a server, which may shut us out for it.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createSmtpUpstream } from "../../src/upstream/smtp/smtp.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { kindOf } from "../conformance/upstream.ts";
import { createManualClock, type ManualClock } from "../support/manual-clock.ts";
import { freePort } from "../support/peers.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import { neverAborted, transmissionOf } from "../support/transmission.ts";

const MINUTE_MS = 60_000;
const username = "relay";

let clock: ManualClock;
let peer: ScriptedSmtp;
let upstream: Upstream;
/** What stands in the file. */
let inFile: string | Error;

beforeEach(async () => {
  clock = createManualClock();
  // Some tests close it and open another in its place.
  peer = await createScriptedSmtp({ port: await freePort(), auth: { username, password: "right" } });
  inFile = "wrong";
  upstream = open(peer.port);
});
afterEach(async () => {
  await upstream.close();
  await peer.close();
});

const open = (port: number) =>
  createSmtpUpstream({
    ...{ host: "127.0.0.1", port, tls: "none", hostname: "client.example", clock, messagesMax: 1 },
    ...{ username, password: "wrong" },
    readPassword() {
      if (inFile instanceof Error) throw inFile;
      return inFile;
    },
  });

let number = 0;
const transmit = () => upstream.transmit(transmissionOf({ number: number++ }), neverAborted);
const shown = () => peer.commands.filter((command) => command.startsWith("AUTH")).length;

describe("a wrong password", () => {
  test("is shown once to begin with, however many mails wait, and each of them waits a minute", async () => {
    const outcomes = await Promise.all(Array.from({ length: 40 }, () => transmit()));
    expect(outcomes.map(kindOf)).toEqual(Array.from({ length: 40 }, () => "down"));
    expect(new Set(outcomes.map((outcome) => "retryAfterMs" in outcome && outcome.retryAfterMs))).toEqual(
      new Set([MINUTE_MS]),
    );
    expect(shown()).toBe(1);
  });

  test("is shown four times in the first ten minutes, and ever more seldom", async () => {
    const minutes: number[] = [];
    for (let minute = 0; minute <= 60; minute++) {
      const before = shown();
      const outcome = await transmit();
      expect(outcome).toMatchObject({
        kind: "down",
        reply: expect.stringMatching(/^535 5\.7\.8 /),
      });
      if (shown() > before) minutes.push(minute);
      clock.advance(MINUTE_MS);
    }
    expect(minutes).toEqual([0, 1, 3, 7, 15, 30, 45, 60]);
  });

  test("is shown again at once when an operator wants that, also where the server has come to take it", async () => {
    await transmit();
    upstream.forgetRefusals?.();
    expect((await transmit()).kind).toBe("down");
    expect(shown()).toBe(2);
    await peer.close();
    peer = await createScriptedSmtp({ port: peer.port, auth: { username, password: "wrong" } });
    expect((await transmit()).kind).toBe("down");
    upstream.forgetRefusals?.();
    expect((await transmit()).kind).toBe("accepted");
  });

  test("that was put right in its file is used when an operator wants a try", async () => {
    await transmit();
    inFile = "right";
    upstream.forgetRefusals?.();
    expect((await transmit()).kind).toBe("accepted");
    expect(shown()).toBe(2);
  });

  test("that was put right in its file is used at the next attempt", async () => {
    await transmit();
    await transmit();
    inFile = "right";
    expect(kindOf(await transmit())).toBe("accepted");
    expect(shown()).toBe(2);
  });

  test("whose file is away is not shown more often for it, and the reply says so", async () => {
    await transmit();
    inFile = new Error("/etc/password: can't be read");
    expect(await transmit()).toMatchObject({
      reply: expect.stringContaining("/etc/password: can't be read"),
    });
    expect(shown()).toBe(1);
  });

  test("is not waited for by an attempt that is aborted", async () => {
    const hanging = await createScriptedSmtp({ script: "hang-at-greeting" });
    const abort = new AbortController();
    const other = open(hanging.port);
    const attempts = [0, 1].map((at) => other.transmit(transmissionOf({ number: at }), abort.signal));
    await hanging.struck();
    abort.abort();
    expect((await Promise.all(attempts)).map(kindOf)).toEqual(["later", "later"]);
    await other.close();
    await hanging.close();
  });
});

test("a password that was taken and no longer is: at most four show it", async () => {
  inFile = "right";
  await transmit();
  expect(kindOf(await transmit())).toBe("accepted");
  await peer.close();
  peer = await createScriptedSmtp({ port: peer.port, auth: { username, password: "another" } });
  await Promise.all(Array.from({ length: 40 }, () => transmit()));
  expect(shown()).toBeLessThanOrEqual(4);
  expect(shown()).toBeGreaterThan(0);
});

test("a server that can't be reached is tried by all at once, and at the next attempt again", async () => {
  await peer.close();
  const outcomes = await Promise.all(Array.from({ length: 5 }, () => transmit()));
  expect(outcomes.map(kindOf)).toEqual(Array.from({ length: 5 }, () => "down"));
  expect(outcomes[0]).not.toHaveProperty("retryAfterMs");
  peer = await createScriptedSmtp({ port: peer.port, auth: { username, password: "wrong" } });
  expect(kindOf(await transmit())).toBe("accepted");
});
