// SMTP smuggling: whatever octets stand where a server might see the end of data, and however they are cut
// into segments, one mail stays one mail, and what leaves towards the upstream leaves nothing to interpret.
import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { createSink, type Sink } from "../fuzz/sink.ts";
import { readMaildir } from "../support/maildir.ts";
import { type Place, sesAt, smtpAt, test as testWithPlace } from "../support/place.ts";
import type { GatewayProcess, Settings } from "../support/process.ts";
import { connectSmtp, type SmtpClient, taskMail } from "../support/smtp-client.ts";

/** What some server somewhere takes, or took, for the end of data. Only CRLF.CRLF is. */
const ENDS: readonly string[] = [
  ...[
    "\n.\n",
    "\n.\r",
    "\r.\n",
    "\r.\r",
    "\n.\r\n",
    "\r.\r\n",
    "\r\n.\n",
    "\r\n.\r",
    "\n\n.\n\n",
    "\r\r.\r\r",
  ],
  ...["\r\r\n.\r\r\n", "\r\n.\r\r\n", "\n\r.\n\r", "\n\r.\r\n", "\r\n.\n\r", "\n\r\n.\r\r\n"],
  ...[
    "\r\n. \r\n",
    "\r\n.\t\r\n",
    "\r\n .\r\n",
    "\r\n..\r\n",
    "\n..\n",
    "\r..\r",
    "\r\n...\r\n",
    "\n..\r\n",
    "\r\n..\n",
  ],
  ...[
    "\x85.\x85",
    "\x0b.\x0b",
    "\x0c.\x0c",
    "\x1a",
    "\x04",
    "\u2028.\u2028",
    "\r\n\u2024\r\n",
    "\r\n\uff0e\r\n",
  ],
];

/** Each is an end of data for a server that drops NULs. */
const ENDS_WITH_NUL = [
  "\r\n\0.\r\n",
  "\r\n.\0\r\n",
  "\r\0\n.\r\n",
  "\r\n.\r\0\n",
  "\0\r\n\0.\0\r\n",
  "\n\0.\n",
];

const SMUGGLED = [
  ...["MAIL FROM:<evil@example.org>", "RCPT TO:<victim@example.org>", "DATA"],
  ...["Subject: smuggled", "", "smuggled", ""],
].join("\r\n");

/** A gateway, the sink behind it, and every mail that should have arrived there. */
interface Site {
  readonly gateway: GatewayProcess;
  readonly sink: Sink;
  readonly due: Sent[];
}

async function open(place: Place, settings: Settings = {}): Promise<Site> {
  const sink = await createSink({ keepsContents: true });
  place.atEnd(() => sink.close());
  return { sink, due: [], gateway: await place.start({ ...smtpAt(sink.port), ...settings }) };
}

/** `site` is there for all tests in turn: nothing that arrives out of turn goes unseen. */
const test = testWithPlace.extend("site", { scope: "file" }, ({ shared }) => open(shared));

interface Sent {
  readonly to: string;
  /** Up to the final dot, whose line is not in it. */
  readonly content: Buffer;
  /** Offset and length of the end that is none. */
  readonly at: number;
  readonly endOctets: number;
}

function mailWith(end: string): Sent {
  const before = Buffer.from(`${taskMail(randomUUID(), { body: "" })}first line`);
  const octets = Buffer.from(end, /^[^\u0100-\uffff]*$/.test(end) ? "latin1" : "utf8");
  const content = Buffer.concat([before, octets, Buffer.from(SMUGGLED)]);
  return { to: `${randomUUID()}@example.net`, content, at: before.length, endOctets: octets.length };
}

/** The body of content, as it is relayed. */
function bodyOf(content: Buffer): string {
  const body = content.toString("latin1").replace(/^[\s\S]*?\r\n\r\n/, "");
  // Of two dots at the beginning of a line the first was the client's stuffing.
  return body.replace(/\n\.\./g, "\n.").replace(/\r\n|\r|\n/g, "\r\n");
}

const stuffed = (body: string): string => body.replace(/\r\n\./g, "\r\n..");

/** Says all up to the content; the final dot and what follows are for `finish`. */
async function begin(gateway: GatewayProcess, { to }: Sent): Promise<SmtpClient> {
  const client = await connectSmtp(gateway.port);
  client.socket.setNoDelay(true);
  client.write(`MAIL FROM:<app@sender.example>\r\nRCPT TO:<${to}>\r\nDATA\r\n`);
  for (const code of ["250", "250", "354"]) expect((await client.reply()).slice(0, 3)).toBe(code);
  return client;
}

