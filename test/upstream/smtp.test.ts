import { afterEach, describe, expect, test } from "vitest";
import { createSmtpUpstream, type SmtpUpstreamOptions } from "../../src/upstream/smtp/smtp.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { kindOf } from "../conformance/upstream.ts";
import { createScriptedSmtp, type ScriptedSmtp, type ScriptedSmtpOptions } from "../support/scripted-smtp.ts";
import type { SmtpFault } from "../support/smtp-faults.ts";
import { messageOf, neverAborted, transmissionOf } from "../support/transmission.ts";

let peer: ScriptedSmtp;
let upstream: Upstream;

async function start(serve: ScriptedSmtpOptions = {}, more: Partial<SmtpUpstreamOptions> = {}) {
  peer = await createScriptedSmtp({ keepContents: true, ...serve });
  const timeouts = { connectMs: 2_000, commandMs: 2_000, replyMs: 2_000, quitMs: 100, ...more.timeouts };
  upstream = createSmtpUpstream({
    ...{ host: "127.0.0.1", port: peer.port, tls: "none", hostname: "client.example" },
    ...{ ...more, timeouts },
  });
}

async function transmit(number: number, signal = neverAborted) {
  return await upstream.transmit(transmissionOf({ number }), signal);
}

const faults =
  (...played: SmtpFault[]) =>
  (number: number) =>
    played[number] ?? "accept";

afterEach(async () => {
  await upstream.close();
  await peer.close();
});

describe("what is sent", () => {
  test("arrives as it is: dots, long lines, every octet, in chunks of any size", async () => {
    await start();
    const octets = Buffer.concat([
      messageOf("<a@example.org>"),
      Buffer.from("..\r\n.\r\n...\r\n"),
      Buffer.from(Array.from({ length: 256 }, (_, octet) => octet).filter((o) => o !== 10 && o !== 13)),
      Buffer.from(`\r\n${"y".repeat(5_000)}\r\n`),
    ]);
    for (const chunkOctets of [1, 2, 3, 1_000]) {
      await upstream.transmit(transmissionOf({ octets, chunkOctets }), neverAborted);
    }
    await upstream.transmit(transmissionOf({ octets }), neverAborted);
    expect(peer.taken.map((taken) => octets.equals(taken.octets))).toEqual([true, true, true, true, true]);
  });

  test("has the envelope of the transmission", async () => {
    await start({ extensions: ["8BITMIME", "SIZE 1000000"] });
    const octets = Buffer.from("Subject: \u00e4\r\n\r\n");
    await upstream.transmit(transmissionOf({ octets, reversePath: "" }), neverAborted);
    expect(peer.commands.slice(0, 4)).toEqual([
      "EHLO client.example",
      "MAIL FROM:<> BODY=8BITMIME SIZE=15",
      "RCPT TO:<reader@example.net>",
      "DATA",
    ]);
  });

  test("gives the id that the server gave it", async () => {
    await start();
    expect(await transmit(0)).toEqual({ kind: "accepted", upstreamId: "1" });
  });
});

describe("what the server can't take is refused for good, and says why", () => {
  const eightBit = { octets: Buffer.from("Subject: \u00e4\r\n\r\n") };
  test.each([
    ["8BITMIME", ["SMTPUTF8"], eightBit],
    ["SMTPUTF8", ["8BITMIME"], { recipient: "m\u00fcller@example.net" }],
    ["SMTPUTF8", ["8BITMIME"], { reversePath: "m\u00fcller@example.net" }],
    ["SIZE", ["SIZE 100"], {}],
    ["angle bracket", [], { recipient: '"a>b"@example.net' }],
  ])("%s", async (reason, extensions, parts) => {
    await start({ extensions });
    for (const attempt of ["a fresh connection", "the same connection"]) {
      const outcome = await upstream.transmit(transmissionOf(parts), neverAborted);
      expect(outcome, attempt).toMatchObject({
        kind: "refused",
        reply: expect.stringContaining(reason),
      });
    }
    expect(peer.connections()).toBe(1);
    expect(peer.taken).toHaveLength(0);
  });

  test("and what it can take is handed on", async () => {
    await start({ extensions: ["8BITMIME", "SMTPUTF8"] });
    const parts = { ...eightBit, recipient: "m\u00fcller@example.net" };
    expect((await upstream.transmit(transmissionOf(parts), neverAborted)).kind).toBe("accepted");
    expect(peer.taken[0]?.recipients).toEqual(["m\u00fcller@example.net"]);
  });
});

