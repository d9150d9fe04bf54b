// Mail that comes back: a circle ends, and what only looks like one goes on.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { ConfigError, loadConfig } from "../../src/config/config.ts";
import { refuseOwnListener } from "../../src/config/own-listener.ts";
import { readMaildir, valuesOf } from "../support/maildir.ts";
import { findProgram, freePort, type Postfix, startPostfix } from "../support/peers.ts";
import { smtpAt, test } from "../support/place.ts";
import { environmentOf, type GatewayProcess, type LogLine, run, type Settings } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";
import { createTcpProxy } from "../support/tcp-proxy.ts";

const postfixProgram = process.getuid?.() === 0 ? findProgram("postfix") : undefined;

const submit = (port: number, content: string): Promise<string> =>
  submitMail(port, { to: ["user@example.com"], content });

const received = (count: number): string =>
  "Received: from a by b; Fri, 27 Nov 2026 00:00:00 +0000\r\n".repeat(count);

test("50 Received fields are taken, 51 are a loop; the limit is configured", async ({ place }) => {
  const { port } = await place.start();
  expect(await submit(port, received(50) + taskMail(randomUUID()))).toContain("queued as");
  expect(await submit(port, received(51) + taskMail(randomUUID()))).toMatch(/^554 5\.4\.6 a mail loop/);
  const few = await place.start({ DATA_DIR: join(place.folder, "few"), SMTP_HOPS_MAX: 3 });
  expect(await submit(few.port, received(4) + taskMail(randomUUID()))).toMatch(/^554 5\.4\.6 /);
});

test.skipIf(postfixProgram === undefined)("Postfix says the same of 30 and of 60", async ({ place }) => {
  const { port } = await place.start();
  const postfix: Postfix = await startPostfix(place.folder, {
    settings: { virtual_mailbox_domains: "example.com" },
  });
  place.atEnd(() => postfix.stop());
  for (const [count, code] of [
    [30, "250"],
    [60, "554"],
  ] as const) {
    for (const one of [port, postfix.port]) {
      const content = received(count) + taskMail(randomUUID());
      const reply = await submitMail(one, { to: ["user1@example.com"], content });
      expect(reply.slice(0, 3)).toBe(code);
    }
  }
});

/** As `serve` and `check-config` do before they go on. @returns the faults */
async function faultsOf(settings: Settings): Promise<readonly string[]> {
  try {
    await refuseOwnListener(loadConfig({ environment: environmentOf(settings) }));
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).faults;
  }
}

// Every name on the function; by the command one that is refused, and one that is not.
test("an upstream that is its own listener does not start, by whatever name", async ({ place }) => {
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
        SMTP_HOST: listening,
        SMTP_PORT: port,
        ACCESS_TRUSTED_NETWORKS: "127.0.0.0/8,192.0.2.0/24",
        ...smtpAt(port),
        UPSTREAM_SMTP_HOST: host,
      };
      const at = `${host} at ${listening}`;
      expect(await faultsOf(settings), at).toEqual([expect.stringContaining("own listener")]);
    }
  }
  const endpoint = `http://localhost:${port}`;
  const api = { SMTP_PROTOCOL: "ses-api", SMTP_PORT: port, UPSTREAM_KIND: "ses" };
  const fault = `upstream.ses.endpoint: localhost port ${port} is this gateway's own listener; each mail would come back`;
  expect(await faultsOf({ ...api, UPSTREAM_SES_ENDPOINT: endpoint })).toEqual([fault]);
  // For mailers of the same machine, and the SDK of the gateway reads it too.
  vi.stubEnv("AWS_ENDPOINT_URL_SESV2", endpoint);
  expect(await faultsOf(api)).toEqual([fault]);
  vi.unstubAllEnvs();
  const own = { DATA_DIR: place.data, SMTP_PORT: port, ...smtpAt(port) };
  for (const command of ["check-config", "serve"]) {
    expect(await run([command], own)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("own listener"),
    });
  }
  expect((await run(["check-config"], { ...own, UPSTREAM_SMTP_HOST: "192.0.2.1" })).code).toBe(0);
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

test("a circle that no port shows ends when the mail comes for the fourth time", async ({ place }) => {
  const port = await freePort();
  const proxy = await createTcpProxy(port);
  place.atEnd(() => proxy.close());
  await goRound(await place.start({ SMTP_PORT: port, ...smtpAt(proxy.port) }));
});

test.skipIf(postfixProgram === undefined)("a circle over Postfix as well", async ({ place }) => {
  const port = await freePort();
  const postfix: Postfix = await startPostfix(place.folder, { relayPort: port });
  place.atEnd(() => postfix.stop());
  await goRound(await place.start({ SMTP_PORT: port, ...smtpAt(postfix.port) }));
});

test("two gateways of one host name in a row, and a list that sends back once, work", async ({ place }) => {
  const start = (name: string, settings: Settings) =>
    place.start({ DATA_DIR: join(place.folder, name), ...settings });
  const last = await start("last", { HOSTNAME: "same.example" });
  const first = await start("first", { HOSTNAME: "same.example", ...smtpAt(last.port) });
  const task = randomUUID();
  expect(await submit(first.port, taskMail(task))).toContain("queued as");
  await last.logged("transmission.relayed");
  const [message = ""] = readMaildir(join(place.folder, "last", "outbox"));
  expect(message.match(/^Received: /gm)).toHaveLength(2);
  // The list hands on what it got from the first, as its own mail.
  expect(await submit(first.port, message.replace(/X-Mailonce-ID:.*\r\n/, ""))).toContain("queued as");
  await last.logged("transmission.relayed", 2);
  const ids = valuesOf(readMaildir(join(place.folder, "last", "outbox")), "Subject");
  expect(ids).toHaveLength(2);
});

test("the name in its trace outlives a restart", async ({ place }) => {
  const gateway = await place.start();
  await submit(gateway.port, taskMail(randomUUID()));
  await gateway.logged("transmission.relayed");
  await gateway.stop();
  const again = await place.start();
  await submit(again.port, taskMail(randomUUID()));
  await again.logged("transmission.relayed");
  const traces = valuesOf(readMaildir(place.outbox), "Received");
  const names = traces.map((trace) => /\(mailonce ([a-z2-7]{16})\)/.exec(trace ?? "")?.[1]);
  expect(names).toHaveLength(2);
  expect(new Set(names).size).toBe(1);
  expect(names[0]).toBeDefined();
});
