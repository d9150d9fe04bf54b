// What version 0.1.0 makes of an id that this build has forgotten: on one ledger it takes the id for relayed, and an export
// says relayed.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { smtpAt } from "../support/place.ts";
import { type GatewayProcess, makeFolder, type Program, run, startProcess } from "../support/process.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";
import { useBothEngines } from "./both-engines.ts";
import { dynamodbPlace, postgresPlace } from "./mixed-fleet.ts";

const engines = useBothEngines();

test.each(["postgres", "dynamodb"])("%s: beside a gateway of 0.1.0", async (kind) => {
  const place =
    kind === "postgres" ? await postgresPlace(engines.server) : await dynamodbPlace(engines.dynamodb);
  const upstream = await createScriptedSmtp();
  const { path: folder, remove } = makeFolder();
  const started: GatewayProcess[] = [];
  onTestFinished(async () => {
    for (const gateway of started) await gateway.kill();
    await upstream.close();
    await place.close();
    remove();
  });
  expect(await run(["ledger", "migrate"], place.settings, undefined, engines.old)).toMatchObject({ code: 0 });
  expect(await run(["ledger", "migrate"], place.settings)).toMatchObject({ code: 0 });
  const settingsOf = (name: string) => ({
    ...{ ...place.settings, ...smtpAt(upstream.port), DATA_DIR: join(folder, name) },
    LEDGER_LEASE: "5s",
  });
  const start = async (name: string, program?: Program): Promise<GatewayProcess> => {
    const gateway = await startProcess(settingsOf(name), program);
    started.push(gateway);
    return gateway;
  };
  const [before, now] = [await start("old", engines.old), await start("new")];
  const task = randomUUID();
  const submit = ({ port }: GatewayProcess): Promise<string> =>
    submitMail(port, { to: ["user@example.com"], content: taskMail(task) });

  expect(await submit(before)).toContain("queued as");
  await before.logged("transmission.relayed");
  expect(await submit(now)).toContain("repeat of");
  const { stdout } = await run(["id", "--task", task, "--to", "user@example.com"], settingsOf("new"));
  const forgotten = await run(["forget", stdout.trim(), "--yes"], settingsOf("new"));
  expect([forgotten.code, forgotten.stderr]).toEqual([0, ""]);

  // It does not know the mark, and harms nothing.
  expect(await submit(before)).toContain("repeat of");
  expect(await submit(now)).toContain("queued as");
  await now.logged("transmission.relayed");
  for (const gateway of [before, now]) expect(await submit(gateway)).toContain("repeat of");
  expect(upstream.taken).toHaveLength(2);
  for (const gateway of [before, now]) expect(await gateway.stop()).toBe(0);
});

test("an export says that it is relayed, and 0.1.0 imports that", async () => {
  const upstream = await createScriptedSmtp();
  const { path: folder, remove } = makeFolder();
  onTestFinished(async () => {
    await upstream.close();
    remove();
  });
  const settings = { ...smtpAt(upstream.port), DATA_DIR: join(folder, "new") };
  const gateway = await startProcess(settings);
  const task = randomUUID();
  await submitMail(gateway.port, { to: ["user@example.com"], content: taskMail(task) });
  await gateway.logged("transmission.relayed");
  await gateway.stop();
  const { stdout: id } = await run(["id", "--task", task, "--to", "user@example.com"], settings);
  expect((await run(["forget", id.trim(), "--yes"], settings)).code).toBe(0);
  const archive = join(folder, "export");
  expect((await run(["ledger", "export", "--output", archive], settings)).stderr).toMatch(/^exported 1 ids/);
  const elsewhere = { ...settings, DATA_DIR: join(folder, "old") };
  const imported = await run(["ledger", "import", "--input", archive], elsewhere, undefined, engines.old);
  expect([imported.code, imported.stderr]).toEqual([0, expect.stringMatching(/^imported 1 ids .*; 1 new/)]);
});
