// What a client may take up, over the built process: connections, commands, time, disk. Each limit says which
// it was, to the client by its reply and to the operator by `connection.ended`.
import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { test as testWithPlace } from "../support/place.ts";
import type { GatewayProcess, LogLine } from "../support/process.ts";
import { connectSmtp, openSmtp, type SmtpClient, taskMail } from "../support/smtp-client.ts";

/** A stranger: nobody who is trusted connects from there. */
const STRANGER = "127.0.1.1";
const OTHER_STRANGER = "127.0.1.2";

/** One gateway has every limit that keeps out of the others' way, and one the time-outs, which are short. */
const test = testWithPlace
  .extend("limited", { scope: "file" }, ({ shared }) =>
    shared.start({
      ACCESS_TRUSTED_NETWORKS: "127.0.0.0/24",
      ACCESS_ALLOWED_NETWORKS: "127.0.0.0/24,127.0.1.0/24",
      SMTP_CONNECTIONS_PER_ADDRESS_MAX: 3,
      SMTP_UNAUTHENTICATED_COMMANDS_MAX: 4,
      SMTP_ERRORS_MAX: 5,
      SMTP_JUNK_COMMANDS_MAX: 7,
      SMTP_COMMAND_MAX_BYTES: 600,
      SMTP_BARE_NEWLINE: "reject",
      POLICY_DENIED_RECIPIENTS: "*.invalid",
    }),
  )
  .extend("impatient", { scope: "file" }, ({ shared }) =>
    shared.start({
      DATA_DIR: `${shared.folder}/impatient`,
      SMTP_TIMEOUTS_GREETING: "3s",
      SMTP_TIMEOUTS_COMMAND: "3s",
      SMTP_TIMEOUTS_DATA_IDLE: "3s",
      SMTP_TIMEOUTS_DATA: "5s",
    }),
  );

const mailTo = (to: string) => ({ to: [to], content: taskMail(randomUUID()) });
/** Why connections of the address were ended: one at least. The client may hear of it before the line comes. */
async function endingsOf(gateway: GatewayProcess, address: string): Promise<unknown[]> {
  const isTheirs = ({ client }: LogLine): boolean => client === address;
  await gateway.logged("connection.ended", 1, isTheirs);
  return gateway.said("connection.ended", isTheirs).map(({ reason }) => reason);
}

/** The last reply, and that the connection then ends. */
async function ending(client: SmtpClient): Promise<string> {
  // Not by once(), which fails on a reset: what was written while the gateway closed may bring one.
  const closed = new Promise<void>((resolve) => {
    if (client.socket.closed) resolve();
    else client.socket.once("close", () => resolve());
  });
  const reply = await client.reply();
  client.socket.end();
  await closed;
  return reply;
}

test("connections of one address, while a trusted one goes on", async ({ limited: gateway }) => {
  const connected = await Promise.all([1, 2, 3].map(() => connectSmtp(gateway.port, { from: STRANGER })));
  expect(await ending(await openSmtp(gateway.port, { from: STRANGER }))).toMatch(/^421 4\.3\.2 /);
  for (const client of [...connected, await connectSmtp(gateway.port, { from: OTHER_STRANGER })]) {
    await client.quit();
  }
  const trusted = await Promise.all([1, 2, 3, 4, 5].map(() => connectSmtp(gateway.port)));
  for (const client of trusted) expect(await client.submit(mailTo("a@example.net"))).toMatch(/^250 /);
  for (const client of trusted) await client.quit();
  // Who has left is not counted.
  await (await connectSmtp(gateway.port, { from: STRANGER })).quit();
});

test("a full gateway: whoever submits stays, whoever idles goes, and a mailer gets in", async ({ place }) => {
  const gateway = await place.start({ SMTP_CONNECTIONS_MAX: 5 });
  const mailer = await connectSmtp(gateway.port);
  await mailer.submit(mailTo("a@example.net"));
  const underWay = await connectSmtp(gateway.port);
  await underWay.command("MAIL FROM:<a@sender.example>");
  const idle = await Promise.all(
    [1, 2, 3].map((host) => connectSmtp(gateway.port, { from: `127.0.1.${host}` })),
  );
  // Only who has been idle for a second is dismissed; a mailer that is turned away tries again.
  let newcomer = await openSmtp(gateway.port);
  for (
    let greeting = await newcomer.reply();
    greeting.startsWith("421 ");
    greeting = await newcomer.reply()
  ) {
    newcomer = await openSmtp(gateway.port);
  }
  await newcomer.command("EHLO client.example");
  expect(await newcomer.submit(mailTo("b@example.net"))).toMatch(/^250 /);
  expect(await Promise.race(idle.map(ending))).toMatch(/^421 4\.3\.2 /);
  expect(await underWay.command("RCPT TO:<c@example.net>")).toMatch(/^250 /);
  expect(await mailer.submit(mailTo("d@example.net"))).toMatch(/^250 /);
  await gateway.logged("connection.full");
  for (const client of [mailer, underWay, newcomer, ...idle]) client.destroy();
});

