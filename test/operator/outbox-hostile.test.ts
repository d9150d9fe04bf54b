// The outbox with mails that are hostile, and names of mails that are: what a page may hold, and what may be opened.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { openHttpPlace } from "../support/http-place.ts";
import { compose, deskOf, lines, test } from "../support/outbox-place.ts";

const EVIL = `<script>alert("evil")</script><img src=x onerror=evil()>"'><a href="javascript:evil()">evil</a>`;

describe("what strangers have written", () => {
  test("markup in subject, addresses, file names, types and text is text", async ({
    outbox: { get, put },
  }) => {
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
      expect(tags.filter((tag) => /^<script/i.test(tag))).toEqual([
        '<script src="/assets/live.js" type="module">',
      ]);
      expect(body).not.toMatch(/(?:href|src|action)="(?!\/|#content)/);
      expect(headers["content-security-policy"]).toContain("default-src 'self'");
      if (path !== "/outbox/mail?show=source")
        expect(body).toContain("&lt;script&gt;alert(&quot;evil&quot;)");
    }
    expect((await get("/outbox/mail/html")).status).toBe(404);
  });

  test("HTML is shown in a sandbox only, where nothing runs and nothing is loaded", async ({
    outbox: { get, put },
  }) => {
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
    const shown = evil
      .replace("<iframe", "<no-iframe")
      .replaceAll("</iframe", "</no-iframe")
      .replace("<link", "<no-link");
    expect([status, body.trim(), headers["content-type"]]).toEqual([200, shown, "text/html; charset=utf-8"]);
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

  test("no frame is in it, however it is written: a browser would connect to where it leads", async ({
    outbox: { get, put },
  }) => {
    const html =
      "<IFRAME src=//a><iFrame/src=//b><ifr<iframe src=//c><frameset><frame src=//d></frameset><iframe\nsrc=//e></iframe>";
    put("mail", await compose({ html }));
    const { body } = await get("/outbox/mail/html");
    expect(body.match(/<\/?[a-z-]+/gi)).toEqual(
      ["<no-IFRAME", "<no-iFrame", "<ifr", "<no-iframe", "<no-frameset", "<no-frame", "</no-frameset"].concat(
        ["<no-iframe", "</no-iframe"],
      ),
    );
  });

  test("an attachment and the source are downloads, whatever they say they are", async ({
    outbox: { get, put },
  }) => {
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

  test("characters that hide or turn text, and controls, are not shown in a line", async ({
    outbox: { get, put },
  }) => {
    put("mail", lines("Subject: a\u202eb\u0007c\u200bd", "From: x\u2066y <a@example.com>", "", "text"));
    const { body } = await get("/outbox");
    expect(body).toContain(">a b c d</a>");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(body).not.toMatch(/[\u202e\u0007\u200b\u2066]/);
  });
});

describe("names that lead elsewhere", () => {
  const SECRET = "Subject: secret\r\n\r\nsecret";

  test("a name out of a URL opens nothing but a mail of new/ and cur/", async ({
    outbox: { folder, maildir, get, put },
  }) => {
    put("mail", "Subject: there\r\n\r\n");
    writeFileSync(join(folder, "secret"), SECRET);
    writeFileSync(join(maildir, "secret"), SECRET);
    put("secret", SECRET, "tmp");
    put(".secret", SECRET);
    mkdirSync(join(maildir, "new", "folder"));
    writeFileSync(join(maildir, "new", "folder", "secret"), SECRET);
    symlinkSync(join(folder, "secret"), join(maildir, "new", "link"));
    symlinkSync(join(folder, "secret"), join(maildir, "cur", "flagged:2,S"));
    symlinkSync(folder, join(maildir, "cur", "folder-link"));
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
      ...[`%2f${join(folder, "secret").slice(1).replaceAll("/", "%2f")}`, "%252e%252e%252fsecret", "mail%2f"],
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

  test("a folder that is a link, or that others can write in, is not read, and the page says why", async ({
    outbox: { folder, maildir, get, put },
  }) => {
    put("mail", SECRET);
    renameSync(join(maildir, "new"), join(folder, "elsewhere"));
    symlinkSync(join(folder, "elsewhere"), join(maildir, "new"));
    const linked = await get("/outbox");
    expect(linked.body).toContain("Nothing is read in this folder");
    expect(linked.body).toContain("new is a link");
    expect((await get("/outbox/mail")).status).toBe(404);
    rmSync(join(maildir, "new"));
    renameSync(join(folder, "elsewhere"), join(maildir, "new"));
    expect((await get("/outbox/mail")).status).toBe(200);
    chmodSync(join(maildir, "new"), 0o777);
    expect((await get("/outbox")).body).toContain("can be written by others");
    expect((await get("/outbox/mail")).status).toBe(404);
  });

  test("who may not read mail sees none of it", async ({ outbox: { maildir, http, put } }) => {
    put("mail", "Subject: there\r\n\r\n");
    for (const path of [
      "/outbox",
      "/outbox/mail",
      "/outbox/mail/html",
      "/outbox/mail/source",
      "/outbox/mail/parts/1",
    ]) {
      const { status, headers, body } = await http.ask(path);
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
