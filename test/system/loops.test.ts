// Mail that comes back: a circle ends, and what only looks like one goes on.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readMaildir, valuesOf } from "../support/maildir.ts";
import { findProgram, freePort, type Postfix, startPostfix } from "../support/peers.ts";
import {
  type GatewayProcess,
  type LogLine,
  makeFolder,
  run,
  type Settings,
  startProcess,
} from "../support/process.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";
import { createTcpProxy } from "../support/tcp-proxy.ts";

const postfixProgram = process.getuid?.() === 0 ? findProgram("postfix") : undefined;

let folder: ReturnType<typeof makeFolder>;
const running: GatewayProcess[] = [];
const closing: (() => Promise<void>)[] = [];

beforeEach(() => {
  folder = makeFolder();
});
afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.kill();
  for (const close of closing.splice(0)) await close();
  folder.remove();
});

async function start(name: string, settings: Settings = {}): Promise<GatewayProcess> {
  const gateway = await startProcess({ DATA_DIR: join(folder.path, name), ...settings });
  running.push(gateway);
  return gateway;
}

const to = (port: number): Settings => ({
  UPSTREAM_KIND: "smtp",
  UPSTREAM_SMTP_HOST: "127.0.0.1",
  UPSTREAM_SMTP_PORT: port,
  UPSTREAM_SMTP_TLS: "none",
});

async function submit(port: number, content: string): Promise<string> {
  const client = await connectSmtp(port);
  const reply = await client.submit({ to: ["user@example.com"], content });
  await client.quit();
  return reply;
}

const received = (count: number): string =>
  "Received: from a by b; Fri, 27 Nov 2026 00:00:00 +0000\r\n".repeat(count);

test("50 Received fields are taken, 51 are a loop; the limit is configured", async () => {
  const { port } = await start("data");
  expect(await submit(port, received(50) + taskMail(randomUUID()))).toContain("queued as");
  expect(await submit(port, received(51) + taskMail(randomUUID()))).toMatch(/^554 5\.4\.6 a mail loop/);
  const few = await start("few", { SMTP_HOPS_MAX: 3 });
  expect(await submit(few.port, received(4) + taskMail(randomUUID()))).toMatch(/^554 5\.4\.6 /);
});

test.skipIf(postfixProgram === undefined)("Postfix says the same of 30 and of 60", async () => {
  const { port } = await start("data");
  const postfix: Postfix = await startPostfix(folder.path, {
    settings: { virtual_mailbox_domains: "example.com" },
  });
  closing.push(async () => postfix.stop());
  for (const [count, code] of [
    [30, "250"],
    [60, "554"],
  ] as const) {
    for (const one of [port, postfix.port]) {
      const client = await connectSmtp(one);
      const reply = await client.submit({
        to: ["user1@example.com"],
        content: received(count) + taskMail(randomUUID()),
      });
      await client.quit();
      expect(reply.slice(0, 3)).toBe(code);
    }
  }
});

test("an upstream that is its own listener does not start, by whatever name", async () => {
  const port = 39_117;
  const mapped = ["::ffff:127.0.0.1", "[::ffff:7f00:1]"];
  for (const [listening, hosts] of [
    ["127.0.0.1", ["127.0.0.1", "localhost", "LOCALHOST.", "0.0.0.0", "127.1", ...mapped]],
    ["localhost", ["127.0.0.1", "::1", "localhost"]],
    ["::1", ["0:0:0:0:0:0:0:1", "[::1]", "::"]],
    ["0.0.0.0", ["127.0.0.5", ...mapped, hostname()]],
  ] as const) {
    for (const host of hosts) {
      const settings = {
        DATA_DIR: join(folder.path, "own"),
        SMTP_HOST: listening,
        SMTP_PORT: port,
        ACCESS_TRUSTED_NETWORKS: "127.0.0.0/8,192.0.2.0/24",
        ...to(port),
        UPSTREAM_SMTP_HOST: host,
      };
      const { code, stderr } = await run(["check-config"], settings);
      const at = `${host} at ${listening}`;
      expect({ code, stderr }, at).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("own listener"),
      });
    }
  }
  const other = {
    DATA_DIR: join(folder.path, "own"),
    SMTP_PORT: port,
    ...to(port),
    UPSTREAM_SMTP_HOST: "192.0.2.1",
  };
  expect((await run(["check-config"], other)).code).toBe(0);
});

/** Submits one mail without a task, which nothing but the loop's own end can stop, and waits for that end. */
async function goRound(gateway: GatewayProcess): Promise<void> {
  await submit(gateway.port, "From: a@sender.example\r\nSubject: round and round\r\n\r\nx\r\n");
  await gateway.logged("submission.refused");
  const refused = gateway.lines.find(({ event }) => event === "submission.refused");
  expect(refused?.reply).toMatch(/^a mail loop: this/);
  const before = gateway.lines.slice(0, gateway.lines.indexOf(refused as LogLine));
  expect(before.filter(({ event }) => event === "submission.accepted")).toHaveLength(3);
}

test("a circle that no port shows ends when the mail comes for the fourth time", async () => {
  const port = await freePort();
  const proxy = await createTcpProxy(port);
  closing.push(() => proxy.close());
  await goRound(await start("data", { SMTP_PORT: port, ...to(proxy.port) }));
});

test.skipIf(postfixProgram === undefined)("a circle over Postfix as well", async () => {
  const port = await freePort();
  const postfix: Postfix = await startPostfix(folder.path, { relayPort: port });
  closing.push(async () => postfix.stop());
  await goRound(await start("data", { SMTP_PORT: port, ...to(postfix.port) }));
});

test("two gateways of one host name in a row, and a list that sends back once, work", async () => {
  const last = await start("last", { HOSTNAME: "same.example" });
  const first = await start("first", { HOSTNAME: "same.example", ...to(last.port) });
  const task = randomUUID();
  expect(await submit(first.port, taskMail(task))).toContain("queued as");
  await last.logged("transmission.relayed");
  const [message = ""] = readMaildir(join(folder.path, "last", "outbox"));
  expect(message.match(/^Received: /gm)).toHaveLength(2);
  // The list hands on what it got from the first, as its own mail.
  expect(await submit(first.port, message.replace(/X-Mailonce-ID:.*\r\n/, ""))).toContain("queued as");
  await last.logged("transmission.relayed", 2);
  const ids = valuesOf(readMaildir(join(folder.path, "last", "outbox")), "Subject");
  expect(ids).toHaveLength(2);
});

test("the name in its trace outlives a restart", async () => {
  const gateway = await start("data");
  await submit(gateway.port, taskMail(randomUUID()));
  await gateway.logged("transmission.relayed");
  await gateway.stop();
  const again = await start("data");
  await submit(again.port, taskMail(randomUUID()));
  await again.logged("transmission.relayed");
  const traces = valuesOf(readMaildir(join(folder.path, "data", "outbox")), "Received");
  const names = traces.map((trace) => /\(mailonce ([a-z2-7]{16})\)/.exec(trace ?? "")?.[1]);
  expect(names).toHaveLength(2);
  expect(new Set(names).size).toBe(1);
  expect(names[0]).toBeDefined();
});
