// Every example that the README and examples/ offer, run as they stand against the built gateway.
import { spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { expect } from "vitest";
import { blocksOf, read } from "../docs/tables.ts";
import { askAt, httpPortOf } from "../support/http-place.ts";
import { endProcess, findProgram, runClient } from "../support/peers.ts";
import { type Place, smtpAt, test as testWithPlace } from "../support/place.ts";
import { run } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url).pathname;
const PROGRAMS = {
  "nodemailer.mjs": process.execPath,
  "python.py": findProgram("python3"),
  "swaks.sh": findProgram("swaks") === undefined ? undefined : findProgram("sh"),
};

/** Where the examples find the gateway. */
const test = testWithPlace.extend("environment", { scope: "file" }, async ({ shared }) => {
  const gateway = await shared.start();
  shared.atEnd(async () => expect(await gateway.stop()).toBe(0));
  return { MAILONCE_SMTP_PORT: String(gateway.port), MAILONCE_DATA_DIR: shared.data };
});

for (const [name, program] of Object.entries(PROGRAMS)) {
  test.skipIf(program === undefined)(
    `${name}: submits a task's mail, and run again, a repeat`,
    async ({ environment }) => {
      const task = randomUUID();
      const submit = () => runClient(program as string, [join(EXAMPLES, name), task], "", environment);
      const first = await submit();
      expect(first.output).toContain("queued as");
      expect(first.code).toBe(0);
      expect((await submit()).output).toContain("repeat of");
    },
  );
}

test.skipIf(PROGRAMS["python.py"] === undefined)(
  "the mail of docs/start.md is relayed once, and explain says so",
  async ({ environment, shared }) => {
    const [script = ""] = blocksOf(read("docs/start.md"), "python");
    const own = script.replace("2525", environment.MAILONCE_SMTP_PORT);
    expect(await runClient(PROGRAMS["python.py"] ?? "", ["-c", own], "", {})).toMatchObject({ code: 0 });
    const [, task = ""] = /"X-Task-Id"\] = "([^"]+)"/.exec(script) ?? [];
    expect(read("docs/start.md")).toContain(`mailonce explain --task ${task}`);
    const said = await run(["explain", "--task", task], { DATA_DIR: shared.data });
    expect(said.stdout).toMatch(/relayed once, .*1 repeat dropped/i);
  },
);

const KEY = "a signing key";

/** Sends to the example what Mailgun would, and gives the status of its answer. */
type Webhook = (event: object, key?: string) => Promise<number>;

async function startWebhook(place: Place, environment: Readonly<Record<string, string>>): Promise<Webhook> {
  const child = spawn(process.execPath, [join(EXAMPLES, "evidence.mjs")], {
    env: { ...process.env, ...environment, WEBHOOK_KEY: KEY, WEBHOOK_PORT: "0" },
  });
  place.atEnd(() => endProcess(child));
  const [line] = await once(child.stdout.setEncoding("utf8"), "data");
  const port = Number(/port (\d+)/.exec(line)?.[1]);
  return async (event, key = KEY) => {
    const [timestamp, token] = ["1386670386", "a".repeat(50)];
    const signature = createHmac("sha256", key).update(`${timestamp}${token}`).digest("hex");
    const body = JSON.stringify({ signature: { timestamp, token, signature }, "event-data": event });
    return (await askAt(port, "/", { method: "POST", body })).status;
  };
}

testWithPlace(
  "evidence.mjs: a webhook that is signed settles a doubt, and is to be sent again while it can't",
  async ({ place }) => {
    const upstream = await place.smtp({ script: "drop-before-reply" });
    const file = join(place.folder, "tokens");
    const token = (await run(["token", "add", "webhook", "--role", "operate", "--file", file])).stdout.trim();
    const settings = { LEDGER_DOUBTFUL: "hold", HTTP_TOKENS_FILE: file, ...smtpAt(upstream.port) };
    const gateway = await place.start(settings);
    const port = httpPortOf(gateway);
    await submitMail(gateway.port, { to: ["user@example.com"], content: taskMail(randomUUID()) });
    await gateway.logged("transmission.doubtful");
    const webhook = await startWebhook(place, {
      MAILONCE_HTTP: `http://127.0.0.1:${port}`,
      MAILONCE_TOKEN: token,
    });
    // Mailgun writes it without angle brackets.
    const headers = { "message-id": String(upstream.taken[0]?.messageId).slice(1, -1) };
    const event = { id: "Ase7i2zsRYeDXztHGENqRA", timestamp: Date.now() / 1_000, message: { headers } };
    expect(await webhook({ ...event, event: "accepted" }, "another key")).toBe(406);
    expect(await webhook({ ...event, event: "rejected" })).toBe(200);
    expect(
      await webhook({ ...event, event: "accepted", message: { headers: { "message-id": "1@a.example" } } }),
    ).toBe(200);
    expect(gateway.said("evidence.settled")).toEqual([]);
    expect(await webhook({ ...event, event: "failed", severity: "permanent" })).toBe(200);
    await gateway.logged("evidence.settled");
    expect(gateway.said("evidence.settled")).toMatchObject([{ source: "mailgun", by: "webhook" }]);
    expect(await webhook({ ...event, event: "accepted" })).toBe(200);
    expect(await gateway.stop()).toBe(0);
    expect(await webhook({ ...event, event: "accepted" })).toBe(503);
  },
);
