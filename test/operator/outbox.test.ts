// The outbox of a Maildir with hostile mails and hostile names, asked over HTTP as a browser asks.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import MailComposer from "nodemailer/lib/mail-composer";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { createOutboxDesk } from "../../src/operator/outbox/desk.ts";
import { NAMES_MAX } from "../../src/operator/outbox/folder.ts";
import { askAt, bearer, type HttpPlace, openHttpPlace, type Reply } from "../support/http-place.ts";
import { makeFolder } from "../support/process.ts";

let folder: ReturnType<typeof makeFolder>;
let place: HttpPlace;
let token: string;
let maildir: string;

beforeEach(async () => {
  folder = makeFolder();
  maildir = join(folder.path, "outbox");
  for (const path of [maildir, ...["tmp", "new", "cur"].map((name) => join(maildir, name))]) {
    mkdirSync(path, { mode: 0o700 });
  }
  place = await openHttpPlace({ withTokens: true, parts: { outbox: deskOf(maildir) } });
  token = await place.addToken("ann", "read");
});
afterEach(async () => {
  await place.close();
  folder.remove();
});

const deskOf = (path: string) =>
  createOutboxDesk(loadConfig({ environment: { MAILONCE_UPSTREAM_MAILDIR_PATH: path } }));

const get = (path: string, method = "GET"): Promise<Reply> =>
  place.ask(path, { method, headers: bearer(token) });

const put = (name: string, content: string | Uint8Array, in_ = "new"): void =>
  writeFileSync(join(maildir, in_, name), content, { mode: 0o600 });

const lines = (...all: string[]): string => `${all.join("\r\n")}\r\n`;

type Mail = ConstructorParameters<typeof MailComposer>[0];
const compose = (mail: Mail): Promise<Buffer> =>
  new MailComposer({ newline: "\r\n", ...mail }).compile().build();

const EVIL = `<script>alert("evil")</script><img src=x onerror=evil()>"'><a href="javascript:evil()">evil</a>`;

