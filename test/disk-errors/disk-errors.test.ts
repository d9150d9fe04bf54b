// A sample of `npm run disk-errors`, a disk that fails for long, and a disk that lies, which must be noticed here.
import { existsSync, readdirSync } from "node:fs";
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

test("a disk that fails for long: 451, nothing of it is relayed later, and then all goes on", async ({
  skip,
}) => {
  const folder = makeFolder();
  const data = join(folder.path, "data");
  const disk = createFailingDisk(data);
  onTestFinished(() => folder.remove());
  if (disk === undefined) return skip(NO_COMPILER);
  const upstream = await createScriptedSmtp();
  const gateway = await startProcess(
    {
      DATA_DIR: data,
      UPSTREAM_KIND: "smtp",
      UPSTREAM_SMTP_HOST: "127.0.0.1",
      UPSTREAM_SMTP_PORT: upstream.port,
      UPSTREAM_SMTP_TLS: "none",
    },
    { ...PRESENT, environment: disk.environment },
  );
  onTestFinished(async () => {
    await gateway.kill();
    await upstream.close();
    disk.remove();
  });
  const client = await connectSmtp(gateway.port);
  const submit = (task: string, body: string) =>
    client.submit({ to: [`${task}@example.com`], content: taskMail(task, { body }) });
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
  await client.quit();
  expect(await gateway.stop()).toBe(0);
  expect(readdirSync(bodies)).toEqual([]);
  expect(upstream.taken.flatMap(({ recipients }) => recipients)).toEqual(["taken@example.com"]);
});
