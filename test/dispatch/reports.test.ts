// What the reverse-path is told: one report for what fails together, never more than one a minute, and none lost on the
// way, whatever is killed.
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { beginTransaction } from "../../src/listeners/transaction.ts";
import type { NotifyKeyword } from "../../src/message/notify.ts";
import { openRelay, type Relay } from "../../src/relay.ts";
import type { Log, LogFields } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import type { Outcome, Transmission } from "../../src/upstream/upstream.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryStorage, type MemoryStorageOptions } from "../support/memory-storage.ts";

const SENDER = "bounces@example.org";
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const refusal = (reply: string): Outcome => ({
  kind: "refused",
  reply,
});
const accepted: Outcome = { kind: "accepted", upstreamId: "1" };
const hanging = new Promise<Outcome>(() => {});

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
};

/** A gateway whose upstream refuses whoever has "gone" in the address, and answers others as the test says. */
async function open(
  settings: Readonly<Record<string, string>> = {},
  pause: MemoryStorageOptions["pause"] = async () => {},
) {
  const storage = createMemoryStorage({ pause });
  const clock = createManualClock();
  const lines: [event: string, fields: LogFields][] = [];
  const note = (event: string, fields: LogFields = {}) => void lines.push([event, fields]);
  const log: Log = { debug() {}, info: note, warn: note, error: note };
  const texts: string[] = [];
  const answers = new Map<string, Outcome | Promise<Outcome>>();
  const environment = { MAILONCE_HOSTNAME: "gateway.example", ...settings };
  const config = loadConfig({ environment });

  async function transmit(transmission: Transmission): Promise<Outcome> {
    const { recipient, reversePath } = transmission;
    if (reversePath === "") {
      const chunks: Uint8Array[] = [];
      for await (const chunk of transmission.content()) chunks.push(chunk);
      const answer = await (answers.get("report") ?? accepted);
      if (answer.kind === "accepted") texts.push(Buffer.concat(chunks).toString());
      return answer;
    }
    const own = answers.get(recipient);
    if (own !== undefined) return await own;
    return recipient.includes("gone") ? refusal(`550 5.1.1 ${recipient} is unknown`) : accepted;
  }

  let relay: Relay | undefined;
  const start = async (): Promise<void> => {
    const limits = { messageOctets: 1e9, lineOctets: 1e9, smtpUtf8: true };
    const upstream = { name: "upstream", limits, transmit, close: async () => {} };
    relay = await openRelay(config, {
      ...{ storage, clock, random: systemRandom, log, elapsed: () => clock.now() },
      upstreams: new Map([["upstream", upstream]]),
    });
    await settled();
  };
  await start();

  return {
    ...{ clock, lines, texts, answers, storage, start },
    /** The recipients in each report that was taken, in order. */
    reports: () =>
      texts.map((text) => [...text.matchAll(/^Final-Recipient: rfc822; (\S+)\r$/gm)].map(([, one]) => one)),
    events: (name: string) => lines.filter(([event]) => event === name).map(([, fields]) => fields),
    async submit(
      task: string,
      to: readonly string[],
      from = SENDER,
      notify?: readonly [NotifyKeyword, ...NotifyKeyword[]],
    ) {
      const begun = beginTransaction({ reversePath: from, envid: undefined, ret: undefined }, true);
      if ("reply" in begun) throw new Error(begun.reply.text);
      for (const one of to) {
        const read = begun.transaction.read(one);
        if ("recipient" in read) begun.transaction.add(read.recipient, notify && { notify });
      }
      const content = async function* () {
        yield Buffer.from(`From: <a@example.org>\r\nX-Task-Id: ${task}\r\n\r\nHello!\r\n`);
      };
      const client = { address: "192.0.2.1", helo: "mailer.example.org", protocol: "ESMTP" } as const;
      const reply = await relay?.submit(begun.transaction.envelope(), client, content());
      await settled();
      return reply;
    },
    async advance(ms: number) {
      clock.advance(ms);
      await settled();
    },
    /** Loses what is not durable, and starts again. */
    async crash() {
      relay = undefined;
      storage.crash();
      await start();
    },
  };
}

const many = (count: number) => Array.from({ length: count }, (_, at) => `gone${at}@example.net`);

