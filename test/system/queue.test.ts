// Between 250 and the upstream: what is accepted is kept, relayed when it can be, reported when it can't,
// and never twice.
import { createHash, randomUUID } from "node:crypto";
import { expect } from "vitest";
import { largeBody, residentMemory, submitLarge } from "../support/large-mail.ts";
import { freePort } from "../support/peers.ts";
import { type Place, smtpAt, test as testWithPlace } from "../support/place.ts";
import type { GatewayProcess, LogLine, Settings } from "../support/process.ts";
import type { ScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, submitMail, taskMail } from "../support/smtp-client.ts";
import type { SmtpFault } from "../support/smtp-faults.ts";

const start = (place: Place, port: number, settings: Settings = {}): Promise<GatewayProcess> =>
  place.start({ SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "200ms", ...smtpAt(port), ...settings });

/** `site` is one gateway for tests whose upstream goes wrong for a while only. */
const test = testWithPlace.extend("site", { scope: "file" }, async ({ shared }) => {
  const upstream = await shared.smtp({ keepContents: true });
  return { upstream, gateway: await start(shared, upstream.port) };
});

/** The fault so many times from now on, on new connections. */
function play(upstream: ScriptedSmtp, fault: SmtpFault, times: number): void {
  let left = times;
  upstream.dropAll();
  upstream.play(() => (left-- > 0 ? fault : "accept"));
}

const submit = (
  { port }: GatewayProcess,
  to: readonly string[],
  content: string | Uint8Array,
): Promise<string> => submitMail(port, { to, content });

test("upstream down: accepted, kept over a restart and a kill, relayed once when it is back", async ({
  place,
}) => {
  const port = await freePort();
  let gateway = await start(place, port);
  const task = randomUUID();
  for (let n = 0; n < 20; n++) await submit(gateway, [`user${n}@example.com`], taskMail(task));
  await gateway.logged("dispatch.paused");
  await gateway.stop();
  gateway = await start(place, port);
  for (let n = 20; n < 40; n++) await submit(gateway, [`user${n}@example.com`], taskMail(task));
  for (let n = 0; n < 40; n++) {
    expect(await submit(gateway, [`user${n}@example.com`], taskMail(task))).toContain("repeat of");
  }
  await gateway.kill();
  const upstream = await place.smtp({ port });
  gateway = await start(place, port);
  await gateway.logged("transmission.relayed", 40);
  expect(upstream.counts().size).toBe(40);
  expect(upstream.repeated()).toEqual([]);
});

test("a message of 30 MB arrives octet for octet, and 10 held in the queue are not held in memory", async ({
  place,
}) => {
  const port = await freePort();
  const { port: own, pid } = await start(place, port);
  const [huge, large] = [largeBody(30_000_000), largeBody(20_000_000)];
  expect((await submitLarge(own, 1, huge))[0]).toContain("queued as");
  const before = residentMemory(pid).now;
  for (let n = 0; n < 10; n++) await submitLarge(own, 1, large);
  // Half of what is in the queue.
  expect(residentMemory(pid).now - before).toBeLessThan(100_000_000);

  const upstream = await place.smtp({ port, keepContents: true });
  await upstream.waitFor(11);
  const digest = (octets: Uint8Array) => createHash("sha256").update(octets).digest("hex");
  const digests = upstream.taken.map(({ octets }) => {
    const content = Buffer.from(octets);
    return digest(content.subarray(content.indexOf("\r\n\r\n") + 4));
  });
  expect(digests.sort()).toEqual([digest(huge), ...Array(10).fill(digest(large))].sort());
  expect(upstream.repeated()).toEqual([]);
});

test("refused for now: tried again until it is taken", async ({ site: { gateway, upstream } }) => {
  play(upstream, "refuse-rcpt-4", 3);
  const before = upstream.taken.length;
  const task = randomUUID();
  const isOfTask = (line: LogLine) => line.task === task;
  await submit(gateway, ["user@example.com"], taskMail(task));
  await gateway.logged("transmission.refused", 3, isOfTask);
  await gateway.logged("transmission.relayed", 1, isOfTask);
  expect(upstream.taken).toHaveLength(before + 1);
});