test("networks that may not connect", async ({ limited: gateway }) => {
  expect(await ending(await openSmtp(gateway.port, { from: "127.0.2.1" }))).toMatch(/^554 5\.7\.1 /);
  await (await connectSmtp(gateway.port)).quit();
});

describe.concurrent("time-out:", () => {
  const waits: [string, string, (client: SmtpClient) => Promise<void>][] = [
    ["before EHLO", "greeting", async (client) => void (await client.reply())],
    [
      "a command that trickles in",
      "command",
      async (client) => {
        await client.reply();
        await client.command("EHLO client.example");
        trickle(client, "NOOP ".padEnd(300, "x"));
      },
    ],
    [
      "content that stops",
      "data_idle",
      async (client) => {
        await beginData(client);
        client.write("Subject: the first line, and the last\r\n");
      },
    ],
    [
      "content that trickles in",
      "data",
      async (client) => {
        await beginData(client);
        trickle(client, "x".repeat(300));
      },
    ],
  ];

  test.for(waits)("%s", async ([_, timeout, wait], { impatient: gateway }) => {
    const from = `127.0.0.${10 + waits.findIndex(([, one]) => one === timeout)}`;
    const client = await openSmtp(gateway.port, { from });
    await wait(client);
    expect(await ending(client)).toBe("421 4.4.2 timeout, closing connection");
    expect(await endingsOf(gateway, from)).toEqual([`timeouts.${timeout}`]);
    expect(gateway.said("submission.accepted")).toEqual([]);
  });

  test("each command begins the time anew", async ({ impatient: gateway }) => {
    // Again where a busy machine has made the client late.
    for (;;) if (await stays(gateway)) return;
  });
});

/** Speaks often enough for longer than the time-out. @returns false when it was late, by its own clock, and was sent away */
async function stays({ port }: GatewayProcess): Promise<boolean> {
  let spokeAt = performance.now();
  const client = await connectSmtp(port);
  for (let count = 0; count < 11; count++) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = spokeAt;
    spokeAt = performance.now();
    const reply = await client.command("NOOP");
    if (reply.startsWith("250 ")) continue;
    expect([reply.slice(0, 3), performance.now() - before >= 3_000]).toEqual(["421", true]);
    return false;
  }
  await client.quit();
  return true;
}

async function beginData(client: SmtpClient): Promise<void> {
  await client.reply();
  await client.command("EHLO client.example");
  await client.command("MAIL FROM:<a@sender.example>");
  await client.command("RCPT TO:<b@example.net>");
  expect(await client.command("DATA")).toMatch(/^354 /);
}

/** An octet at a time, faster than any idle time-out, until the connection ends. */
function trickle(client: SmtpClient, octets: string): void {
  let sent = 0;
  const timer = setInterval(() => {
    // The gateway's end is followed by the socket's own before it is closed.
    if (client.socket.writable) client.write(octets[sent++ % octets.length] as string);
  }, 50);
  client.socket.once("close", () => clearInterval(timer));
}

test.for([
  ["errors", "127.0.0.21", "MAIL FROM:<bad", 5, "errors_max", "too many errors"],
  ["junk", "127.0.0.22", "NOOP", 7, "junk_commands_max", "too many commands without a mail"],
] as const)("too many: %s", async ([_, from, command, allowed, reason, text], { limited: gateway }) => {
  const client = await connectSmtp(gateway.port, { from });
  const replies: string[] = [];
  for (;;) {
    const reply = await client.command(command);
    replies.push(reply);
    if (reply.startsWith("421 ") || replies.length > 50) break;
    if (reason === "errors_max" && replies.length === allowed) break;
  }
  if (reason === "errors_max") expect(await ending(client)).toBe(`421 4.7.0 ${text}`);
  else expect(replies.at(-1)).toBe(`421 4.7.0 ${text}`);
  expect(replies.length).toBeLessThanOrEqual(allowed + 1);
  expect(await endingsOf(gateway, from)).toEqual([reason]);
});

