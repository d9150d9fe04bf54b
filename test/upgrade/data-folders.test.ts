// Data folders that a gateway of version 0.1.0 left are opened by this build, and nothing of them is lost: what
// was relayed is a repeat, what was queued is relayed, what was in doubt is in doubt.
import { expect, onTestFinished, test } from "vitest";
import type { DoubtfulEntry } from "../../src/operator/doubtful.ts";
import { type GatewayProcess, run, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import { copyOf, deliverKept, KEPT_SETTINGS, keptMails, submitAllKept, those } from "./kept-data.ts";
import { type KeptMail, LARGE_BODY } from "./kept-mails.ts";

let gateway: GatewayProcess;
let upstream: ScriptedSmtp;
let settings: Settings;

async function start(name: string, own: Settings): Promise<readonly KeptMail[]> {
  upstream = await createScriptedSmtp({ keepContents: true });
  onTestFinished(async () => {
    await gateway?.kill();
    await upstream.close();
  });
  settings = {
    ...KEPT_SETTINGS,
    ...{ DATA_DIR: copyOf(name), SPOOL_RETRY_MIN: "100ms", SPOOL_RETRY_MAX: "200ms" },
    ...{ UPSTREAM_KIND: "smtp", UPSTREAM_SMTP_HOST: "127.0.0.1", UPSTREAM_SMTP_PORT: upstream.port },
    ...{ UPSTREAM_SMTP_TLS: "none" },
    ...own,
  };
  gateway = await startProcess(settings);
  return keptMails(name);
}

async function listed(): Promise<DoubtfulEntry[]> {
  const { code, stdout, stderr } = await run(["doubtful", "list"], settings);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as DoubtfulEntry);
}

const recipientsOf = (mails: readonly KeptMail[]) => mails.map(({ recipient }) => recipient).sort();
const takenBy = ({ taken }: ScriptedSmtp) => taken.flatMap(({ recipients }) => recipients).sort();

/** The upstream has each of them once, and whole. */
async function expectTaken(mails: readonly KeptMail[]): Promise<void> {
  await upstream.waitFor(mails.length);
  await gateway.logged("transmission.relayed", mails.length);
  expect(takenBy(upstream)).toEqual(recipientsOf(mails));
  for (const { recipients, octets } of upstream.taken) {
    const mail = mails.find(({ recipient }) => recipients.includes(recipient));
    const body = Buffer.from(octets).toString("latin1").split("\r\n\r\n").slice(1).join("\r\n\r\n");
    expect(body.trimEnd(), recipients[0]).toBe(mail?.large === true ? LARGE_BODY.trimEnd() : "Hello.");
  }
}

async function expectRepeats(mails: readonly KeptMail[]): Promise<void> {
  expect(mails.length).toBeGreaterThan(0);
  for (const reply of await submitAllKept(gateway.port, mails))
    expect(reply).toMatch(/^250 2\.0\.0 repeat of/);
}

/** Another life on the folder, which this build has opened before. */
async function again(own: Settings = {}): Promise<void> {
  await gateway.kill();
  settings = { ...settings, ...own };
  gateway = await startProcess(settings);
}

test("stopped in order: the queue goes out, the doubts stay held, all that was relayed is a repeat", async () => {
  const mails = await start("stopped", { LEDGER_DOUBTFUL: "hold" });
  const queued = those(mails, "queued");
  const doubtful = those(mails, "doubtful");
  expect(gateway.lines.find(({ event }) => event === "spool.recovered")).toMatchObject({
    ...{ transmissions: queued.length + doubtful.length, doubtful: doubtful.length, settled: 0 },
  });
  await expectTaken(queued);
  await expectRepeats(mails);
  for (let life = 0; life < 2; life++) {
    const entries = await listed();
    expect(entries.map(({ recipient }) => recipient).sort()).toEqual(recipientsOf(doubtful));
    expect(entries.every(({ standing }) => standing === "held")).toBe(true);
    await again();
    await expectRepeats(mails);
  }
  expect(takenBy(upstream)).toEqual(recipientsOf(queued));
});

test("stopped in order: its doubts are decided, and go out or count as relayed", async () => {
  const mails = await start("stopped", { LEDGER_DOUBTFUL: "hold" });
  const queued = those(mails, "queued");
  await expectTaken(queued);
  const [first, second, ...more] = await listed();
  expect(more).toEqual([]);
  for (const [entry, decision] of [
    [first, "--relayed"],
    [second, "--not-relayed"],
  ] as const) {
    const { code } = await run(["doubtful", "resolve", entry?.id as string, decision], settings);
    expect(code).toBe(0);
  }
  await upstream.waitFor(queued.length + 1);
  expect(takenBy(upstream)).toEqual([...recipientsOf(queued), second?.recipient].sort());
  expect(await listed()).toEqual([]);
});

test("killed at work, resend: what was in doubt is said to be so and goes again, all else as it was", async () => {
  const mails = await start("killed", { LEDGER_DOUBTFUL: "resend" });
  const doubtful = those(mails, "attempted", "doubtful");
  await expectTaken([...those(mails, "queued"), ...doubtful]);
  expect(gateway.lines.filter(({ event }) => event === "transmission.doubtful")).toHaveLength(
    doubtful.length,
  );
  await expectRepeats(mails);
  await again();
  await expectRepeats(mails);
  expect(upstream.repeated()).toEqual([]);
});

test("killed at work, hold: what was in doubt is held", async () => {
  const mails = await start("killed", { LEDGER_DOUBTFUL: "hold" });
  await expectTaken(those(mails, "queued"));
  const doubtful = recipientsOf(those(mails, "attempted", "doubtful"));
  expect((await listed()).map(({ recipient }) => recipient).sort()).toEqual(doubtful);
  await again();
  expect((await listed()).map(({ recipient }) => recipient).sort()).toEqual(doubtful);
  await expectRepeats(mails);
});

test.each(["relayed", "queued"])(
  'killed while clients waited, then reply = "%s": what they submit again is relayed, each mail once',
  async (reply) => {
    const mails = await start("awaited", { SMTP_REPLY: reply });
    const open = those(mails, "awaited", "awaitedAttempted", "remembered");
    for (const mail of open) await deliverKept([gateway.port], mail);
    await expectTaken(open);
    await expectRepeats(mails);
    await again();
    await expectRepeats(mails);
    expect(upstream.repeated()).toEqual([]);
    expect(takenBy(upstream)).toEqual(recipientsOf(open));
  },
);

test.each(["stopped", "killed", "awaited"])(
  "%s: `ledger export` has every id that was relayed or in doubt",
  async (name) => {
    const { code, stderr } = await run(["ledger", "export"], { ...KEPT_SETTINGS, DATA_DIR: copyOf(name) });
    const mails = keptMails(name);
    const doubtful = those(mails, "attempted", "doubtful", "remembered", "awaitedAttempted").length;
    const ids = those(mails, "relayed").length + doubtful;
    expect(stderr).toMatch(new RegExp(`exported ${ids} ids .*; ${doubtful} of them doubtful`));
    expect(code).toBe(0);
  },
);
