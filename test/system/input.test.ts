// Input that no mailer should send, each with its own reply, and nothing lost or crashed by it.
import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { readMaildir } from "../support/maildir.ts";
import { type Place, test as testWithPlace } from "../support/place.ts";
import type { GatewayProcess } from "../support/process.ts";
import { connectSmtp, submitMail, taskMail } from "../support/smtp-client.ts";

const SIZE_MAX = 2_000_000;

let count = 0;

/** One gateway for all: whatever was sent at it, it is still there, and stops in order. */
const test = testWithPlace.extend("gateway", { scope: "file", auto: true }, ({ shared }) =>
  shared.start({ SMTP_SIZE_MAX_BYTES: SIZE_MAX }),
);
test.afterAll(async ({ gateway }) => {
  expect(await gateway.stop()).toBe(0);
});

const relayed = ({ outbox }: Place): string[] => readMaildir(outbox);
const nextRecipient = (): string => `input${count++}@example.com`;

const submit = (
  { port }: GatewayProcess,
  content: string | Uint8Array,
  to = [nextRecipient()],
): Promise<string> => submitMail(port, { to, content });

/** The one relayed message whose content has the mark. */
async function arrived(shared: Place, gateway: GatewayProcess, mark: string): Promise<string> {
  for (;;) {
    const found = relayed(shared).filter((message) => message.includes(mark));
    if (found[0] !== undefined) return found[0];
    await gateway.logged("transmission.relayed", gateway.said("transmission.relayed").length + 1);
  }
}

describe("task ids", () => {
  test.for([
    ["empty", ""],
    ["256 characters", "x".repeat(256)],
    ["a control character", "a\x01b"],
    ["not ASCII", "tâche"],
  ] as const)("%s: refused, naming the field", async ([_, task], { gateway }) => {
    expect(await submit(gateway, taskMail(task))).toMatch(/^554 5\.6\.0 X-Task-Id /);
  });

  test("255 characters are taken", async ({ gateway }) => {
    expect(await submit(gateway, taskMail("x".repeat(255)))).toMatch(/^250 /);
  });

  test("folded after the colon, as Python does with long values, is the same task", async ({ gateway }) => {
    const task = randomUUID();
    const to = [nextRecipient()];
    expect(await submit(gateway, taskMail(`\r\n ${task}`), to)).toContain("queued as");
    expect(await submit(gateway, taskMail(`{${task.toUpperCase()}}`), to)).toContain("repeat of");
  });

  test("two that differ are ambiguous", async ({ gateway }) => {
    expect(await submit(gateway, taskMail("one", { fields: "X-Task-Id: two" }))).toMatch(
      /^554 5\.6\.0 X-Task-Id /,
    );
  });

  test("a line end in ENVID is refused at MAIL", async ({ gateway }) => {
    const client = await connectSmtp(gateway.port);
    expect(await client.command("MAIL FROM:<a@b.example> ENVID=x+0D+0Ay")).toMatch(/^501 5\./);
    await client.quit();
  });
});

test("a conflicting second mail is refused, and the first relayed", async ({ gateway }) => {
  const task = randomUUID();
  const to = [nextRecipient()];
  expect(await submit(gateway, taskMail(task, { subject: "First" }), to)).toContain("queued as");
  expect(await submit(gateway, taskMail(task, { subject: "Second" }), to)).toMatch(
    /^554 5\.6\.0 .*X-Task-Part/,
  );
});

test("a body rendered anew is a repeat, and the difference is logged", async ({ gateway }) => {
  const task = randomUUID();
  const to = [nextRecipient()];
  await submit(gateway, taskMail(task, { body: "rendered at 10:13\r\n" }), to);
  expect(await submit(gateway, taskMail(task, { body: "rendered at 10:18\r\n" }), to)).toContain("repeat of");
  const lines = gateway.lines.filter((line) => line.event === "transmission.repeat" && line.task === task);
  expect(lines.map((line) => line.bodyDiffers)).toEqual([true]);
});