test("a mail forgives the errors before it", async ({ limited: gateway }) => {
  const client = await connectSmtp(gateway.port);
  for (let count = 0; count < 8; count++) {
    expect(await client.command("MAIL FROM:<bad")).toMatch(/^501 /);
    expect(await client.command("NOOP")).toMatch(/^250 /);
    expect(await client.submit(mailTo("a@example.net"))).toMatch(/^250 /);
  }
  await client.quit();
});

test("recipients that are refused are no errors of the client's", async ({ limited: gateway }) => {
  const client = await connectSmtp(gateway.port);
  await client.command("MAIL FROM:<a@sender.example>");
  for (let count = 0; count < 10; count++) {
    expect(await client.command(`RCPT TO:<${count}@host.invalid>`)).toMatch(/^550 5\.7\.1 /);
  }
  expect(await client.command("RCPT TO:<a@example.net>")).toMatch(/^250 /);
  client.destroy();
});

test("a command that is too long", async ({ limited: gateway }) => {
  const client = await connectSmtp(gateway.port);
  expect(await client.command(`NOOP ${"x".repeat(590)}`)).toMatch(/^250 /);
  client.write(`NOOP ${"x".repeat(700)}`);
  expect(await ending(client)).toMatch(/^421 /);
});

test("a stranger's commands", async ({ limited: gateway }) => {
  const from = "127.0.1.3";
  const client = await connectSmtp(gateway.port, { from });
  expect(await client.command("MAIL FROM:<a@sender.example>")).toBe("530 5.7.0 authentication required");
  expect(await client.command("RCPT TO:<a@example.net>")).toMatch(/^503 /);
  expect(await client.command("DATA")).toMatch(/^503 /);
  expect(await client.command("MAIL FROM:<a@sender.example>")).toMatch(/^421 4\.7\.0 /);
  expect(await endingsOf(gateway, from)).toEqual(["unauthenticated_commands_max"]);
});

test("a disk with too little room, asked before the content comes", async ({ place }) => {
  const gateway = await place.start({ SPOOL_FREE_MIN_BYTES: Number.MAX_SAFE_INTEGER });
  const client = await connectSmtp(gateway.port);
  expect(await client.command("MAIL FROM:<a@sender.example>")).toMatch(/^452 4\.3\.1 /);
  await client.quit();
  // The start has said so too.
  expect(gateway.said("spool.low_space")[0]).toMatchObject({
    level: "warn",
    minimum: Number.MAX_SAFE_INTEGER,
  });
});

test("what policy says, to MAIL, to RCPT, and after the content", async ({ place }) => {
  const gateway = await place.start({
    POLICY_REVERSE_PATHS: "sender.example",
    POLICY_FROM_DOMAINS: "sender.example",
    POLICY_DENIED_RECIPIENTS: "nobody@example.net",
    POLICY_RECIPIENTS_MAX: 2,
    POLICY_RECIPIENTS_PER_HOUR: 6,
    POLICY_MESSAGES_PER_HOUR: 3,
  });
  const client = await connectSmtp(gateway.port);
  expect(await client.command("MAIL FROM:<ceo@bank.example>")).toMatch(/^550 5\.7\.1 /);
  expect(await client.command("MAIL FROM:<>")).toMatch(/^550 5\.7\.1 /);
  const forged = taskMail(randomUUID()).replace("From: App <app@sender.example>", "From: ceo@bank.example");
  expect(await client.submit({ to: ["a@example.net"], content: forged })).toMatch(/^550 5\.7\.1 /);
  expect(await client.command("MAIL FROM:<a@sender.example>")).toMatch(/^250 /);
  expect(await client.command("RCPT TO:<nobody@example.net>")).toMatch(/^550 5\.7\.1 /);
  expect(await client.command("RCPT TO:<a@example.net>")).toMatch(/^250 /);
  expect(await client.command("RCPT TO:<b@example.net>")).toMatch(/^250 /);
  expect(await client.command("RCPT TO:<c@example.net>")).toMatch(/^452 4\.5\.3 /);
  await client.command("RSET");
  expect(await client.submit(mailTo("a@example.net"))).toMatch(/^250 /);
  expect(await client.command("MAIL FROM:<a@sender.example>")).toBe(
    "450 4.7.1 too many messages this hour, try again later",
  );
  await client.quit();
  expect(gateway.said("submission.refused")).toHaveLength(6);
});

