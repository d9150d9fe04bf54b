// Composed anew, the same content has the same fingerprint; other content has another.
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import MailComposer from "nodemailer/lib/mail-composer";
import { describe, expect, test } from "vitest";
import { fingerprintOf } from "../../src/submission/decode.ts";
import { cut } from "../message/pipeline.ts";

type Mail = ConstructorParameters<typeof MailComposer>[0];

async function* chunked(octets: Uint8Array, offsets: readonly number[] = []): AsyncGenerator<Uint8Array> {
  yield* cut(octets, offsets);
}

const fingerprint = (message: string | Uint8Array, offsets?: readonly number[]): Promise<string> =>
  fingerprintOf(chunked(Buffer.from(message as string), offsets));

const MAIL: Mail = {
  from: { name: "Büro", address: "office@bücher.example" },
  to: ["user@example.com", '"Doe, Jane" <jane@example.org>'],
  cc: "third@example.com",
  replyTo: "help@example.com",
  subject: "Ihre Rechnung für Dezember, die einen ziemlich langen Betreff hat, der gefaltet werden muss",
  text: "Guten Tag,\n\nanbei die Rechnung für Dezember.   \n\n--\nBüro\n",
  html: "<p>Guten Tag, anbei die Rechnung für <b>Dezember</b>.</p>\n",
  attachments: [{ filename: "rechnung.csv", content: "position;betrag\nabonnement;19,90\n" }],
};

const compose = (mail: Mail): Promise<Buffer> =>
  new MailComposer({ newline: "\r\n", ...mail }).compile().build();
const composed = async (change: Mail = {}): Promise<string> =>
  fingerprint(await compose({ ...MAIL, ...change }));

describe("the same for a mail composed anew", () => {
  test("nodemailer: new Message-ID, boundary and Date", async () => {
    const first = await compose({ ...MAIL, date: new Date(1e12), messageId: "<a@example.com>" });
    const second = await compose({ ...MAIL, date: new Date(2e12), xMailer: "other" } as Mail);
    expect(second.equals(first)).toBe(false);
    expect(await fingerprint(second)).toBe(await fingerprint(first));
  });

  test("base64 in place of quoted-printable, and the encoded words of the subject too", async () => {
    const first = await compose({ ...MAIL, textEncoding: "base64" });
    const second = await compose({ ...MAIL, textEncoding: "quoted-printable" });
    expect(first.includes("base64")).toBe(true);
    expect(await fingerprint(second)).toBe(await fingerprint(first));
  });

  test("Python's email: 8bit utf-8, quoted-printable latin1, base64", async () => {
    const of = (boundary: string, charset: string, encoding: string, body: string) =>
      [
        `Content-Type: multipart/alternative; boundary="${boundary}"`,
        "MIME-Version: 1.0",
        "Subject: hello",
        "From: a@example.com",
        "To: user@example.com",
        `Date: Tue, 10 Dec 2013 10:${boundary.length}:06 -0000`,
        `Message-ID: <${boundary}@host>`,
        "",
        `--${boundary}`,
        `Content-Type: text/plain; charset="${charset}"`,
        "MIME-Version: 1.0",
        `Content-Transfer-Encoding: ${encoding}`,
        "",
        body,
        "",
        `--${boundary}--`,
        "",
      ].join("\r\n");
    const eightBit = await fingerprint(of("===1==", "utf-8", "8bit", "Crème brûlée\r\nzweite Zeile"));
    const quoted = await fingerprint(
      of(
        "===============2==",
        "iso-8859-1",
        "quoted-printable",
        "Cr=E8me br=FBl=E9e=20\r\nzweite =\r\nZeile",
      ),
    );
    const base64 = Buffer.from("Crème brûlée\nzweite Zeile\n").toString("base64");
    expect(quoted).toBe(eightBit);
    expect(await fingerprint(of("=3=", "utf-8", "base64", base64))).toBe(eightBit);
    expect(await fingerprint(of("=3=", "utf-8", "8bit", "Crème brûlée"))).not.toBe(eightBit);
  });

  test("a new Content-ID for the same picture", async () => {
    const of = (cid: string) =>
      composed({
        html: `<img src="cid:${cid}">`,
        attachments: [{ filename: "a.png", content: Buffer.from([1, 2, 3]), cid }],
      });
    expect(await of("17.1@host")).toBe(await of("17.2@host"));
  });

  test("trace fields put on top of it", async () => {
    const mail = (await compose(MAIL)).toString("latin1");
    const traced = Buffer.from(`Received: from a by b; now\r\nX-Mailer: c\r\n${mail}`, "latin1");
    expect(await fingerprint(traced)).toBe(await fingerprint(Buffer.from(mail, "latin1")));
  });
});