describe("a connection", () => {
  test("carries one message after the other", async () => {
    await start();
    for (let number = 0; number < 20; number++) await transmit(number);
    expect(peer.taken).toHaveLength(20);
    expect(peer.repeated()).toEqual([]);
    expect(peer.connections()).toBe(1);
  });

  test("is one for each concurrent transmission, and those are used again", async () => {
    await start();
    for (let round = 0; round < 3; round++) {
      await Promise.all([0, 1, 2, 3].map((number) => transmit(round * 4 + number)));
    }
    expect(peer.connections()).toBe(4);
    expect(peer.taken).toHaveLength(12);
  });

  test("is reset after a refusal and used again", async () => {
    await start({ script: faults("refuse-mail-5", "refuse-rcpt-5", "refuse-data-4", "refuse-content-5") });
    const verdicts = [];
    for (let number = 0; number < 5; number++) verdicts.push(kindOf(await transmit(number)));
    expect(verdicts).toEqual(["refused", "refused", "later", "refused", "accepted"]);
    expect(peer.connections()).toBe(1);
    expect(peer.commands.filter((command) => command === "RSET")).toHaveLength(4);
  });

  test("ends after so many messages", async () => {
    await start({}, { messagesMax: 3 });
    for (let number = 0; number < 7; number++) await transmit(number);
    expect(peer.connections()).toBe(3);
  });

  test("ends, with QUIT, when it was idle for long", async () => {
    const timers: (() => void)[] = [];
    const clock = {
      now: () => 0,
      after(ms: number, fire: () => void) {
        if (ms === 12_345) timers.push(fire);
        return { cancel() {} };
      },
    };
    await start({}, { clock, timeouts: { idleMs: 12_345 } });
    await transmit(0);
    for (const fire of timers) fire();
    await upstream.close();
    expect(peer.commands.at(-1)).toBe("QUIT");
    await transmit(1);
    expect(peer.connections()).toBe(2);
  });

  test("that is not kept ends at once", async () => {
    await start({}, { idleMax: 0 });
    await transmit(0);
    await transmit(1);
    expect(peer.connections()).toBe(2);
  });
});