/** @returns the reply to the content, after which nothing else was said than what was asked for */
async function finish(client: SmtpClient): Promise<string> {
  const reply = await client.reply();
  expect(await client.command("NOOP")).toMatch(/^250 2\.0\.0 OK/);
  client.destroy();
  return reply;
}

const written = (client: SmtpClient, octets: Uint8Array): Promise<void> =>
  new Promise((resolve) => client.socket.write(octets, () => resolve()));

/** Resolves when the gateway has read what was sent before: it has answered to what was sent after. */
async function readByNow(gateway: GatewayProcess): Promise<void> {
  const other = await connectSmtp(gateway.port);
  other.destroy();
}

async function inSegments(gateway: GatewayProcess, mail: Sent, cuts: readonly number[]): Promise<string> {
  const client = await begin(gateway, mail);
  const octets = Buffer.concat([mail.content, Buffer.from(".\r\n")]);
  let from = 0;
  for (const to of cuts) {
    await written(client, octets.subarray(from, to));
    await readByNow(gateway);
    from = to;
  }
  await written(client, octets.subarray(from));
  return finish(client);
}

async function octetByOctet(gateway: GatewayProcess, mail: Sent): Promise<string> {
  const client = await begin(gateway, mail);
  for (const octet of Buffer.concat([mail.content, Buffer.from(".\r\n")])) {
    await written(client, Uint8Array.of(octet));
  }
  return finish(client);
}

/** Each arrived once and as it should, and nothing else did. */
async function expectMails(site: Site, mails: readonly Sent[]): Promise<void> {
  await expectArrivals(site, mails);
  const { sink } = site;
  for (const { to, content } of mails) {
    const octets = sink.arrivals.find(({ recipient }) => recipient === to)?.octets ?? "";
    expect(octets.slice(octets.indexOf("\r\n\r\n") + 4)).toBe(stuffed(bodyOf(content)));
  }
}

async function expectArrivals({ sink, due }: Site, mails: readonly Sent[]): Promise<void> {
  due.push(...mails);
  await sink.waitFor(due.length);
  expect(sink.faults).toEqual([]);
  expect(sink.notices).toEqual([]);
  expect(sink.arrivals.map(({ recipient }) => recipient).sort()).toEqual(due.map(({ to }) => to).sort());
}

describe("an end of data that is none, with commands behind it", () => {
  test("written octet by octet: content, and one mail", async ({ site }) => {
    const mails = ENDS.map(mailWith);
    const replies = await Promise.all(mails.map((mail) => octetByOctet(site.gateway, mail)));
    for (const reply of replies) expect(reply).toMatch(/^250 2\.0\.0 queued as/);
    await expectMails(site, mails);
  });

  test("cut in two at every octet of it, and of the real one: content, and one mail", async ({ site }) => {
    const mails: Sent[] = [];
    for (const end of ENDS) {
      const { at, endOctets, content } = mailWith(end);
      const around = Array.from({ length: endOctets + 3 }, (_, n) => at - 1 + n);
      const cuts = [...around, content.length - 1, content.length, content.length + 1, content.length + 2];
      const cutMails = cuts.map((cut) => ({ cut, mail: mailWith(end) }));
      const replies = await Promise.all(
        cutMails.map(({ cut, mail }) => inSegments(site.gateway, mail, [cut])),
      );
      for (const reply of replies) expect(reply, JSON.stringify(end)).toMatch(/^250 2\.0\.0 queued as/);
      mails.push(...cutMails.map(({ mail }) => mail));
    }
    await expectMails(site, mails);
  });

  test("each octet of it in a segment of its own", async ({ site }) => {
    const mails = ENDS.map(mailWith);
    await Promise.all(
      mails.map((mail) =>
        inSegments(
          site.gateway,
          mail,
          Array.from({ length: mail.endOctets + 2 }, (_, n) => mail.at + n),
        ),
      ),
    );
    await expectMails(site, mails);
  });

  test("in a Maildir's file, which nobody repairs after us", async ({ place }) => {
    const gateway = await place.start();
    const mails = ENDS.map(mailWith);
    for (const reply of await Promise.all(mails.map((mail) => inSegments(gateway, mail, [])))) {
      expect(reply).toMatch(/^250 2\.0\.0 queued as/);
    }
    await gateway.logged("transmission.relayed", mails.length);
    const bodies = readMaildir(place.outbox).map((mail) => mail.slice(mail.indexOf("\r\n\r\n") + 4));
    expect(bodies.sort()).toEqual(mails.map(({ content }) => bodyOf(content)).sort());
  });

  test("with NULs in it: refused, however it is cut, and the connection goes on", async ({ site }) => {
    for (const end of ENDS_WITH_NUL) {
      const mails = Array.from({ length: 8 }, () => mailWith(end));
      const replies = await Promise.all(
        mails.map((mail, n) => inSegments(site.gateway, mail, [mail.at + n])),
      );
      for (const reply of replies) expect(reply).toMatch(/^554 5\.6\.0 the content has a NUL/);
    }
    await expectMails(site, []);
  });

  test("refused with bare_newline = reject, unless its line ends are CRLF", async ({ place }) => {
    const site = await open(place, { SMTP_BARE_NEWLINE: "reject" });
    const taken: Sent[] = [];
    for (const end of ENDS) {
      const isBare = /\r(?!\n)|(?<!\r)\n/.test(end);
      const mails = [0, 1, 2, 3].map((cut) => ({ cut, mail: mailWith(end) }));
      const replies = await Promise.all(
        mails.map(({ cut, mail }) => inSegments(site.gateway, mail, [mail.at + cut])),
      );
      for (const reply of replies) {
        expect(reply, JSON.stringify(end)).toMatch(
          isBare ? /^554 5\.6\.0 the content has a bare CR/ : /^250 /,
        );
      }
      if (!isBare) taken.push(...mails.map(({ mail }) => mail));
    }
    await expectMails(site, taken);
  });
});