test("all recipients of a submission that fail are in one report, each with its reply, at once", async () => {
  const { submit, reports, texts, events } = await open();
  await submit("task", many(200));
  expect(reports().map((recipients) => recipients.sort())).toEqual([many(200).sort()]);
  expect(texts[0]).toContain("Diagnostic-Code: smtp; 550 5.1.1 gone7@example.net is unknown\r\n");
  expect(events("transmission.reported")).toHaveLength(200);
});

test("one that fails alone is reported when the others have left, or after a minute", async () => {
  const { submit, reports, answers, advance } = await open();
  let answer: (outcome: Outcome) => void = () => {};
  answers.set("slow@example.net", new Promise((resolve) => (answer = resolve)));
  await submit("first", ["gone@example.net", "slow@example.net"]);
  expect(reports()).toEqual([]);
  answer(accepted);
  await settled();
  expect(reports()).toEqual([["gone@example.net"]]);

  answers.set("slow@example.net", hanging);
  await submit("second", ["gone@example.net", "slow@example.net"]);
  await advance(MINUTE_MS - 1);
  expect(reports()).toHaveLength(1);
  await advance(1);
  expect(reports()).toHaveLength(2);
});

test("a submission has one report a minute at most, and nobody is left out", async () => {
  const { submit, reports, answers, advance, clock } = await open();
  const to = many(30);
  const resolves = to.map((one) => {
    let resolve: (outcome: Outcome) => void = () => {};
    answers.set(one, new Promise((done) => (resolve = done)));
    return resolve;
  });
  answers.set("slow@example.net", hanging);
  await submit("task", [...to, "slow@example.net"]);
  const times: number[] = [];
  for (const [at, resolve] of resolves.entries()) {
    resolve(refusal(`550 ${at}`));
    await settled();
    for (let second = 0; second < 10; second++) {
      await advance(1_000);
      if (reports().length > times.length) times.push(clock.now());
    }
  }
  await advance(2 * MINUTE_MS);
  expect(reports().flat().sort()).toEqual([...to].sort());
  expect(times.length).toBeLessThanOrEqual(6);
  for (const [at, time] of times.slice(1).entries()) {
    expect(time - (times[at] ?? 0)).toBeGreaterThanOrEqual(MINUTE_MS);
  }
});

test("what waits for its report survives a crash, and is attempted no more", async () => {
  const { submit, reports, answers, advance, crash } = await open();
  answers.set("slow@example.net", hanging);
  await submit("task", ["gone0@example.net", "gone1@example.net", "slow@example.net"]);
  answers.set("gone0@example.net", accepted);
  await crash();
  expect(reports()).toEqual([]);
  await advance(MINUTE_MS);
  expect(reports().map((recipients) => recipients.sort())).toEqual([
    ["gone0@example.net", "gone1@example.net"],
  ]);
  await crash();
  await advance(MINUTE_MS);
  expect(reports()).toHaveLength(1);
});

test("killed before or after any commit: reported once, all of them", async () => {
  for (let kill = 1; kill <= 40; kill++) {
    let commits = Number.NEGATIVE_INFINITY;
    const opened = await open({}, async (call) => {
      if (call === "commit" && ++commits === kill) await hanging;
    });
    opened.answers.set("report", hanging);
    commits = 0;
    const submitted = opened.submit("task", many(3));
    await settled();
    const wasReached = commits >= kill;
    commits = Number.POSITIVE_INFINITY;
    opened.answers.delete("report");
    await opened.crash();
    for (let minute = 0; minute < 5; minute++) await opened.advance(MINUTE_MS);
    const named = opened.reports().flat().sort();
    const isIn = opened.events("submission.accepted").length > 0;
    expect(named, `killed at ${kill}`).toEqual(isIn || named.length > 0 ? many(3) : []);
    if (!wasReached) {
      expect(kill).toBeGreaterThan(10);
      return;
    }
    void submitted;
  }
});

test("the same task and recipient is reported once a day, however often it is submitted", async () => {
  const { submit, reports, advance, events } = await open();
  for (let times = 0; times < 3; times++) {
    expect((await submit("task", ["gone@example.net"]))?.text).toMatch(/^queued as /);
    await advance(2 * MINUTE_MS);
  }
  expect(reports()).toHaveLength(1);
  expect(events("transmission.reported").map(({ notice }) => notice === "none")).toEqual([false, true, true]);
  await submit("another task", ["gone@example.net"]);
  expect(reports()).toHaveLength(2);
  await advance(DAY_MS);
  await submit("task", ["gone@example.net"]);
  expect(reports()).toHaveLength(3);
});

