// The first screen of a gateway in trouble, by the built commands: what is wrong, since when, and what to do.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { gatewayPausing } from "../../src/operator/http/pausing-client.ts";
import { statusSchema } from "../../src/operator/status/schema.ts";
import { freePort } from "../support/peers.ts";
import { sesAt, smtpAt, test } from "../support/place.ts";
import { environmentOf, type GatewayProcess, MAIN, run, type Settings } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

/** Runs a command on a terminal, leaves it by "q" when it has shown its screen three times, and prints all it wrote. */
const PTY = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
seen = b""
try:
    while seen.count(b"q: leave") < 3: seen += os.read(terminal, 4096)
    os.write(terminal, b"q")
    while True: seen += os.read(terminal, 4096)
except OSError: pass
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

const submit = ({ port }: GatewayProcess, task = randomUUID()): Promise<string> =>
  submitMail(port, { to: ["reader@example.net"], content: taskMail(task) });

/** The first line of a gateway in trouble. */
async function firstLine(settings: Settings): Promise<string> {
  const { code, stdout } = await run(["status"], settings);
  expect(code).toBe(4);
  return stdout.split("\n")[0] ?? "";
}

const timeOf = (gateway: GatewayProcess, event: string): number =>
  Date.parse(String(gateway.said(event)[0]?.time));

/** Submits a mail to an upstream that is dead, which the gateway finds out within five seconds; and its first line. */
async function deadLine(gateway: GatewayProcess, settings: Settings): Promise<string> {
  await submit(gateway);
  await gateway.logged("dispatch.paused");
  const tookMs = timeOf(gateway, "dispatch.paused") - timeOf(gateway, "submission.accepted");
  expect(tookMs).toBeLessThan(5_000);
  return await firstLine(settings);
}

/** Resumes, and resolves when a mail has been relayed after it. */
async function expectCured(gateway: GatewayProcess, { DATA_DIR: data }: Settings): Promise<void> {
  const { upstreams } = (await gatewayPausing(String(data)).resume(undefined, {})) as { upstreams: object };
  expect(upstreams).toEqual([{ name: "upstream", was: "failing" }]);
  await gateway.logged("transmission.relayed");
  expect(gateway.said("operator.tried")).toMatchObject([{ upstreams: ["upstream"] }]);
}

test("a closed port", async ({ place }) => {
  const port = await freePort();
  const settings = { DATA_DIR: place.data, ...smtpAt(port) };
  const gateway = await place.start(settings);
  expect(await deadLine(gateway, settings)).toMatch(
    /^⚠ upstream has taken nothing for \d+ s: connect ECONNREFUSED 127\.0\.0\.1:\d+\. Start the server, then `mailonce resume upstream`; or correct upstream\.smtp\.host and port and restart the gateway\.$/,
  );
  const upstream = await place.smtp({ port });
  await expectCured(gateway, settings);
  expect(upstream.taken).toHaveLength(1);
  const after = await run(["status"], settings);
  expect([after.code, after.stdout.split("\n")[0]]).toEqual([0, "✓ mail is taken and relayed"]);
});

test("a wrong password, put right in its file or at the server", async ({ place }) => {
  const upstream = await place.smtp({ auth: { username: "relay", password: "right" } });
  const file = join(place.folder, "password");
  writeFileSync(file, "wrong\n", { mode: 0o600 });
  const settings = {
    ...{ DATA_DIR: place.data, ...smtpAt(upstream.port) },
    ...{ UPSTREAM_SMTP_USERNAME: "relay", UPSTREAM_SMTP_PASSWORD_FILE: file },
  };
  const gateway = await place.start(settings);
  expect(await deadLine(gateway, settings)).toMatch(
    /^⚠ upstream has taken nothing for \d+ s: 535 5\.7\.8 .*\. Correct the file of upstream\.smtp\.password_file, then `mailonce resume upstream`\.$/,
  );
  writeFileSync(file, "right\n");
  await expectCured(gateway, settings);
});