describe("sizes", () => {
  test("announced as too large: refused at MAIL", async ({ gateway }) => {
    const client = await connectSmtp(gateway.port);
    expect(await client.command(`MAIL FROM:<a@b.example> SIZE=${SIZE_MAX + 1}`)).toMatch(/^552 5\.3\.4 /);
    await client.quit();
  });

  test("too large on the way: read to its end, refused, and the connection goes on", async ({ gateway }) => {
    const client = await connectSmtp(gateway.port);
    const content = taskMail(randomUUID(), { body: `${"x".repeat(78)}\r\n`.repeat(30_000) });
    expect(await client.submit({ to: [nextRecipient()], content })).toMatch(/^552 5\.3\.4 /);
    expect(await client.submit({ to: [nextRecipient()], content: taskMail(randomUUID()) })).toContain(
      "queued",
    );
    await client.quit();
  });

  test("a header of 1 MB is refused as such", async ({ gateway }) => {
    const fields = Array.from({ length: 10_000 }, (_, n) => `X-Field-${n}: ${"x".repeat(90)}`).join("\r\n");
    expect(await submit(gateway, taskMail(randomUUID(), { fields }))).toMatch(/^552 5\.3\.4 header/);
  });

  test("one header line of 1 MB as well", async ({ gateway }) => {
    expect(
      await submit(gateway, taskMail(randomUUID(), { fields: `X-Long: ${"x".repeat(1_000_000)}` })),
    ).toMatch(/^552 5\.3\.4 header/);
  });

  test("lines of 10,000 octets are carried on as they are", async ({ shared, gateway }) => {
    const line = randomBytes(5_000).toString("hex");
    expect(await submit(gateway, taskMail(randomUUID(), { body: `${line}\r\n` }))).toContain("queued as");
    expect(await arrived(shared, gateway, line)).toContain(`\r\n\r\n${line}\r\n`);
  });

  test("1,000 recipients are taken, one more is refused for now", async ({ gateway }) => {
    const client = await connectSmtp(gateway.port);
    await client.command("MAIL FROM:<a@b.example>");
    let pending = "";
    for (let n = 0; n < 1_001; n++) pending += `RCPT TO:<many${n}@example.com>\r\n`;
    client.write(pending);
    for (let n = 0; n < 1_000; n++) expect(await client.reply()).toMatch(/^250 /);
    expect(await client.reply()).toMatch(/^452 4\.5\.3 /);
    await client.command("DATA");
    client.write(`${taskMail(randomUUID())}.\r\n`);
    expect(await client.reply()).toMatch(/^250 2\.0\.0 queued as/);
    await client.quit();
    await gateway.logged("transmission.relayed", 1_000);
  });
});

describe("contents", () => {
  test("8-bit octets arrive as they are", async ({ shared, gateway }) => {
    const mark = randomUUID();
    const body = Buffer.concat([Buffer.from(`${mark} `), randomContent(500), Buffer.from("\r\n")]);
    const content = Buffer.concat([Buffer.from(taskMail(randomUUID(), { body: "" }), "latin1"), body]);
    expect(await submit(gateway, content)).toContain("queued as");
    expect((await arrived(shared, gateway, mark)).split("\r\n\r\n")[1]).toBe(body.toString("latin1"));
  });

  test("no header at all: relayed, unkeyed, with what a mail needs", async ({ shared, gateway }) => {
    const mark = randomUUID();
    expect(await submit(gateway, `${mark} is no header\r\nsecond line\r\n`)).toContain("queued as");
    const message = await arrived(shared, gateway, mark);
    expect(message).toMatch(/\r\nDate: /);
    expect(message).toMatch(/\r\nMessage-ID: <[a-z2-7]{32}@/);
    expect(message.endsWith(`\r\n\r\n${mark} is no header\r\nsecond line\r\n`)).toBe(true);
  });

  test("nothing but a dot: relayed as an empty mail", async ({ gateway }) => {
    expect(await submit(gateway, "")).toContain("queued as");
  });

  test("bare LF throughout becomes CRLF", async ({ shared, gateway }) => {
    const mark = randomUUID();
    const content = taskMail(randomUUID(), { body: `${mark}\r\nline\r\n` }).replaceAll("\r\n", "\n");
    expect(await submit(gateway, content)).toContain("queued as");
    expect(await arrived(shared, gateway, mark)).toContain(`\r\n\r\n${mark}\r\nline\r\n`);
  });

  test("dots at the beginning of lines survive", async ({ shared, gateway }) => {
    const mark = randomUUID();
    const body = `${mark}\r\n.\r\n..\r\n.dot\r\nend\r\n`;
    expect(await submit(gateway, taskMail(randomUUID(), { body }))).toContain("queued as");
    expect(await arrived(shared, gateway, mark)).toContain(`\r\n\r\n${body}`);
  });

  test("smuggled ends of data are content, not commands", async ({ shared, gateway }) => {
    const mark = randomUUID();
    const smuggled = `${mark}\n.\nMAIL FROM:<evil@x.example>\r.\rRCPT TO:<v@x.example>\n.\r\nDATA\r\n`;
    expect(await submit(gateway, taskMail(randomUUID(), { body: smuggled }))).toContain("queued as");
    const message = await arrived(shared, gateway, mark);
    expect(message).toContain("MAIL FROM:<evil@x.example>\r\n");
    expect(message).not.toMatch(/[^\r]\n|\r[^\n]/);
  });
});