test("a first line of dots, at every cut: the end of an empty mail, or stuffed content", async ({ site }) => {
  const mails: Sent[] = [];
  for (const first of ["..", "...", "..\r\n", "...\r\n", ".\n", ".\r", "..\n"]) {
    for (let cut = 0; cut <= first.length; cut++) {
      const content = Buffer.from(`${first}\r\n${SMUGGLED}`, "latin1");
      const mail = { to: `${randomUUID()}@example.net`, content, at: 0, endOctets: first.length };
      expect(await inSegments(site.gateway, mail, [cut])).toMatch(/^250 2\.0\.0 queued as/);
      mails.push(mail);
    }
  }
  await expectArrivals(site, mails);
  for (const { to, content } of mails) {
    const octets = site.sink.arrivals.find(({ recipient }) => recipient === to)?.octets ?? "";
    // There is no header but ours, so all of it is body, after the line end of DATA itself.
    const body = stuffed(bodyOf(Buffer.concat([Buffer.from("\r\n\r\n\r\n"), content])));
    expect(octets.slice(octets.indexOf("\r\n\r\n") + 4)).toBe(body.slice("\r\n".length));
  }
});

test("nothing else comes until the gateway stops, in order", async ({ site }) => {
  expect(await site.gateway.stop()).toBe(0);
  await expectArrivals(site, []);
});

describe("commands that come as content", () => {
  const field = SMUGGLED.replaceAll("\r\n", " ");
  const content = (mark: string) =>
    taskMail(randomUUID(), {
      subject: "x\r\n MAIL FROM:<evil@example.org>\r\n\tRCPT TO:<victim@example.org>\r\n DATA",
      fields: `X-Commands: ${field}\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>`,
      body: `${mark}\r\n.\r\n${SMUGGLED}..\r\nQUIT\r\n`,
    });

  async function submit(gateway: GatewayProcess, mark: string): Promise<void> {
    const client = await connectSmtp(gateway.port);
    const reply = await client.submit({ to: [`${mark}@example.net`], content: content(mark) });
    expect(reply).toContain("queued as");
    await client.quit();
    await gateway.logged("transmission.relayed");
  }

  test("stay content towards a Maildir", async ({ place }) => {
    const mark = randomUUID();
    await submit(await place.start(), mark);
    const mails = readMaildir(place.outbox);
    expect(mails.length).toBe(1);
    expect(mails[0]).toContain(`\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\n`);
    expect(mails[0]?.endsWith(`${mark}\r\n.\r\n${SMUGGLED}..\r\nQUIT\r\n`)).toBe(true);
  });

  test("stay content towards SES, and name no recipient", async ({ place }) => {
    const ses = await place.ses();
    const mark = randomUUID();
    await submit(await place.start(sesAt(ses)), mark);
    expect(ses.taken.map(({ recipients, reversePath }) => [reversePath, ...recipients])).toEqual([
      ["app@sender.example", `${mark}@example.net`],
    ]);
    const octets = Buffer.from(ses.taken[0]?.octets ?? []).toString("latin1");
    expect(octets.endsWith(`${mark}\r\n.\r\n${SMUGGLED}..\r\nQUIT\r\n`)).toBe(true);
    expect(ses.lastCall()?.Destination).toEqual({ ToAddresses: [`${mark}@example.net`] });
  });
});