describe("another for other content", () => {
  const changes: Record<string, Mail> = {
    from: { from: "other@bücher.example" },
    "the name in From": { from: { name: "Buero", address: "office@bücher.example" } },
    to: { to: "user@example.com" },
    cc: { cc: "fourth@example.com" },
    "reply-to": { replyTo: "nobody@example.com" },
    subject: { subject: "Ihre Rechnung für November" },
    text: { text: "Guten Tag,\n\nanbei die Rechnung für November.\n" },
    html: { html: "<p>Guten Tag.</p>" },
    "no html": { html: "" },
    "an attachment's content": { attachments: [{ filename: "rechnung.csv", content: "position;betrag\n" }] },
    "an attachment's name": {
      attachments: [{ filename: "kopie.csv", content: "position;betrag\nabonnement;19,90\n" }],
    },
    "no attachment": { attachments: [] },
  };
  test.each(Object.entries(changes))("%s", async (_name, change) => {
    expect(await composed(change)).not.toBe(await composed());
  });
});

describe("whatever the octets", () => {
  const folder = new URL("../../fixtures/messages/", import.meta.url);

  test("the fixtures have different fingerprints, the same for any chunking", async () => {
    const seen = new Map<string, string>();
    for (const name of readdirSync(folder)) {
      const octets = readFileSync(new URL(name, folder));
      const whole = await fingerprint(octets);
      expect(await fingerprint(octets, [1, 7, 100, 101, 102, 300])).toBe(whole);
      seen.set(whole, name);
    }
    // The two signed ones differ in their signature only.
    expect(seen.size).toBe(readdirSync(folder).length - 1);
  });

  test("a large last part in another charset", async () => {
    const body = "Cr\xe8me br\xfbl\xe9e \xa4\r\n".repeat(40_000);
    const head = 'Content-Type: multipart/mixed; boundary="b"\r\n\r\n';
    const part = (type: string, text: string) => `--b\r\nContent-Type: ${type}\r\n\r\n${text}`;
    const message = (text: string) =>
      Buffer.from(
        `${head}${part("application/x-a", "x".repeat(70_000))}\r\n${part("text/plain; charset=iso-8859-15", text)}\r\n--b--\r\n`,
        "latin1",
      );
    const whole = await fingerprint(message(body));
    const cuts = Array.from({ length: 200 }, (_, n) => n * 4099);
    expect(await fingerprint(message(body), cuts)).toBe(whole);
    expect(await fingerprint(message(`${body}more`), cuts)).not.toBe(whole);
  });

  test.each([
    // mailparser gives this part the type `false`.
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: ;;;=\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: ;;;=\r\n\r\ntext\r\n--b--\r\n",
  ])("a part without a type that can be read: %j", async (message) => {
    const octets = Buffer.from(message, "latin1");
    expect(await fingerprint(octets)).toMatch(/^[0-9a-f]{64}$/);
    expect(await fingerprint(octets, [3, 40])).toBe(await fingerprint(octets));
  });

  test("malformed MIME neither rejects nor hangs, and has one fingerprint", async () => {
    const junk = fc.constantFrom(
      "Content-Type: multipart/mixed; boundary=b\r\n",
      "Content-Type: multipart/mixed; boundary=\r\n",
      "Content-Type: text/html; charset=\xff\r\n",
      "Content-Type: text/plain; charset=utf-7; format=flowed\r\n",
      "Content-Type: message/rfc822\r\n",
      "Content-Type: ;;;=\r\n",
      "Content-Type: text/plain; name*0*=x''%\r\n",
      "Content-Transfer-Encoding: base64\r\n",
      "Content-Transfer-Encoding: quoted-printable\r\n",
      'Content-Disposition: attachment; filename="=?x?B?////?="\r\n',
      "Subject: =?utf-8?B?w\r\n",
      "Subject: =?iso-2022-jp?B?GyRC?=\r\n",
      'From: <<<@@>"\r\n',
      "To: a:b:c;,,;\r\n",
      "Date: never\r\n",
      "\r\n",
      "--b\r\n",
      "--b--\r\n",
      "=ZZ=\r\n",
      "!!!!\r\n",
      "text\r\n",
      "\xe9\0\r\n",
      " folded\r\n",
      ": \r\n",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(junk, { maxLength: 14 }), fc.array(fc.nat(200)), async (lines, cuts) => {
        const octets = Buffer.from(lines.join(""), "latin1");
        expect(await fingerprint(octets, cuts)).toBe(await fingerprint(octets));
      }),
      { numRuns: 600 },
    );
  });

  test("a message that can't be decoded is told apart by its octets", async () => {
    // mailsplit gives up on a header of more than 2 MiB.
    const of = (date: string, body: string) =>
      fingerprint(`Date: ${date}\r\n${`X-Long: ${"x".repeat(900)}\r\n`.repeat(2500)}\r\n${body}`);
    expect(await of("today", "body")).toBe(await of("tomorrow", "body"));
    expect(await of("today", "body")).not.toBe(await of("today", "other"));
  });

  test("what the content rejects with comes through", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("Subject: x\r\n\r\n");
      throw new Error("disk");
    }
    await expect(fingerprintOf(broken())).rejects.toThrow("disk");
  });
});
