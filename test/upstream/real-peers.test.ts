// The same upstreams against servers that we did not write. Smoke tests: what they prove is that our
// own scripted servers speak the same protocols.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { createRequire } from "node:module";
import { type AddressInfo, createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SMTPServer } from "smtp-server";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createSesUpstream } from "../../src/upstream/ses/ses.ts";
import { createSmtpUpstream, type SmtpUpstreamOptions } from "../../src/upstream/smtp/smtp.ts";
import { kindOf } from "../conformance/upstream.ts";
import { freePort } from "../support/peers.ts";
import { neverAborted, transmissionOf } from "../support/transmission.ts";

// CommonJS whose types promise a default export that Node does not see as one.
const { default: startLocalSes } = createRequire(import.meta.url)("aws-ses-v2-local") as {
  default: (config: { port: number }) => Promise<Server>;
};

const read = (name: string) => readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url), "utf8");

const MESSAGES = 50;
const CONCURRENT = 5;

const smtpTo = (port: number, more: Partial<SmtpUpstreamOptions> = {}) =>
  createSmtpUpstream({ host: "127.0.0.1", port, tls: "none", hostname: "client.example", ...more });

/** Resolves once something accepts connections there. */
async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = createConnection({ port, host: "127.0.0.1" });
    const up = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const SMTP_SINK = "/usr/sbin/smtp-sink";
const withoutSink = !existsSync(SMTP_SINK) && process.env.CI === undefined;

describe.skipIf(withoutSink)(
  `smtp-sink of Postfix${withoutSink ? ": skipped, it is not installed" : ""}`,
  () => {
    let folder: string;
    let sink: ChildProcess;
    let port: number;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "smtp-sink-"));
      port = await freePort();
      // As root it insists on becoming somebody else, who then needs the folder.
      const privileges = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
      await chmod(folder, 0o777);
      const options = [...privileges, "-d", "%M.", `127.0.0.1:${port}`, "100"];
      sink = spawn(SMTP_SINK, options, { cwd: folder, stdio: "inherit" });
      const gone = once(sink, "exit").then(() => Promise.reject(new Error("smtp-sink did not start")));
      gone.catch(() => {});
      await Promise.race([listening(port), gone]);
    });
    afterAll(async () => {
      if (sink.exitCode === null) {
        const exited = once(sink, "exit");
        sink.kill();
        await exited;
      }
      await rm(folder, { recursive: true });
    });

    test("takes every message once", async () => {
      const upstream = smtpTo(port);
      const transmissions = Array.from({ length: MESSAGES }, (_, number) => transmissionOf({ number }));
      const queue = [...transmissions];
      const work = async () => {
        for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
          expect((await upstream.transmit(next, neverAborted)).kind).toBe("accepted");
        }
      };
      await Promise.all(Array.from({ length: CONCURRENT }, work));
      await upstream.close();
      const ids: string[] = [];
      for (const name of await readdir(folder)) {
        const dump = await readFile(join(folder, name), "latin1");
        ids.push(/^Message-ID: (.*)$/m.exec(dump)?.[1] ?? "none");
      }
      expect(ids.sort()).toEqual(transmissions.map(({ messageId }) => messageId).sort());
    });
  },
);

describe("smtp-server", () => {
  const taken: string[] = [];
  const server = new SMTPServer({
    ...{ key: read("key.pem"), cert: read("cert.pem") },
    onAuth: ({ username, password }, _session, callback) =>
      username === "relay" && password === "secret"
        ? callback(null, { user: username })
        : callback(new Error("no")),
    onData(stream, _session, callback) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        taken.push(/^Message-ID: (.*)\r$/m.exec(Buffer.concat(chunks).toString())?.[1] ?? "none");
        callback();
      });
    },
  });
  let port: number;
  const use = { tls: "required", tlsOptions: { ca: read("cert.pem") }, username: "relay" } as const;

  beforeAll(async () => {
    server.listen(0, "127.0.0.1");
    await once(server.server, "listening");
    port = (server.server.address() as AddressInfo).port;
  });
  afterAll(() => new Promise<void>((resolve) => server.close(resolve)));

  test("takes messages over STARTTLS and AUTH, over one connection", async () => {
    const upstream = smtpTo(port, { ...use, password: "secret" });
    for (let number = 0; number < 5; number++) {
      const outcome = await upstream.transmit(transmissionOf({ number }), neverAborted);
      expect(outcome.kind).toBe("accepted");
    }
    await upstream.close();
    expect(new Set(taken).size).toBe(5);
  });

  test("does not know the password", async () => {
    const upstream = smtpTo(port, { ...use, password: "guess" });
    expect(kindOf(await upstream.transmit(transmissionOf(), neverAborted))).toBe("down");
  });
});

test("aws-ses-v2-local takes a message, octet by octet", async () => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "ANY_STRING");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "ANY_STRING");
  const port = await freePort();
  const server = await startLocalSes({ port });
  const endpoint = `http://127.0.0.1:${port}`;
  const upstream = createSesUpstream({ region: "aws-ses-v2-local", endpoint });
  const transmission = transmissionOf();
  const outcome = await upstream.transmit(transmission, neverAborted);
  const stored = (await (await fetch(`${endpoint}/store`)).json()) as { emails: { messageId: string }[] };
  expect(outcome).toEqual({ kind: "accepted", upstreamId: stored.emails[0]?.messageId });
  expect(stored.emails).toHaveLength(1);
  await upstream.close();
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
  vi.unstubAllEnvs();
});
