// The list of the outbox, and mails that are damaged, large, or gone.
import { linkSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { createOutboxDesk } from "../../src/operator/outbox/desk.ts";
import { NAMES_MAX } from "../../src/operator/outbox/folder.ts";
import { bearer, openHttpPlace, type Reply } from "../support/http-place.ts";
import { compose, lines, makeMaildir, test } from "../support/outbox-place.ts";

describe("the list", () => {
  test("newest first, of new/ and cur/, 50 a page, and a mail that was read keeps its address", async ({
    outbox: { maildir, get, put },
  }) => {
    const putAt = (name: string, second: number, in_ = "new"): void => {
      put(name, `Subject: ${name}\r\n\r\n`, in_);
      utimesSync(join(maildir, in_, name), second, second);
    };
    for (let at = 0; at < 60; at++) putAt(`mail-${at}`, 1_000 + at);
    putAt("read:2,RS", 1_059.5, "cur");
    const named = ({ body }: Reply) => [...body.matchAll(/id="mail-([^"]+)"/g)].map(([, name]) => name);
    const first = await get("/outbox");
    expect(named(first)).toEqual(["read", ...Array.from({ length: 49 }, (_, at) => `mail-${59 - at}`)]);
    expect(first.body).toContain(`61 mails are in <code>${maildir}</code>; they went nowhere else.`);
    expect(first.body).toContain('href="/outbox?page=2">Older</a>');
    const second = await get("/outbox?page=2");
    expect(named(second)).toEqual(Array.from({ length: 11 }, (_, at) => `mail-${10 - at}`));
    expect(named(await get("/outbox?page=9"))).toEqual([]);
    for (const page of ["0", "-1", "x", "1e3", "1234567", "%00"]) {
      expect((await get(`/outbox?page=${page}`)).status).toBe(400);
    }
    expect((await get("/outbox/read")).body).toContain("<h1>read:2,RS</h1>");
    renameSync(join(maildir, "new", "mail-0"), join(maildir, "cur", "mail-0:2,S"));
    expect((await get("/outbox/mail-0")).body).toContain("<h1>mail-0</h1>");
    rmSync(join(maildir, "cur", "mail-0:2,S"));
    expect((await get("/outbox/mail-0")).status).toBe(404);
    expect((await get("/outbox")).body).toContain("60 mails are in");
  });

  test("an empty Maildir, one that is not there, and a file that is no mail", async ({
    outbox: { maildir, get, put },
  }) => {
    expect((await get("/outbox")).body).toContain("No mail is in");
    put("empty", "");
    put("junk", Buffer.from([0xff, 0, 0xfe, 0x0d, 0x0a]));
    put("long", `${"x".repeat(70_000)}`);
    expect((await get("/outbox")).body).toContain("3 mails are in");
    for (const name of ["empty", "junk", "long"]) {
      const { status, body } = await get(`/outbox/${name}`);
      expect([status, body.includes("<h1>(no subject)</h1>")]).toEqual([200, true]);
      expect((await get(`/outbox/${name}?show=source`)).status).toBe(200);
      expect((await get(`/outbox/${name}/source`)).status).toBe(200);
    }
    expect((await get("/outbox/empty")).body).toContain("This mail has no text.");
    rmSync(maildir, { recursive: true });
    expect((await get("/outbox")).body).toContain("No mail is in");
  });

  test("more names than are looked at: so many are, and the page says so", async ({
    outbox: { maildir, get, put },
  }) => {
    put("mail", "Subject: x\r\n\r\n");
    for (let at = 0; at < NAMES_MAX; at++)
      linkSync(join(maildir, "new", "mail"), join(maildir, "new", `m${at}`));
    const { body } = await get("/outbox");
    expect(body).toContain("10,000 mails are in");
    expect(body).toContain("More than 10,000 files are there");
    rmSync(join(maildir, "new", "m0"));
    rmSync(join(maildir, "new", "m1"));
    expect((await get("/outbox")).body).not.toContain("More than");
    expect(readdirSync(join(maildir, "new")).length).toBe(NAMES_MAX - 1);
  });

  test("several Maildirs: a choice, and each mail in its own", async ({
    outbox: { folder, maildir, put },
  }) => {
    const other = join(folder, "other");
    makeMaildir(other);
    put("mail", "Subject: first\r\n\r\n");
    writeFileSync(join(other, "new", "mail"), "Subject: second\r\n\r\n");
    const config = join(folder, "mailonce.toml");
    writeFileSync(
      config,
      [
        `[upstreams.one]\nkind = "maildir"\nmaildir.path = "${maildir}"`,
        `[upstreams.two]\nkind = "maildir"\nmaildir.path = "${other}"`,
        '[[routes]]\nupstreams = ["one", "two"]',
      ].join("\n"),
    );
    const desk = createOutboxDesk(loadConfig({ file: config, environment: {} }));
    const two = await openHttpPlace({ withTokens: true, parts: { outbox: desk } });
    try {
      const headers = bearer(await two.addToken("bob", "read"));
      const first = await two.ask("/outbox", { headers });
      expect(first.body).toContain(`1 mail is in <code>${maildir}</code>.`);
      const link = /href="(\/outbox\?upstream=[^"]+)"/.exec(first.body)?.[1] ?? "";
      const second = await two.ask(link.replaceAll("&amp;", "&"), { headers });
      expect(second.body).toContain(`1 mail is in <code>${other}</code>.`);
      expect((await two.ask("/outbox/mail", { headers })).body).toContain("<h1>first</h1>");
      const mail = /href="(\/outbox\/mail[^"]+)"/.exec(second.body)?.[1] ?? "";
      expect((await two.ask(mail.replaceAll("&amp;", "&"), { headers })).body).toContain("<h1>second</h1>");
      expect((await two.ask("/outbox?upstream=three", { headers })).status).toBe(404);
      expect((await two.ask("/", { headers })).body).not.toContain("nowhere else");
    } finally {
      await two.close();
    }
  });

  test("no Maildir: no page, and no way to it", async () => {
    const none = await openHttpPlace({ withTokens: true });
    try {
      const headers = bearer(await none.addToken("bob", "read"));
      expect((await none.ask("/outbox", { headers })).status).toBe(404);
      expect((await none.ask("/outbox/mail", { headers })).status).toBe(404);
      expect((await none.ask("/", { headers })).body).not.toContain("/outbox");
    } finally {
      await none.close();
    }
  });
});