test("refused for good: reported to the reverse-path, once, and the task may be submitted again", async ({
  site: { gateway, upstream },
}) => {
  play(upstream, "refuse-rcpt-5", 1);
  const before = upstream.taken.length;
  const task = randomUUID();
  await submit(gateway, ["user@example.com"], taskMail(task));
  await upstream.waitFor(before + 1);
  const notice = upstream.taken[before];
  expect(notice?.reversePath).toBe("");
  expect(notice?.recipients).toEqual(["app@sender.example"]);
  const text = Buffer.from(notice?.octets ?? []).toString("latin1");
  expect(text).toContain("Final-Recipient: rfc822; user@example.com\r\n");
  expect(text).toContain("Action: failed\r\n");
  expect(text).toContain("Subject: News\r\n");
  expect(await submit(gateway, ["user@example.com"], taskMail(task))).toContain("queued as");
  await upstream.waitFor(before + 2);
  await gateway.logged("transmission.relayed", 1, (line) => line.task === task);
});

test("an answer that is lost: logged as doubtful, then transmitted again with the same octets", async ({
  site: { gateway, upstream },
}) => {
  play(upstream, "drop-before-reply", 1);
  const before = { taken: upstream.taken.length, lines: gateway.lines.length };
  const task = randomUUID();
  await submit(gateway, ["user@example.com"], taskMail(task));
  await upstream.waitFor(before.taken + 2);
  await gateway.logged("transmission.relayed", 1, (line) => line.task === task);
  const events = gateway.lines
    .slice(before.lines)
    .map((line) => line.event)
    .filter((event) => event.startsWith("transmission."));
  expect(events).toEqual(["transmission.doubtful", "transmission.relayed"]);
  const [first, second] = upstream.taken.slice(before.taken);
  expect(Buffer.compare(first?.octets as Uint8Array, second?.octets as Uint8Array)).toBe(0);
});

test("a notice that is refused is not reported in turn", async ({ place }) => {
  const upstream = await place.smtp({ script: "refuse-mail-5" });
  let gateway = await start(place, upstream.port);
  await submit(gateway, ["user@example.com"], taskMail(randomUUID()));
  await gateway.logged("transmission.refused", 2);
  expect(await gateway.stop()).toBe(0);
  gateway = await start(place, upstream.port);
  expect(gateway.lines.some((line) => line.event === "spool.recovered")).toBe(false);
});

test("not relayed within the lifetime: reported as expired", async ({ place }) => {
  const upstream = await place.smtp({ script: "refuse-rcpt-4", keepContents: true });
  const gateway = await start(place, upstream.port, { SPOOL_LIFETIME: "1s", SPOOL_RETRY_MAX: "50ms" });
  await submit(gateway, ["user@example.com"], taskMail(randomUUID()));
  await gateway.logged("transmission.expired");
  upstream.play("accept");
  await upstream.waitFor(1);
  expect(Buffer.from(upstream.taken[0]?.octets ?? []).toString("latin1")).toContain("Action: failed\r\n");
});

test.for(["hold", "drop"])(
  "an answer that is lost, policy %s: never transmitted again",
  async (policy, { place }) => {
    const upstream = await place.smtp({
      script: (number) => (number === 0 ? "drop-before-reply" : "accept"),
    });
    let gateway = await start(place, upstream.port, { LEDGER_DOUBTFUL: policy });
    const task = randomUUID();
    await submit(gateway, ["doubtful@example.com"], taskMail(task));
    await gateway.logged("transmission.doubtful");
    expect(await submit(gateway, ["doubtful@example.com"], taskMail(task))).toContain("repeat of");
    await gateway.kill();
    gateway = await start(place, upstream.port, { LEDGER_DOUBTFUL: policy });
    expect(await submit(gateway, ["doubtful@example.com"], taskMail(task))).toContain("repeat of");
    await submit(gateway, ["other@example.com"], taskMail(task));
    await upstream.waitFor(2);
    expect(upstream.repeated()).toEqual([]);
  },
);