describe("a connection found dead", () => {
  test.each<SmtpFault>(["drop-at-mail", "421-at-mail", "drop-at-data"])(
    "%s: one fresh connection takes the message in the same attempt",
    async (fault) => {
      await start({ script: faults("accept", fault) });
      await transmit(0);
      expect(await transmit(1)).toMatchObject({ kind: "accepted" });
      expect(peer.connections()).toBe(2);
      expect(peer.taken).toHaveLength(2);
      expect(peer.repeated()).toEqual([]);
    },
  );

  test("at its RSET is replaced as well", async () => {
    await start({ script: faults("refuse-rcpt-4") });
    await transmit(0);
    peer.dropAll();
    expect(await transmit(1)).toMatchObject({ kind: "accepted" });
    expect(peer.connections()).toBe(2);
  });

  test("while it was idle is not tried", async () => {
    await start({ script: faults("drop-after-reply") });
    await transmit(0);
    expect(await transmit(1)).toMatchObject({ kind: "accepted" });
    expect(peer.repeated()).toEqual([]);
  });

  test("twice is a refusal for now, never a third connection", async () => {
    await start({ script: faults("accept", "drop-at-mail", "drop-at-mail") });
    await transmit(0);
    expect(kindOf(await transmit(1))).toBe("later");
    expect(peer.connections()).toBe(2);
  });

  test.each<SmtpFault>(["drop-before-reply", "drop-untaken"])(
    "after the content (%s) is doubtful, and no fresh one is tried",
    async (fault) => {
      await start({ script: faults("accept", fault) });
      await transmit(0);
      expect(kindOf(await transmit(1))).toBe("doubtful");
      expect(peer.connections()).toBe(1);
    },
  );

  test.each<SmtpFault>(["stray-reply", "stray-refusal"])(
    "by a reply that nobody asked for (%s) is not used again",
    async (fault) => {
      await start({ script: faults(fault) });
      for (let number = 0; number < 3; number++) {
        expect(await transmit(number)).toMatchObject({ kind: "accepted" });
      }
      expect(peer.connections()).toBe(2);
      expect(peer.taken).toHaveLength(3);
      expect(peer.repeated()).toEqual([]);
    },
  );

  test("in the middle of the content, by a refusal that came early, is not used again", async () => {
    // Were it used again, RSET would go into the content, and its reply would never come.
    await start({ script: faults("early-refusal") }, { timeouts: { commandMs: 600_000 } });
    const large = transmissionOf({ bodyOctets: 24_000_000 });
    expect(kindOf(await upstream.transmit(large, neverAborted))).toBe("refused");
    expect(await transmit(1)).toMatchObject({ kind: "accepted" });
    expect(peer.connections()).toBe(2);
    expect(peer.taken).toHaveLength(1);
  });
});

describe("an abort", () => {
  test.each<[SmtpFault, string]>([
    ["hang-at-greeting", "later"],
    ["hang-at-ehlo", "later"],
    ["hang-at-rcpt", "later"],
    ["hang-at-data", "later"],
    ["hang-before-reply", "doubtful"],
  ])("at %s is %s by how far it came", async (fault, verdict) => {
    await start({ script: fault });
    const abort = new AbortController();
    const struck = peer.struck();
    const attempt = transmit(0, abort.signal);
    await struck;
    abort.abort();
    expect(kindOf(await attempt)).toBe(verdict);
  });

  test("in the middle of the content never lets the final dot out", async () => {
    await start();
    const abort = new AbortController();
    const whole = transmissionOf({ bodyOctets: 100_000, chunkOctets: 10_000 });
    const transmission = {
      ...whole,
      async *content() {
        let chunks = 0;
        for await (const chunk of whole.content()) {
          if (chunks++ === 5) abort.abort();
          yield chunk;
        }
      },
    };
    expect(kindOf(await upstream.transmit(transmission, abort.signal))).toBe("later");
    expect((await transmit(1)).kind).toBe("accepted");
    expect(peer.taken).toHaveLength(1);
  });
});

describe("content of our own that fails", () => {
  test.each(["cut short", "too long", "unreadable"])("%s: refused for now, and never taken", async (how) => {
    await start();
    const whole = transmissionOf({ bodyOctets: 200_000, chunkOctets: 10_000 });
    const failing = {
      ...whole,
      size: whole.size + (how === "cut short" ? 1 : how === "too long" ? -1 : 0),
      async *content() {
        let chunks = 0;
        for await (const chunk of whole.content()) {
          if (how === "unreadable" && chunks++ === 3) throw new Error("the spool is gone");
          yield chunk;
        }
      },
    };
    expect(await upstream.transmit(failing, neverAborted)).toMatchObject({ kind: "later" });
    expect((await transmit(1)).kind).toBe("accepted");
    expect(peer.taken).toHaveLength(1);
  });
});

test("nobody listens: the upstream can't be reached", async () => {
  await start();
  await peer.close();
  expect(kindOf(await transmit(0))).toBe("down");
});
