// The SMTP upstream of the built gateway: TLS and AUTH against a real Postfix, and servers that put
// everyone off at first.
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { contentOf, findProgram, type Postfix, startPostfix } from "../support/peers.ts";
import { type GatewayProcess, makeFolder, run, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url));
const auth = { username: "relay", password: "pass word" };
const postfixProgram =
  process.getuid?.() === 0 && findProgram("saslpasswd2") !== undefined ? findProgram("postfix") : undefined;

let folder: ReturnType<typeof makeFolder>;
let gateway: GatewayProcess | undefined;
let postfix: Postfix | undefined;
let upstream: ScriptedSmtp | undefined;

beforeEach(() => {
  folder = makeFolder();
});
afterEach(async () => {
  await gateway?.kill();
  postfix?.stop();
  await upstream?.close();
  upstream = undefined;
  gateway = undefined;
  postfix = undefined;
  folder.remove();
});

const settings = (port: number, more: Settings): Settings => ({
  DATA_DIR: join(folder.path, "data"),
  SPOOL_RETRY_MIN: "50ms",
  SPOOL_RETRY_MAX: "200ms",
  UPSTREAM_KIND: "smtp",
  UPSTREAM_SMTP_HOST: "127.0.0.1",
  UPSTREAM_SMTP_PORT: port,
  ...more,
});

async function start(port: number, more: Settings = {}): Promise<GatewayProcess> {
  gateway = await startProcess(settings(port, more));
  return gateway;
}

async function submit(to: readonly string[], task: string): Promise<string> {
  const client = await connectSmtp(gateway?.port as number);
  const reply = await client.submit({ to, content: taskMail(task) });
  await client.quit();
  return reply;
}

describe.skipIf(postfixProgram === undefined)("Postfix that demands STARTTLS and AUTH", () => {
  const password = { UPSTREAM_SMTP_USERNAME: auth.username, UPSTREAM_SMTP_PASSWORD: auth.password };

  beforeEach(async () => {
    postfix = await startPostfix(folder.path, {
      tls: { key: fixture("key.pem"), cert: fixture("cert.pem") },
      auth,
    });
  });

  test("a configured authority and the right password: the mail arrives, once", async () => {
    await start(postfix?.port as number, { ...password, UPSTREAM_SMTP_CA_FILE: fixture("cert.pem") });
    const task = randomUUID();
    await submit(["user1@example.com"], task);
    await gateway?.logged("transmission.relayed");
    expect(await submit(["user1@example.com"], task)).toContain("repeat of");
    const content = await contentOf(join(postfix?.mailboxes as string, "user1"), "Hello.");
    expect(content).toMatch(/^\tby postfix\.example \(Postfix\) with ESMTPSA id /m);
    expect(content.match(/^X-Mailonce-ID: /gm)).toHaveLength(1);
  });

  test("an authority that nobody configured: nothing is sent, and the mail waits", async () => {
    await start(postfix?.port as number, password);
    await submit(["user1@example.com"], randomUUID());
    await gateway?.logged("dispatch.paused");
    const paused = gateway?.lines.find(({ event }) => event === "dispatch.paused");
    expect(paused?.reason).toMatch(/self-signed certificate/);
    await gateway?.stop();
    await start(postfix?.port as number, { ...password, UPSTREAM_SMTP_CA_FILE: fixture("cert.pem") });
    await gateway?.logged("transmission.relayed");
  });

  test("a wrong password: nothing is reported as failed, and the mail waits", async () => {
    const wrong = { ...password, UPSTREAM_SMTP_PASSWORD: "guess" };
    await start(postfix?.port as number, { ...wrong, UPSTREAM_SMTP_CA_FILE: fixture("cert.pem") });
    await submit(["user1@example.com"], randomUUID());
    await gateway?.logged("dispatch.paused");
    const paused = gateway?.lines.find(({ event }) => event === "dispatch.paused");
    expect(paused?.reason).toMatch(/^535 /);
    expect(gateway?.lines.some(({ event }) => event === "transmission.reported")).toBe(false);
  });
});

describe("a file of authorities", () => {
  const faultOf = async (command: string, file: string): Promise<string> => {
    const { code, stderr } = await run(
      [command],
      settings(25, { UPSTREAM_SMTP_CA_FILE: file, SMTP_PORT: 0 }),
    );
    expect(code).toBe(2);
    return stderr;
  };

  test.each(["serve", "check-config"])("%s refuses one that is missing", async (command) => {
    const file = join(folder.path, "missing.pem");
    expect(await faultOf(command, file)).toBe(
      `mailonce: upstream.smtp.ca_file: ${file}: can't be read: ENOENT: no such file or directory, open '${file}'\n`,
    );
  });

  test("one that holds no certificate", async () => {
    expect(await faultOf("check-config", fixture("key.pem"))).toContain("no certificate in it (PEM)\n");
  });

  test("one that is damaged", async () => {
    const file = join(folder.path, "damaged.pem");
    writeFileSync(file, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    expect(await faultOf("check-config", file)).toContain("certificate 1 is damaged\n");
  });
});

test("greylisting: each recipient is put off at first, and gets one copy", async () => {
  const first = (_: string, time: number) => (time === 1 ? "450 4.7.1 greylisted, try again" : undefined);
  upstream = await createScriptedSmtp({ refuse: first });
  await start(upstream.port, { UPSTREAM_SMTP_TLS: "none" });
  const recipients = Array.from({ length: 50 }, (_, n) => `user${n}@example.com`);
  const task = randomUUID();
  await submit(recipients, task);
  await gateway?.logged("transmission.relayed", 50);
  expect(await submit(recipients, task)).toContain("50 repeats");
  expect(await gateway?.stop()).toBe(0);
  expect(gateway?.lines.filter(({ event }) => event === "transmission.refused")).toHaveLength(50);
  expect(upstream.taken.map(({ recipients }) => recipients[0]).sort()).toEqual(recipients.sort());
  expect(upstream.repeated()).toEqual([]);
});

test("keep_id_field: in the mail, the same octets on every attempt, and in notices", async () => {
  upstream = await createScriptedSmtp({
    keepContents: true,
    script: (number) => (number === 0 ? "drop-before-reply" : "accept"),
    refuse: (recipient) => (recipient.startsWith("gone") ? "550 5.1.1 gone" : undefined),
  });
  await start(upstream.port, { UPSTREAM_SMTP_TLS: "none", UPSTREAM_SMTP_KEEP_ID_FIELD: "X-PM-KeepID" });
  await submit(["user@example.com"], randomUUID());
  await upstream.waitFor(2);
  const [first, second] = upstream.taken.map(({ octets }) => Buffer.from(octets).toString("latin1"));
  expect(first?.match(/^X-PM-KeepID: true\r$/gm)).toHaveLength(1);
  expect(second).toBe(first);
  await submit(["gone@example.com"], randomUUID());
  await upstream.waitFor(3);
  expect(Buffer.from(upstream.taken[2]?.octets ?? []).toString()).toContain("\r\nX-PM-KeepID: true\r\n");
});
