// Real clients and real upstreams, none of them ours: what arrives, arrives once and whole.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createTransport } from "nodemailer";
import { describe, expect } from "vitest";
import { readMaildir, valuesOf } from "../support/maildir.ts";
import {
  contentOf,
  endProcess,
  findProgram,
  freePort,
  greets,
  runClient,
  startPostfix,
} from "../support/peers.ts";
import { type Place, sesAt, smtpAt, test as testWithPlace } from "../support/place.ts";
import type { GatewayProcess, LogLine } from "../support/process.ts";
import { connectSmtp, submitMail, taskMail } from "../support/smtp-client.ts";

const python = findProgram("python3");
const swaks = findProgram("swaks");
const smtpSink = findProgram("smtp-sink");
const postfixProgram = process.getuid?.() === 0 ? findProgram("postfix") : undefined;

/** `gateway` is one for all clients: each has a task of its own. */
const test = testWithPlace.extend("gateway", { scope: "file" }, ({ shared }) => shared.start());

describe("clients", () => {
  /** The client submits the same task twice; the second is a repeat. */
  async function twice(
    { shared: { outbox }, gateway }: { shared: Place; gateway: GatewayProcess },
    submit: (task: string, port: number) => Promise<string>,
  ): Promise<string> {
    const { port, logged, said } = gateway;
    const task = randomUUID();
    const isOfTask = (line: LogLine) => line.task === task;
    expect(await submit(task, port)).toContain("queued as");
    expect(await submit(task, port)).toContain("repeat of");
    await logged("transmission.relayed", 1, isOfTask);
    const [relayed] = said("transmission.relayed", isOfTask);
    const messages = readMaildir(outbox).filter((message) => message.includes(String(relayed?.messageId)));
    expect(messages).toHaveLength(1);
    expect(messages[0]).not.toMatch(/^x-task-id/im);
    return messages[0] as string;
  }

  test("nodemailer", async ({ shared, gateway }) => {
    const message = await twice({ shared, gateway }, async (task, port) => {
      const transport = createTransport({ host: "127.0.0.1", port, ignoreTLS: true });
      const info = await transport.sendMail({
        from: "Zoë <app@sender.example>",
        to: "user@example.com",
        subject: "Grüße",
        text: "Hello",
        html: "<p>Hello</p>",
        attachments: [{ filename: "a.bin", content: Buffer.alloc(1_000, 7) }],
        headers: { "X-Task-Id": task },
      });
      transport.close();
      return info.response;
    });
    expect(message).toContain("multipart/mixed");
  });

  test.skipIf(python === undefined)(
    "Python's smtplib, with the random Message-ID and Date of Django",
    async ({ shared, gateway }) => {
      const script = `
import sys, smtplib
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
message = EmailMessage()
message["From"], message["To"], message["Subject"] = "app@sender.example", "user@example.com", "Grüße"
message["X-Task-Id"] = sys.argv[2]
message["Message-ID"], message["Date"] = make_msgid(), formatdate()
message.set_content("Hello\\n.\\nJürgen\\n")
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as smtp:
    smtp.ehlo()
    smtp.mail("app@sender.example"); smtp.rcpt("user@example.com")
    print(smtp.data(message.as_bytes()))
`;
      await twice({ shared, gateway }, async (task, port) => {
        const { code, output } = await runClient(python as string, ["-", String(port), task], script);
        expect(code, output).toBe(0);
        return output;
      });
    },
  );

  test.skipIf(swaks === undefined)("swaks, with PIPELINING", async ({ shared, gateway }) => {
    await twice({ shared, gateway }, async (task, port) => {
      const { code, output } = await runClient(swaks as string, [
        ...["--server", `127.0.0.1:${port}`, "--pipeline", "--to", "user@example.com"],
        ...["--from", "app@sender.example", "--add-header", `X-Task-Id: ${task}`],
        ...["--header", "Subject: the same each time", "--body", "Hello"],
      ]);
      expect(code, output).toBe(0);
      return output;
    });
  });

  test.skipIf(postfixProgram === undefined)(
    "Postfix handing on to the gateway",
    async ({ place, shared, gateway }) => {
      const { port, logged } = gateway;
      const postfix = await startPostfix(place.folder, { relayPort: port });
      place.atEnd(() => postfix.stop());
      const task = randomUUID();
      const isOfTask = (line: LogLine) => line.task === task;
      for (let run = 0; run < 2; run++) {
        const mail = { to: ["a@x.example", "b@x.example"], content: taskMail(task) };
        expect(await submitMail(postfix.port, mail)).toMatch(/^250/);
      }
      await logged("transmission.relayed", 2, isOfTask);
      await logged("transmission.repeat", 2, isOfTask);
      const delivered = valuesOf(readMaildir(shared.outbox), "Delivered-To");
      expect(delivered.filter((one) => one?.endsWith("@x.example")).sort()).toEqual([
        "a@x.example",
        "b@x.example",
      ]);
    },
  );
});