describe("what strangers have written", () => {
  test("markup in subject, addresses, file names, types and text is text", async () => {
    const mail = await compose({
      from: { name: EVIL, address: "a@example.com" },
      to: { name: EVIL, address: "b@example.com" },
      subject: EVIL,
      text: EVIL,
      messageId: `<${EVIL.replaceAll(/\s/g, "")}@example.com>`,
      attachments: [{ filename: EVIL, content: "x", contentType: "text/x-<b>evil</b>" }],
    });
    put("mail", mail);
    for (const path of ["/outbox", "/outbox/mail", "/outbox/mail?show=source", "/outbox/mail?show=html"]) {
      const { status, body, headers } = await get(path);
      expect(status).toBe(200);
      const tags = body.match(/<[^>]*>/g) ?? [];
      // Without the values of attributes, which are quoted: no tag and no attribute is the mail's.
      expect(tags.filter((tag) => /evil|onerror|<img|<b>/i.test(tag.replaceAll(/"[^"]*"/g, '""')))).toEqual(
        [],
      );
      expect(tags.filter((tag) => /^<script/i.test(tag))).toEqual(['<script src="/assets/live.js" defer>']);
      expect(body).not.toMatch(/(?:href|src|action)="(?!\/|#content)/);
      expect(headers["content-security-policy"]).toContain("default-src 'self'");
      if (path !== "/outbox/mail?show=source")
        expect(body).toContain("&lt;script&gt;alert(&quot;evil&quot;)");
    }
    expect((await get("/outbox/mail/html")).status).toBe(404);
  });

  test("HTML is shown in a sandbox only, where nothing runs and nothing is loaded", async () => {
    const evil = [
      "<script>evil()</script><body onload=evil()><meta http-equiv=refresh content='0;url=https://evil.example/'>",
      '<form action="https://evil.example/"><input name=token></form><base href="https://evil.example/">',
      '<img src="https://evil.example/pixel"><iframe src="/queue"></iframe><a href="javascript:evil()">x</a>',
      '</iframe><object data="https://evil.example/"></object><link rel=stylesheet href="//evil.example/">',
    ].join("\n");
    put("mail", await compose({ from: "a@example.com", to: "b@example.com", html: evil }));
    const page = await get("/outbox/mail");
    expect(page.body).toMatch(
      /<iframe class="foreign" sandbox title="[^"]*" src="\/outbox\/mail\/html"><\/iframe>/,
    );
    expect(page.body).not.toContain("evil");
    const { status, body, headers } = await get("/outbox/mail/html");
    expect([status, body.trim(), headers["content-type"]]).toEqual([200, evil, "text/html; charset=utf-8"]);
    expect(headers).toMatchObject({
      "content-security-policy":
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; " +
        "form-action 'none'; frame-ancestors 'self'",
      "x-frame-options": "SAMEORIGIN",
      "x-content-type-options": "nosniff",
      "referrer-policy": "same-origin",
      "cache-control": "no-store",
    });
  });

  test("an attachment and the source are downloads, whatever they say they are", async () => {
    const content = Buffer.from(`<script>${EVIL}</script>`);
    const mail = await compose({
      text: "see there",
      attachments: [
        { filename: "page.html", content, contentType: "text/html" },
        { filename: "../../etc/passwd", content: Buffer.alloc(300_000, 7) },
      ],
    });
    put("mail", mail);
    const page = await get("/outbox/mail");
    expect(page.body).toContain('download="page.html"');
    expect(page.body).not.toMatch(/download="[^"]*\//);
    for (const [path, length] of [
      ["/outbox/mail/parts/1", content.length],
      ["/outbox/mail/parts/2", 300_000],
      ["/outbox/mail/source", mail.length],
    ] as const) {
      for (const method of ["GET", "HEAD"]) {
        const { status, headers, body } = await get(path, method);
        expect([status, body.length]).toEqual([200, method === "HEAD" ? 0 : length]);
        expect(headers).toMatchObject({
          "content-type": "application/octet-stream",
          "content-disposition": "attachment",
          "x-content-type-options": "nosniff",
        });
      }
    }
    for (const n of ["0", "3", "-1", "1.5", "x", "1e1", "99999999999"]) {
      expect((await get(`/outbox/mail/parts/${n}`)).status).toBe(404);
    }
  });

  test("characters that hide or turn text, and controls, are not shown in a line", async () => {
    put("mail", lines("Subject: a\u202eb\u0007c\u200bd", "From: x\u2066y <a@example.com>", "", "text"));
    const { body } = await get("/outbox");
    expect(body).toContain(">a b c d</a>");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(body).not.toMatch(/[\u202e\u0007\u200b\u2066]/);
  });
});

describe("names that lead elsewhere", () => {
  const SECRET = "Subject: secret\r\n\r\nsecret";

  test("a name out of a URL opens nothing but a mail of new/ and cur/", async () => {
    put("mail", "Subject: there\r\n\r\n");
    writeFileSync(join(folder.path, "secret"), SECRET);
    writeFileSync(join(maildir, "secret"), SECRET);
    put("secret", SECRET, "tmp");
    put(".secret", SECRET);
    mkdirSync(join(maildir, "new", "folder"));
    writeFileSync(join(maildir, "new", "folder", "secret"), SECRET);
    symlinkSync(join(folder.path, "secret"), join(maildir, "new", "link"));
    symlinkSync(join(folder.path, "secret"), join(maildir, "cur", "flagged:2,S"));
    symlinkSync(folder.path, join(maildir, "cur", "folder-link"));
    execFileSync("mkfifo", [join(maildir, "new", "pipe")]);
    const names = [
      ...["secret", ".secret", "link", "flagged", "flagged:2,S", "folder", "folder-link", "pipe", "none"],
      ...[
        "..",
        ".",
        "",
        "%2e%2e",
        "..%2fsecret",
        "..%2f..%2fsecret",
        "..%5csecret",
        "..\\secret",
        "%2e%2e%2fsecret",
      ],
      ...[
        "folder%2fsecret",
        "folder-link%2fsecret",
        "mail%00",
        "%00",
        "mail%00.txt",
        "mail%0a",
        "mail%20",
        "%20mail",
      ],
      ...[
        `%2f${join(folder.path, "secret").slice(1).replaceAll("/", "%2f")}`,
        "%252e%252e%252fsecret",
        "mail%2f",
      ],
      ...["mail:2,S", "MAIL%ff", "%c0%ae%c0%ae%2fsecret", "a".repeat(201), "a".repeat(255), "*", "mai?"],
    ];
    for (const name of names) {
      for (const rest of ["", "/source", "/html", "/parts/1"]) {
        const { status, body } = await get(`/outbox/${name}${rest}`);
        expect(body).not.toContain("secret</h1>");
        // As a path these are the list, or nothing at all.
        if (!["", ".", "..", "%2e%2e"].includes(name))
          expect([name, [400, 404]]).toEqual([name, expect.arrayContaining([status])]);
      }
    }
    const { body } = await get("/outbox");
    expect(body).toContain("1 mail is in");
    expect(body).not.toContain("secret<");
  });

  test("a folder that is a link, or that others can write in, is not read, and the page says why", async () => {
    put("mail", SECRET);
    renameSync(join(maildir, "new"), join(folder.path, "elsewhere"));
    symlinkSync(join(folder.path, "elsewhere"), join(maildir, "new"));
    const linked = await get("/outbox");
    expect(linked.body).toContain("Nothing is read in this folder");
    expect(linked.body).toContain("new is a link");
    expect((await get("/outbox/mail")).status).toBe(404);
    rmSync(join(maildir, "new"));
    renameSync(join(folder.path, "elsewhere"), join(maildir, "new"));
    expect((await get("/outbox/mail")).status).toBe(200);
    chmodSync(join(maildir, "new"), 0o777);
    expect((await get("/outbox")).body).toContain("can be written by others");
    expect((await get("/outbox/mail")).status).toBe(404);
  });

  test("who may not read mail sees none of it", async () => {
    put("mail", "Subject: there\r\n\r\n");
    for (const path of [
      "/outbox",
      "/outbox/mail",
      "/outbox/mail/html",
      "/outbox/mail/source",
      "/outbox/mail/parts/1",
    ]) {
      const { status, headers, body } = await place.ask(path);
      expect([status, headers.location, body]).toEqual([303, "/login", ""]);
    }
    const visited = await openHttpPlace({ parts: { outbox: deskOf(maildir) } });
    try {
      expect((await visited.ask("/outbox/mail")).headers.location).toBe("/login");
      expect((await visited.ask("/")).body).toContain('<a href="/outbox">Look at it in the outbox.</a>');
    } finally {
      await visited.close();
    }
  });
});

describe("the list", () => {
  const putAt = (name: string, second: number, in_?: string): void => {
    put(name, `Subject: ${name}\r\n\r\n`, in_);
    utimesSync(join(maildir, in_ ?? "new", name), second, second);
  };

  test("newest first, of new/ and cur/, 50 a page, and a mail that was read keeps its address", async () => {
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

  test("an empty Maildir, one that is not there, and a file that is no mail", async () => {
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

  test("more names than are looked at: so many are, and the page says so", async () => {
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

  test("several Maildirs: a choice, and each mail in its own", async () => {
    const other = join(folder.path, "other");
    for (const name of ["", "tmp", "new", "cur"]) mkdirSync(join(other, name), { mode: 0o700 });
    put("mail", "Subject: first\r\n\r\n");
    writeFileSync(join(other, "new", "mail"), "Subject: second\r\n\r\n");
    const config = join(folder.path, "mailonce.toml");
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
  test("what can't be decoded: the header and the source are there", async () => {
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

  test("HTML that is too large to be decoded: the text before it, and its beginning", async () => {
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

  test("MIME without an end, without a boundary, and nested without end", async () => {
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

  test("a mail that vanishes while it is listed leaves the rest", async () => {
    put("there", "Subject: there\r\n\r\n");
    put("gone", "Subject: gone\r\n\r\n");
    await get("/outbox");
    rmSync(join(maildir, "new", "gone"));
    const { status, body } = await get("/outbox");
    expect([status, body.includes("1 mail is in")]).toEqual([200, true]);
  });

  test("a large mail is shown in part, and downloaded whole", async () => {
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

  test("downloads that nobody reads: four at once, then 503, and each ends with its connection", async () => {
    put(
      "mail",
      await compose({
        subject: "large",
        attachments: [{ filename: "a", content: Buffer.alloc(15_000_000) }],
      }),
    );
    const stalled = Array.from({ length: 4 }, (_, at) => {
      const socket = connect(place.port, "127.0.0.1");
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
    await expect
      .poll(async () => (await askAt(place.port, "/outbox/mail", { headers: bearer(token) })).status)
      .toBe(200);
    for (let at = 0; at < 10; at++) expect((await get("/outbox/mail/parts/1", "HEAD")).status).toBe(200);
    expect((await get("/outbox/mail")).status).toBe(200);
  });
});
