// A sample of `npm run disk-errors`, a disk that fails for long, and a disk that lies, which must be noticed here.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createFailingDisk } from "../support/failing-disk.ts";
import { makeFolder, PRESENT, startProcess } from "../support/process.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";
import { type History, runHistory } from "./history.ts";

const NO_COMPILER = "there is no C compiler (Debian: gcc, libc6-dev)";

const sample: readonly History[] = [
  // The folder of a store that was just made.
  {
    fault: { operation: "sync", path: "ledger/generation-000001", skip: 4 },
    when: "running",
    end: "power",
  },
  { fault: { operation: "sync", path: "spool/queue", skip: 2 }, when: "running", end: "power", part: 0.5 },
  { fault: { operation: "write", path: "ledger/state", skip: 1 }, when: "running", end: "stop" },
  { fault: { operation: "sync", path: "spool/bodies" }, when: "running", end: "power" },
  { fault: { operation: "rename", path: "CURRENT" }, when: "running", end: "power" },
  { fault: { operation: "sync", path: "spool/queue", skip: 1 }, when: "starting", end: "power" },
];

test.concurrent.for(sample)(
  "$fault.operation of $fault.path #$fault.skip fails once while $when, then $end",
  async (history, { skip }) => {
    const told = await runHistory(history);
    if (told === undefined) return skip(NO_COMPILER);
    expect(told.faults).toEqual([]);
    expect(told.failed).toHaveLength(1);
  },
);

test("a disk that only says that it has written is noticed by a history", async ({ skip }) => {
  const fault = { operation: "sync", path: "ledger/", times: Number.POSITIVE_INFINITY, errno: 0 } as const;
  const told = await runHistory({ fault, when: "running", end: "power" });
  if (told === undefined) return skip(NO_COMPILER);
  expect(told.faults).not.toEqual([]);
});

/** A gateway on a disk of its own, with a client; undefined where there is no C compiler. */
async function createPlace() {
  const folder = makeFolder();
  onTestFinished(() => folder.remove());
  const data = join(folder.path, "data");
  const disk = createFailingDisk(data);
  if (disk === undefined) return undefined;
  const upstream = await createScriptedSmtp();
  const settings = {
    DATA_DIR: data,
    UPSTREAM_KIND: "smtp",
    UPSTREAM_SMTP_HOST: "127.0.0.1",
    UPSTREAM_SMTP_PORT: upstream.port,
    UPSTREAM_SMTP_TLS: "none",
  };
  const restart = () => startProcess(settings, { ...PRESENT, environment: disk.environment });
  const gateway = await restart();
  const client = await connectSmtp(gateway.port);
  onTestFinished(async () => {
    client.destroy();
    await gateway.kill();
    await upstream.close();
    disk.remove();
  });
  const submit = (task: string, body: string) =>
    client.submit({ to: [`${task}@example.com`], content: taskMail(task, { body }) });
  return { data, disk, upstream, gateway, submit, restart };
}

test("what a seal says is durable is so: a loss of power right after it is no damage", async ({ skip }) => {
  const place = await createPlace();
  if (place === undefined) return skip(NO_COMPILER);
  const { data, disk, gateway, submit, restart } = place;
  expect(await submit("one", "")).toMatch(/^250 /);
  await gateway.logged("transmission.relayed");
  // The transmission has left the spool by a write that no commit has followed. Sooner or later it is sealed.
  const log = join(data, "spool/queue/000003.log");
  const sealed = (): number =>
    Math.max(
      ...["seal.0", "seal.1"].map((name) => {
        const [, octets = "0"] =
          /"spool\/queue":\{.*?"logs":\[\{"number":3,"octets":(\d+)/.exec(
            readFileSync(join(data, name), "utf8"),
          ) ?? [];
        return Number(octets);
      }),
    );
  while (sealed() < statSync(log).size) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await gateway.kill();
  expect(disk.losePower()).toBeGreaterThanOrEqual(0);
  expect(await (await restart()).stop()).toBe(0);
});

test("what LevelDB writes in the background fails once: the next commit finds out, and all goes on", async ({
  skip,
}) => {
  const place = await createPlace();
  if (place === undefined) return skip(NO_COMPILER);
  const { disk, upstream, gateway, submit } = place;
  // Kept in the store, which gathers 2 MiB before it writes a table.
  const body = `${"x".repeat(70)}\r\n`.repeat(800);
  let mails = 0;
  let refused = 0;
  for (const fault of [
    { operation: "sync", path: ".ldb" },
    { operation: "write", path: ".ldb" },
    { operation: "open", path: ".ldb" },
    { operation: "sync", path: "spool/queue/MANIFEST" },
  ] as const) {
    disk.arm(fault);
    const enough = mails + 5;
    while (disk.hits() === 0 || mails < enough) {
      const task = `mail${mails}`;
      const reply = await submit(task, body);
      if (reply.startsWith("250")) mails++;
      else {
        expect(reply).toMatch(/^451 4\.3\.0 /);
        refused++;
      }
    }
    expect(disk.hits()).toBe(1);
  }
  expect(refused).toBeLessThanOrEqual(8);
  await gateway.logged("transmission.relayed", mails);
  expect(upstream.repeated()).toEqual([]);
  expect(new Set(upstream.taken.flatMap(({ recipients }) => recipients)).size).toBe(mails);
  expect(await gateway.stop()).toBe(0);
});

test("a disk that fails for long: 451, nothing of it is relayed later, and then all goes on", async ({
  skip,
}) => {
  const place = await createPlace();
  if (place === undefined) return skip(NO_COMPILER);
  const { data, disk, upstream, gateway, submit } = place;
  const large = `${"x".repeat(70)}\r\n`.repeat(1_000);

  disk.arm({ operation: "sync", path: "spool/queue", times: Number.POSITIVE_INFINITY });
  for (let number = 0; number < 40; number++) {
    expect(await submit(`refused${number}`, number % 4 === 0 ? large : "")).toMatch(/^451 4\.3\.0 /);
  }
  expect(disk.hits()).toBeGreaterThan(10);
  const bodies = join(data, "spool/bodies");
  // That of the first accept, which may be in the store, stays until it is taken back.
  if (existsSync(bodies)) expect(readdirSync(bodies).length).toBeLessThanOrEqual(1);

  disk.disarm();
  expect(await submit("taken", large)).toMatch(/^250 /);
  await gateway.logged("transmission.relayed");
  expect(await gateway.stop()).toBe(0);
  expect(readdirSync(bodies)).toEqual([]);
  expect(upstream.taken.flatMap(({ recipients }) => recipients)).toEqual(["taken@example.com"]);
});