/** 20 recipients, submitted twice at the same time, to whatever upstream. */
async function runTaskTwice({ port, logged }: GatewayProcess): Promise<void> {
  const task = randomUUID();
  await Promise.all(
    [1, 2].map(async () => {
      const client = await connectSmtp(port);
      for (let n = 0; n < 20; n++) {
        const reply = await client.submit({ to: [`user${n}@example.com`], content: taskMail(task) });
        expect(reply).toMatch(/^250 2\.0\.0 /);
      }
      await client.quit();
    }),
  );
  await logged("transmission.relayed", 20);
}

describe("upstreams", () => {
  test.skipIf(smtpSink === undefined)("smtp-sink", async ({ place }) => {
    const port = await freePort();
    const dump = join(place.folder, "sink");
    const sink = spawn(smtpSink as string, ["-u", "root", "-d", `${dump}.`, `127.0.0.1:${port}`, "100"]);
    place.atEnd(() => endProcess(sink));
    await greets(port);
    const gateway = await place.start(smtpAt(port));
    await runTaskTwice(gateway);
    expect(await gateway.stop()).toBe(0);
    const files = readdirSync(place.folder).filter((name) => name.startsWith("sink."));
    const messages = files.map((name) => readFileSync(join(place.folder, name), "latin1"));
    expect(messages).toHaveLength(20);
    expect(new Set(messages.map((message) => /^X-Mailonce-ID: (.*)$/m.exec(message)?.[1])).size).toBe(20);
  });

  test.skipIf(postfixProgram === undefined)("Postfix", async ({ place }) => {
    const postfix = await startPostfix(place.folder);
    place.atEnd(() => postfix.stop());
    await runTaskTwice(await place.start(smtpAt(postfix.port)));
    for (let n = 0; n < 20; n++) {
      const box = join(postfix.mailboxes, `user${n}`);
      const content = await contentOf(box, "Hello.");
      const [message] = content.split(/^From /m).slice(1);
      expect(message).toMatch(/^Message-ID: <[a-z2-7]{32}@sender\.example>$/m);
      expect(content.match(/^X-Mailonce-ID: /gm)).toHaveLength(1);
    }
  });

  test("aws-ses-v2-local", async ({ place }) => {
    const port = await freePort();
    const cli = new URL("../../node_modules/aws-ses-v2-local/dist/cli.js", import.meta.url).pathname;
    const ses = spawn(process.execPath, [cli, "--port", String(port), "--host", "127.0.0.1"], {
      stdio: "pipe",
    });
    place.atEnd(() => endProcess(ses));
    await once(ses.stdout, "data");
    process.env.AWS_ACCESS_KEY_ID = "ANY_STRING";
    process.env.AWS_SECRET_ACCESS_KEY = "ANY_STRING";
    const settings = sesAt({ endpoint: `http://127.0.0.1:${port}` });
    await runTaskTwice(await place.start({ ...settings, UPSTREAM_SES_REGION: "aws-ses-v2-local" }));
    const store = (await (await fetch(`http://127.0.0.1:${port}/store`)).json()) as { emails: unknown[] };
    expect(store.emails).toHaveLength(20);
  });
});
