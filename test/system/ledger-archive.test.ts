// Growing out of one machine: `mailonce ledger export` and `import` as commands. Every mail that the embedded
// ledger has relayed is a repeat at a gateway on PostgreSQL, and later at an embedded one on another machine.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Place } from "../support/place.ts";
import { test } from "../support/place-postgres.ts";
import type { TestSchema } from "../support/postgres.ts";
import { environmentOf, type GatewayProcess, run, type Settings } from "../support/process.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

const RECIPIENTS = Array.from({ length: 50 }, (_, n) => `user${n}@example.com`);

let place: Place;
let schema: TestSchema;
test.beforeEach(({ place: ownPlace, schema: ownSchema }) => {
  place = ownPlace;
  schema = ownSchema;
});

const embedded = (name: string): Settings => ({ DATA_DIR: join(place.folder, name) });
const shared = (name: string): Settings => ({
  DATA_DIR: join(place.folder, name),
  LEDGER_KIND: "postgres",
  LEDGER_POSTGRES_URL: schema.url,
});

/** The replies to a mail of the task to each recipient. */
async function runTask({ port }: GatewayProcess, task: string): Promise<string[]> {
  const client = await connectSmtp(port);
  const replies: string[] = [];
  for (const recipient of RECIPIENTS) {
    replies.push(await client.submit({ to: [recipient], content: taskMail(task) }));
  }
  await client.quit();
  return replies;
}

/** A gateway that has relayed the task's mails, and was stopped. */
async function relayedBy(settings: Settings, task: string): Promise<void> {
  const gateway = await place.start(settings);
  await runTask(gateway, task);
  await gateway.logged("transmission.relayed", RECIPIENTS.length);
  expect(await gateway.stop()).toBe(0);
}

async function allRepeated(settings: Settings, task: string): Promise<void> {
  const gateway = await place.start(settings);
  const replies = await runTask(gateway, task);
  expect(replies.filter((reply) => !/^250 2\.0\.0 repeat of/.test(reply))).toEqual([]);
  expect(await gateway.stop()).toBe(0);
}

/** As an operator pipes one into the other, with a configuration file each. */
function pipe(from: Settings, to: Settings): Promise<{ code: number; stderr: string }> {
  const commandOf = (settings: Settings, verb: string): string =>
    `env ${Object.entries(settings)
      .map(([name, value]) => `'MAILONCE_${name}=${value}'`)
      .join(" ")} '${process.execPath}' dist/main.js ledger ${verb}`;
  const command = `${commandOf(from, "export")} | ${commandOf(to, "import")}`;
  return new Promise((resolve) => {
    execFile("sh", ["-c", command], { env: environmentOf({}) }, (error, _stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stderr }),
    );
  });
}

test("embedded to postgres through a pipe, and to another embedded one through a file", async () => {
  const task = randomUUID();
  await relayedBy(embedded("old"), task);
  expect((await run(["ledger", "migrate"], shared("new"))).stdout).toBe(
    "postgres: the schema made, version 1\n",
  );
  const moved = await pipe(embedded("old"), shared("new"));
  expect(moved).toMatchObject({ code: 0, stderr: expect.stringMatching(/imported 50 ids .* 50 new, /) });
  await allRepeated(shared("new"), task);

  const file = join(place.folder, "ids.ndjson");
  expect((await run(["ledger", "export", "--output", file], shared("new"))).code).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const back = await run(["ledger", "import", "--input", file], embedded("other"));
  expect(back).toMatchObject({ code: 0, stderr: expect.stringMatching(/ 50 new, /) });
  await allRepeated(embedded("other"), task);

  const again = await run(["ledger", "import", "--input", file], embedded("other"));
  expect(again).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/ 0 new, 0 known better now, 50 known/),
  });
});

test("a folder that a gateway runs on is not exported, nor is one without a ledger", async () => {
  const gateway = await place.start(embedded("old"));
  const locked = await run(["ledger", "export"], embedded("old"));
  expect(locked).toMatchObject({ code: 1, stdout: "" });
  expect(locked.stderr).toBe(`mailonce: ${embedded("old").DATA_DIR} is in use by another mailonce\n`);
  await gateway.stop();
  const missing = await run(["ledger", "export"], embedded("nowhere"));
  expect(missing).toMatchObject({ code: 1, stdout: "" });
  expect(missing.stderr).toMatch(/^mailonce: there is no ledger in \S+\n$/);
});

test("an export that is cut off is refused: a file before anything of it is imported", async () => {
  const task = randomUUID();
  await relayedBy(embedded("old"), task);
  const file = join(place.folder, "ids.ndjson");
  await run(["ledger", "export", "--output", file], embedded("old"));
  expect(readdirSync(place.folder).sort()).toEqual(["ids.ndjson", "old"]);
  truncateSync(file, statSync(file).size - 1);
  await run(["ledger", "migrate"], shared("new"));
  const refused = await run(["ledger", "import", "--input", file], shared("new"));
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/cut off.*nothing of it was imported/),
  });
  expect((await schema.query("SELECT count(*)::integer AS ids FROM mailonce_ids")).rows).toEqual([
    { ids: 0 },
  ]);
});

test("a bad line is refused with its number", async () => {
  const task = randomUUID();
  await relayedBy(embedded("old"), task);
  const file = join(place.folder, "ids.ndjson");
  await run(["ledger", "export", "--output", file], embedded("old"));
  const lines = readFileSync(file, "utf8").split("\n");
  writeFileSync(file, [...lines.slice(0, 10), "{}", ...lines.slice(10)].join("\n"));
  const refused = await run(["ledger", "import", "--input", file], embedded("new"));
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toMatch(
    /^mailonce: line 11: id: not an id\nmailonce: what was imported until then stays/,
  );
});

test("migrate has nothing to do a second time, and nothing for embedded", async () => {
  await run(["ledger", "migrate"], shared("new"));
  expect(await run(["ledger", "migrate"], shared("new"))).toMatchObject({
    code: 0,
    stdout: "postgres: nothing to do, the schema is of version 1\n",
  });
  expect(await run(["ledger", "migrate"], embedded("old"))).toMatchObject({
    code: 0,
    stdout: "embedded: nothing to do, the gateway makes it\n",
  });
});
