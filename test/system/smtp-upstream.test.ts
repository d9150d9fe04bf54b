// The SMTP upstream of the built gateway: TLS and AUTH against a real Postfix, and servers that put
// everyone off at first.
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect } from "vitest";
import { contentOf, findProgram, startPostfix } from "../support/peers.ts";
import { type Place, test as testWithPlace } from "../support/place.ts";
import { type GatewayProcess, run, type Settings } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url));
const auth = { username: "relay", password: "pass word" };
const postfixProgram =
  process.getuid?.() === 0 && findProgram("saslpasswd2") !== undefined ? findProgram("postfix") : undefined;

/** `postfix` is one for all tests: each sends it mail of its own, or none. */
const test = testWithPlace.extend("postfix", { scope: "file" }, async ({ shared }) => {
  const tls = { key: fixture("key.pem"), cert: fixture("cert.pem") };
  const postfix = await startPostfix(shared.folder, { tls, auth });
  shared.atEnd(() => postfix.stop());
  return postfix;
});

/** TLS as it is unless another is set. */
const settings = (port: number, more: Settings): Settings => ({
  ...{ SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "200ms" },
  ...{ UPSTREAM_KIND: "smtp", UPSTREAM_SMTP_HOST: "127.0.0.1", UPSTREAM_SMTP_PORT: port },
  ...more,
});

const start = (place: Place, port: number, more: Settings = {}): Promise<GatewayProcess> =>
  place.start(settings(port, more));

const submit = ({ port }: GatewayProcess, to: readonly string[], task: string): Promise<string> =>
  submitMail(port, { to, content: taskMail(task) });

describe.skipIf(postfixProgram === undefined)("Postfix that demands STARTTLS and AUTH", () => {
  const password = { UPSTREAM_SMTP_USERNAME: auth.username, UPSTREAM_SMTP_PASSWORD: auth.password };

  test("a configured authority and the right password: the mail arrives, once", async ({
    place,
    postfix,
  }) => {
    const gateway = await start(place, postfix.port, {
      ...password,
      UPSTREAM_SMTP_CA_FILE: fixture("cert.pem"),
    });
    const task = randomUUID();
    await submit(gateway, ["user1@example.com"], task);
    await gateway.logged("transmission.relayed");
    expect(await submit(gateway, ["user1@example.com"], task)).toContain("repeat of");
    const content = await contentOf(join(postfix.mailboxes, "user1"), "Hello.");
    expect(content).toMatch(/^\tby postfix\.example \(Postfix\) with ESMTPSA id /m);
    expect(content.match(/^X-Mailonce-ID: /gm)).toHaveLength(1);
  });

  test("an authority that nobody configured: nothing is sent, and the mail waits", async ({
    place,
    postfix,
  }) => {
    const gateway = await start(place, postfix.port, password);
    await submit(gateway, ["user1@example.com"], randomUUID());
    await gateway.logged("dispatch.paused");
    const [paused] = gateway.said("dispatch.paused");
    expect(paused?.reason).toMatch(/self-signed certificate/);
    await gateway.stop();
    const trusting = { ...password, UPSTREAM_SMTP_CA_FILE: fixture("cert.pem") };
    await (await start(place, postfix.port, trusting)).logged("transmission.relayed");
  });

  test("a wrong password: nothing is reported as failed, and the mail waits", async ({ place, postfix }) => {
    const wrong = { ...password, UPSTREAM_SMTP_PASSWORD: "guess" };
    const gateway = await start(place, postfix.port, {
      ...wrong,
      UPSTREAM_SMTP_CA_FILE: fixture("cert.pem"),
    });
    await submit(gateway, ["user1@example.com"], randomUUID());
    await gateway.logged("dispatch.paused");
    const [paused] = gateway.said("dispatch.paused");
    expect(paused?.reason).toMatch(/^535 /);
    expect(gateway.said("transmission.reported")).toEqual([]);
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

  test.for(["serve", "check-config"])("%s refuses one that is missing", async (command, { place }) => {
    const file = join(place.folder, "missing.pem");
    expect(await faultOf(command, file)).toBe(
      `mailonce: upstream.smtp.ca_file: ${file}: can't be read: ENOENT: no such file or directory, open '${file}'\n`,
    );
  });

  test("one that holds no certificate", async () => {
    expect(await faultOf("check-config", fixture("key.pem"))).toContain("no certificate in it (PEM)\n");
  });

  test("one that is damaged", async ({ place }) => {
    const file = join(place.folder, "damaged.pem");
    writeFileSync(file, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    expect(await faultOf("check-config", file)).toContain("certificate 1 is damaged\n");
  });
});

test("greylisting: each recipient is put off at first, and gets one copy", async ({ place }) => {
  const first = (_: string, time: number) => (time === 1 ? "450 4.7.1 greylisted, try again" : undefined);
  const upstream = await place.smtp({ refuse: first });
  const gateway = await start(place, upstream.port, { UPSTREAM_SMTP_TLS: "none" });
  const recipients = Array.from({ length: 50 }, (_, n) => `user${n}@example.com`);
  const task = randomUUID();
  await submit(gateway, recipients, task);
  await gateway.logged("transmission.relayed", 50);
  expect(await submit(gateway, recipients, task)).toContain("50 repeats");
  expect(await gateway.stop()).toBe(0);
  expect(gateway.said("transmission.refused")).toHaveLength(50);
  expect(upstream.taken.map(({ recipients }) => recipients[0]).sort()).toEqual(recipients.sort());
  expect(upstream.repeated()).toEqual([]);
});

test("keep_id_field: in the mail, the same octets on every attempt, and in notices", async ({ place }) => {
  const upstream = await place.smtp({
    keepContents: true,
    script: (number) => (number === 0 ? "drop-before-reply" : "accept"),
    refuse: (recipient) => (recipient.startsWith("gone") ? "550 5.1.1 gone" : undefined),
  });
  const gateway = await start(place, upstream.port, {
    UPSTREAM_SMTP_TLS: "none",
    UPSTREAM_SMTP_KEEP_ID_FIELD: "X-PM-KeepID",
  });
  await submit(gateway, ["user@example.com"], randomUUID());
  await upstream.waitFor(2);
  const [first, second] = upstream.taken.map(({ octets }) => Buffer.from(octets).toString("latin1"));
  expect(first?.match(/^X-PM-KeepID: true\r$/gm)).toHaveLength(1);
  expect(second).toBe(first);
  await submit(gateway, ["gone@example.com"], randomUUID());
  await upstream.waitFor(3);
  expect(Buffer.from(upstream.taken[2]?.octets ?? []).toString()).toContain("\r\nX-PM-KeepID: true\r\n");
});