test("SIGTERM: what is under way is finished, later clients are refused, exit code 0", async ({ place }) => {
  const upstream = await place.smtp({ script: "held-reply" });
  let gateway = await start(place, upstream.port);
  const idle = await connectSmtp(gateway.port as number);
  const sending = await connectSmtp(gateway.port as number);
  const struck = upstream.struck();
  expect(await submit(gateway, ["one@example.com"], taskMail(randomUUID()))).toContain("queued as");
  await struck;
  await sending.command("MAIL FROM:<app@sender.example>");
  await sending.command("RCPT TO:<two@example.com>");
  await sending.command("DATA");
  sending.write(taskMail(randomUUID()));

  gateway.signal("SIGTERM");
  expect(await idle.reply()).toMatch(/^421 4\.3\.2 /);
  sending.write(".\r\n");
  expect(await sending.reply()).toMatch(/^250 2\.0\.0 queued as/);
  expect(await sending.reply()).toMatch(/^421 4\.3\.2 /);
  upstream.release();
  expect(await gateway.exited).toBe(0);
  expect(gateway.lines.filter((line) => line.event === "transmission.relayed")).toHaveLength(1);

  upstream.play("accept");
  gateway = await start(place, upstream.port);
  await upstream.waitFor(2);
  expect(upstream.repeated()).toEqual([]);
});

test("a second signal ends it at once, and nothing is lost", async ({ place }) => {
  const upstream = await place.smtp({ script: "hang-before-reply" });
  let gateway = await start(place, upstream.port);
  const struck = upstream.struck();
  await submit(gateway, ["one@example.com"], taskMail(randomUUID()));
  await struck;
  gateway.signal("SIGTERM");
  await gateway.logged("gateway.stopping");
  gateway.signal("SIGTERM");
  expect(await gateway.exited).toBe(130);
  upstream.play("accept");
  gateway = await start(place, upstream.port);
  await gateway.logged("transmission.doubtful");
  await gateway.logged("transmission.relayed");
});

test("content without a task id, by fingerprint: a repeat within the window", async ({ place }) => {
  const upstream = await place.smtp();
  const gateway = await start(place, upstream.port, {
    IDENTITY_UNKEYED: "fingerprint",
    IDENTITY_FINGERPRINT_WINDOW: "2s",
  });
  const mail = (boundary: string, text = "Hello") =>
    [
      "From: app@sender.example",
      "Subject: x",
      `Date: ${new Date(Date.now() - Math.random() * 1e10).toUTCString()}`,
      `Message-ID: <${randomUUID()}@mailer.example>`,
      "MIME-Version: 1.0",
      `Content-Type: multipart/alternative; boundary="${boundary}"`,
      "",
      `--${boundary}\r\nContent-Type: text/plain\r\n\r\n${text}\r\n--${boundary}--\r\n`,
    ].join("\r\n");
  expect(await submit(gateway, ["user@example.com"], mail("one"))).toContain("queued as");
  expect(await submit(gateway, ["user@example.com"], mail("two"))).toContain("repeat of");
  expect(await submit(gateway, ["user@example.com"], mail("three", "Other"))).toContain("queued as");
  await upstream.waitFor(2);
  const ids = upstream.taken.map(({ messageId }) => messageId);
  expect(ids.every((id) => id.endsWith("@mailer.example>"))).toBe(true);
});

test("content without a task id, refused where that is configured", async ({ place }) => {
  const upstream = await place.smtp();
  const gateway = await start(place, upstream.port, { IDENTITY_UNKEYED: "reject" });
  expect(await submit(gateway, ["user@example.com"], "From: a@b.example\r\n\r\nHello\r\n")).toMatch(
    /^554 5\.6\.0 no task id: set the header field X-Task-Id$/,
  );
});