describe("clients", () => {
  test("one that vanishes in DATA leaves nothing behind", async ({ shared, gateway }) => {
    const aborted = gateway.lines.filter((line) => line.event === "submission.aborted").length;
    const to = nextRecipient();
    for (const body of ["short", "x".repeat(200_000)]) {
      const client = await connectSmtp(gateway.port);
      await client.command("MAIL FROM:<a@b.example>");
      await client.command(`RCPT TO:<${to}>`);
      await client.command("DATA");
      client.write(taskMail(randomUUID(), { body }));
      client.destroy();
    }
    await gateway.logged("submission.aborted", aborted + 2);
    expect(relayed(shared).some((message) => message.includes(to))).toBe(false);
  });

  test("addresses that differ in the case of the local-part are two recipients", async ({ gateway }) => {
    const name = `Case${count++}`;
    const task = randomUUID();
    const to = [`${name}@example.com`, `${name.toLowerCase()}@example.com`, `${name}@EXAMPLE.com`];
    expect(await submit(gateway, taskMail(task), to)).toContain("queued as");
    const accepted = gateway.lines.find((line) => line.event === "submission.accepted" && line.task === task);
    expect(accepted?.queued).toBe(2);
  });

  test("commands out of order and unknown ones are answered, with one enhanced status each", async ({
    gateway,
  }) => {
    const client = await connectSmtp(gateway.port);
    expect(await client.command("RCPT TO:<a@b.example>")).toMatch(/^503 5\.5\.1 [^0-9]/);
    expect(await client.command("WIZ")).toMatch(/^500 5\.5\.[12] [^0-9]/);
    expect(await client.command("AUTH PLAIN AGEAYg==")).toMatch(/^5/);
    expect(await client.command("MAIL FROM:<no domain>")).toMatch(/^5\d\d 5\.1\.\d+ [^0-9]/);
    await client.quit();
  });

  test("EHLO offers what is kept, and nothing else", async ({ gateway }) => {
    const client = await connectSmtp(gateway.port);
    const reply = await client.command("EHLO again.example");
    const offered = reply
      .split("\n")
      .slice(1)
      .map((line) => line.slice(4));
    expect(offered.sort()).toEqual(
      ["8BITMIME", "DSN", "ENHANCEDSTATUSCODES", "PIPELINING", `SIZE ${SIZE_MAX}`, "SMTPUTF8"].sort(),
    );
    await client.quit();
  });
});

/** Any octets but line ends, and NUL, which no mail may have. */
function randomContent(length: number): Buffer {
  return Buffer.from(randomBytes(length).map((octet) => ([0, 10, 13].includes(octet) ? 0xe9 : octet)));
}