test("PROXY from a listed balancer only, and then it must", async ({ place }) => {
  const gateway = await place.start({
    ACCESS_PROXIES: "127.0.1.1",
    ACCESS_TRUSTED_NETWORKS: "192.0.2.0/24,127.0.0.0/8",
  });
  const header = "PROXY TCP4 192.0.2.7 127.0.0.1 51000 2525\r\n";
  const client = await connectSmtp(gateway.port, { from: "127.0.1.1", preamble: header });
  expect(await client.submit(mailTo("a@example.net"))).toMatch(/^250 /);
  await client.quit();
  // Whom it stands for is not trusted, though it would be itself.
  const stranger = await connectSmtp(gateway.port, {
    from: "127.0.1.1",
    preamble: "PROXY TCP4 198.51.100.1 127.0.0.1 51000 2525\r\n",
  });
  expect(await stranger.command("MAIL FROM:<a@sender.example>")).toMatch(/^530 /);
  stranger.destroy();
  // A proxy that speaks for itself speaks for nobody who is trusted, also where it is in a trusted network.
  const own = await connectSmtp(gateway.port, { from: "127.0.1.1", preamble: "PROXY UNKNOWN\r\n" });
  expect(await own.command("MAIL FROM:<a@sender.example>")).toMatch(/^530 /);
  own.destroy();
  // Without the header nothing is heard; from elsewhere the header is no command.
  const bare = await openSmtp(gateway.port, { from: "127.0.1.1", preamble: "EHLO client.example\r\n" });
  await expect(bare.reply()).rejects.toThrow("connection closed");
  const other = await openSmtp(gateway.port, { preamble: header });
  const first = await other.reply();
  // It may come before the greeting.
  expect(first.startsWith("220 ") ? await other.reply() : first).toMatch(/^(500|421) /);
  other.destroy();
});

test("XCLIENT from a listed relay only, and whom it names must be welcome", async ({ place }) => {
  const gateway = await place.start({
    ACCESS_XCLIENT: "127.0.0.1",
    ACCESS_ALLOWED_NETWORKS: "127.0.0.0/8,192.0.2.0/24",
  });
  const client = await connectSmtp(gateway.port);
  expect(await client.command("XCLIENT ADDR=192.0.2.7 LOGIN=shop")).toMatch(/^220 /);
  await client.command("EHLO client.example");
  expect(await client.submit(mailTo("a@example.net"))).toMatch(/^250 /);
  await gateway.logged("submission.accepted");
  expect(gateway.said("submission.accepted")[0]?.user).toBe("shop");
  await client.quit();
  const unwelcome = await connectSmtp(gateway.port);
  expect(await unwelcome.command("XCLIENT ADDR=198.51.100.1")).toMatch(/^(220|554 5\.7\.1) /);
  const last = await unwelcome.reply().catch(() => "closed");
  expect(last).toMatch(/^554 5\.7\.1 |^closed$/);
  const other = await connectSmtp(gateway.port, { from: STRANGER });
  expect(await other.command("XCLIENT ADDR=192.0.2.7")).toMatch(/^550 /);
  other.destroy();
});

test("octets behind a command whose reply comes first", async ({ limited: gateway }) => {
  const from = "127.0.0.23";
  const client = await connectSmtp(gateway.port, { from });
  client.write(
    "MAIL FROM:<a@sender.example>\r\nRCPT TO:<a@example.net>\r\nDATA\r\nSubject: too soon\r\n\r\n.\r\n",
  );
  expect(await client.reply()).toMatch(/^250 /);
  expect(await client.reply()).toMatch(/^250 /);
  expect(await ending(client)).toMatch(/^554 5\.5\.0 /);
  expect(await endingsOf(gateway, from)).toEqual(["unsynchronised"]);
});

test("bare line feeds where they are refused", async ({ limited: gateway }) => {
  const command = await connectSmtp(gateway.port);
  command.write("NOOP\n");
  expect(await ending(command)).toMatch(/^521 5\.5\.2 /);
  const content = await connectSmtp(gateway.port);
  expect(
    await content.submit({ to: ["a@example.net"], content: `${taskMail(randomUUID())}a\nb\r\n` }),
  ).toMatch(/^554 5\.6\.0 /);
  expect(await content.submit(mailTo("a@example.net"))).toMatch(/^250 /);
  await content.quit();
});