test("a failure after a warning of a delay is reported as well, in a report of its own", async () => {
  const { submit, texts, answers, advance } = await open({ MAILONCE_SPOOL_DELAY_WARNING: "1ms" });
  const later: Outcome = { kind: "later", reply: "450 4.2.1 mailbox busy", retryAfterMs: 1_000 };
  for (const one of ["a@example.net", "b@example.net"]) answers.set(one, later);
  await submit("task", ["a@example.net", "b@example.net"]);
  for (let second = 0; second < 30; second++) await advance(1_000);
  expect(texts).toHaveLength(1);
  expect(texts[0]?.match(/^Action: delayed\r$/gm)).toHaveLength(2);
  expect(texts[0]).toContain("Subject: Your message is delayed\r\n");
  answers.set("a@example.net", refusal("550 5.1.1 gone"));
  for (let second = 0; second < 120; second++) await advance(1_000);
  expect(texts).toHaveLength(2);
  expect(texts[1]).toContain("Final-Recipient: rfc822; a@example.net\r\nAction: failed\r\n");
});

test("success that was asked for is reported with the failures, and waits as durably", async () => {
  const { submit, texts, answers, advance, crash } = await open();
  answers.set("slow@example.net", hanging);
  await submit("task", ["gone@example.net", "user@example.net", "slow@example.net"], SENDER, [
    "SUCCESS",
    "FAILURE",
  ]);
  await crash();
  await advance(MINUTE_MS);
  expect(texts).toHaveLength(1);
  expect(texts[0]).toContain("Final-Recipient: rfc822; user@example.net\r\nAction: relayed\r\n");
  expect(texts[0]).toContain("Final-Recipient: rfc822; gone@example.net\r\nAction: failed\r\n");
  expect(texts[0]).toContain("Subject: Your message could not be delivered to some recipients\r\n");
});

test("a report goes only where its submitter may send mail", async () => {
  const { submit, reports, events, crash } = await open({
    MAILONCE_POLICY_ALLOWED_RECIPIENTS: "example.net",
  });
  await submit("task", many(2), "victim@elsewhere.example");
  expect(reports()).toEqual([]);
  expect(events("report.forbidden")).toHaveLength(1);
  expect(events("transmission.reported").map(({ notice }) => notice)).toEqual(["none", "none"]);
  await crash();
  expect(events("report.forbidden")).toHaveLength(1);
});

test("a report above the hour's recipients waits, and is not lost", async () => {
  const { submit, reports, events, advance, crash } = await open({
    MAILONCE_POLICY_RECIPIENTS_PER_HOUR: "1",
  });
  await submit("first", ["gone@example.net"]);
  expect(reports()).toHaveLength(1);
  await submit("second", ["gone@example.net"]);
  expect(events("report.postponed").length).toBeGreaterThan(0);
  expect(reports()).toHaveLength(1);
  await crash();
  for (let minute = 0; minute < 5; minute++) await advance(MINUTE_MS);
  expect(reports()).toHaveLength(2);
});

test("a report that is refused is an error in the log, and nothing is reported of it", async () => {
  const { submit, reports, answers, events } = await open();
  answers.set("report", refusal("554 5.7.1 the sender is not verified"));
  await submit("task", ["gone@example.net"]);
  expect(reports()).toEqual([]);
  expect(events("report.refused")).toEqual([
    expect.objectContaining({ reply: "554 5.7.1 the sender is not verified" }),
  ]);
});

test("its sender is the one that is configured, and its mail goes that sender's way", async () => {
  const { submit, texts } = await open({ MAILONCE_NOTICES_FROM: "Postmaster@Shop.Example" });
  await submit("task", ["gone@example.net"]);
  expect(texts[0]).toMatch(/^From: Mail Delivery System <Postmaster@shop\.example>\r$/m);
});

test("the disk fails while a report is put in the place of what failed: once, when it is back", async () => {
  const { submit, reports, storage, advance } = await open();
  storage.fail({ call: "commit", name: "spool/queue", times: 3, takesEffect: true });
  const reply = await submit("task", many(2));
  for (let second = 0; second < 130; second++) await advance(1_000);
  if (reply?.code === 250) expect(reports().flat().sort()).toEqual(many(2));
  else expect(reports()).toEqual([]);
});