describe("damage and size", () => {
  test("what can't be decoded: the header and the source are there", async ({ outbox: { get, put } }) => {
    const mail = lines(
      "Subject: broken",
      "MIME-Version: 1.0",
      "Content-Type: text/plain; charset=utf-7",
      "",
      "text",
    );
    put("mail", mail);
    const { status, body } = await get("/outbox/mail");
    expect([status, body.includes("<h1>broken</h1>")]).toEqual([200, true]);
    expect(body).toContain("Some of this mail can't be shown");
    expect((await get("/outbox/mail?show=source")).body).toContain("charset=utf-7");
    expect((await get("/outbox/mail/source")).body).toBe(mail);
  });

  test("HTML that is too large to be decoded: the text before it, and its beginning", async ({
    outbox: { get, put },
  }) => {
    const html = `<p>begins</p>${"<p>é=é</p>\n".repeat(60_000)}`;
    put(
      "mail",
      await compose({ subject: "large", text: "see there", html, textEncoding: "quoted-printable" }),
    );
    const { body } = await get("/outbox/mail");
    expect(body).toContain("Some of this mail can't be shown");
    expect(body).toContain("<pre>see there");
    const shown = await get("/outbox/mail/html");
    expect(shown.body).toMatch(/^<p>begins<\/p><p>é=é<\/p>/);
    expect(shown.body.length).toBeLessThan(65_536);
  });

  test("MIME without an end, without a boundary, and nested without end", async ({
    outbox: { get, put },
  }) => {
    const head = ["Subject: x", "MIME-Version: 1.0"];
    const nested = Array.from({ length: 300 }, (_, at) => [
      `Content-Type: multipart/mixed; boundary=b${at}`,
      "",
      `--b${at}`,
    ]).flat();
    const mails = {
      unended: [...head, "Content-Type: multipart/mixed; boundary=b", "", "--b", "", "begun"],
      unbound: [...head, "Content-Type: multipart/mixed", "", "text"],
      nested: [...head, ...nested, "", "text"],
      base64: [...head, "Content-Transfer-Encoding: base64", "", "a", "=====", "%%%"],
      rfc822: [...head, "Content-Type: message/rfc822", "", "Subject: inner"],
    };
    for (const [name, all] of Object.entries(mails)) {
      put(name, lines(...all));
      expect([name, (await get(`/outbox/${name}`)).status]).toEqual([name, 200]);
    }
  });

  test("a mail that vanishes while it is listed leaves the rest", async ({
    outbox: { maildir, get, put },
  }) => {
    put("there", "Subject: there\r\n\r\n");
    put("gone", "Subject: gone\r\n\r\n");
    await get("/outbox");
    rmSync(join(maildir, "new", "gone"));
    const { status, body } = await get("/outbox");
    expect([status, body.includes("1 mail is in")]).toEqual([200, true]);
  });

  test("a large mail is shown in part, and downloaded whole", async ({ outbox: { get, put } }) => {
    const content = Buffer.alloc(15_000_000, "0123456789");
    const mail = await compose({
      subject: "large",
      text: "see there",
      attachments: [{ filename: "a.bin", content }],
    });
    put("mail", mail);
    const { body } = await get("/outbox/mail");
    expect(body).toContain("This mail is large: its first 8.4 MB are shown.");
    expect(body).toContain("<pre>see there");
    expect(body).toMatch(/at least 6\.\d MB/);
    const part = await get("/outbox/mail/parts/1");
    expect(part.body === content.toString()).toBe(true);
    expect((await get("/outbox/mail/source")).body.length).toBe(mail.length);
  });

  test("downloads that nobody reads: four at once, then 503, and each ends with its connection", async ({
    outbox: { http, token, get, put },
  }) => {
    put(
      "mail",
      await compose({
        subject: "large",
        attachments: [{ filename: "a", content: Buffer.alloc(15_000_000) }],
      }),
    );
    const stalled = Array.from({ length: 4 }, (_, at) => {
      const socket = connect(http.port, "127.0.0.1");
      const path = at % 2 === 0 ? "source" : "parts/1";
      socket.write(
        `GET /outbox/mail/${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      );
      return new Promise<typeof socket>((resolve) => socket.once("readable", () => resolve(socket)));
    });
    const sockets = await Promise.all(stalled);
    const refused = await get("/outbox/mail");
    expect([refused.status, refused.body.includes("other mails are being read")]).toEqual([503, true]);
    expect((await get("/outbox")).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    // The gateway learns of it in a moment.
    await expect.poll(async () => (await get("/outbox/mail")).status).toBe(200);
    for (let at = 0; at < 10; at++) expect((await get("/outbox/mail/parts/1", "HEAD")).status).toBe(200);
    expect((await get("/outbox/mail")).status).toBe(200);
  });
});