test("a wrong region, and credentials that SES does not know", async ({ place }) => {
  const ses = await place.ses({ script: "unknown-key" });
  const settings = { DATA_DIR: place.data, ...sesAt(ses) };
  const gateway = await place.start(settings);
  expect(await deadLine(gateway, settings)).toMatch(
    /^⚠ upstream has taken nothing for \d+ s: UnrecognizedClientException: The security token is invalid\. Correct the AWS credentials, then `mailonce resume upstream`\.$/,
  );
  await gateway.stop();

  const region = { DATA_DIR: place.data, UPSTREAM_KIND: "ses", UPSTREAM_SES_REGION: "eu-nowhere-1" };
  const elsewhere = await place.start(region);
  expect(await deadLine(elsewhere, region)).toMatch(
    /^⚠ upstream has taken nothing for \d+ s: .*email\.eu-nowhere-1\.amazonaws\.com.*Correct upstream\.ses\.region and restart the gateway/,
  );
});

test("as JSON it is what the schema says, with rates, and the mail that was prevented", async ({ place }) => {
  const upstream = await place.smtp();
  const settings = { DATA_DIR: place.data, ...smtpAt(upstream.port) };
  const gateway = await place.start(settings);
  const task = randomUUID();
  await submit(gateway, task);
  await gateway.logged("transmission.relayed");
  for (let n = 0; n < 3; n++) expect(await submit(gateway, task)).toContain("repeat of");
  const { code, stdout } = await run(["status", "--json"], settings);
  expect(code).toBe(0);
  const status = statusSchema.parse(JSON.parse(stdout));
  const flow = { accepted: 1, relayed: 1, repeats: 3, refused: 0 };
  expect(status).toMatchObject({
    ...{ phase: "running", degraded: false, troubles: [] },
    prevented: { sinceStart: 3, recorded: { month: 3, total: 3 } },
    rates: { minute: flow, fiveMinutes: flow },
    upstreams: [{ name: "upstream", place: `smtp 127.0.0.1:${upstream.port}`, state: "running" }],
    ledger: { kind: "embedded", isUp: true, gateways: 1 },
    disk: { free: expect.any(Number) },
  });
  const screen = (await run(["status"], settings)).stdout;
  expect(screen).toMatch(/^3 second mails prevented this month, 3 since the start, \d+ s ago$/m);

  // The count of the month stays.
  await gateway.stop();
  const next = await place.start(settings);
  await submit(next, task);
  const after = JSON.parse((await run(["status", "--json"], settings)).stdout);
  expect(after.prevented).toMatchObject({ sinceStart: 1, recorded: { month: 4, total: 4 } });
});

test("what an operator has paused is on it, with the reason and the end", async ({ place }) => {
  const settings = { DATA_DIR: place.data, ...smtpAt(await freePort()) };
  await place.start(settings);
  await run(["pause", "--for", "30m", "--reason", "a move"], settings);
  expect(await firstLine(settings)).toMatch(
    /^⚠ an operator has paused upstream for \d+ s: a move\. It ends at 20\S+Z, or with `mailonce resume upstream`\.$/,
  );
});

test("where no gateway runs it says so; top wants a terminal", async ({ place }) => {
  const settings = { DATA_DIR: place.data };
  const none = { code: 1, stdout: "", stderr: `mailonce: no gateway runs on ${place.data}\n` };
  expect(await run(["status"], settings)).toEqual(none);
  expect(await run(["status", "--json"], settings)).toEqual(none);
  expect((await run(["top"], settings)).code).toBe(2);
});

test("top shows it each second, and leaves the terminal as it was", async ({ place }) => {
  const settings = { DATA_DIR: place.data };
  await place.start(settings);
  const child = spawn("python3", ["-c", PTY, process.execPath, MAIN, "top"], {
    env: environmentOf(settings),
  });
  let seen = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    seen += text;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code).toBe(0);
  expect(seen.startsWith("\x1b[?1049h\x1b[?25l")).toBe(true);
  expect(seen.endsWith("\x1b[?25h\x1b[?1049l")).toBe(true);
  expect(seen.match(/✓ mail is taken and relayed/g)?.length).toBeGreaterThanOrEqual(3);
});
