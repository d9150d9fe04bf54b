// What the gateways of one ledger have to agree on, with the built program on PostgreSQL: the first writes it, one
// with other values does not start and says which, and `mailonce ledger set` changes it while gateways run.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { expect } from "vitest";
import type { Place } from "../support/place.ts";
import { test } from "../support/place-postgres.ts";
import type { TestSchema } from "../support/postgres.ts";
import { type GatewayProcess, run, type Settings } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

let place: Place;
let schema: TestSchema;
test.beforeEach(async ({ place: ownPlace, schema: ownSchema }) => {
  place = ownPlace;
  schema = ownSchema;
  expect((await run(["ledger", "migrate"], settingsOf("any"))).code).toBe(0);
});

const settingsOf = (name: string, more: Settings = {}): Settings => ({
  DATA_DIR: join(place.folder, name),
  LEDGER_KIND: "postgres",
  LEDGER_POSTGRES_URL: schema.url,
  LEDGER_LEASE: "6s",
  SMTP_PORT: 0,
  ...more,
});

const start = (name: string, more: Settings = {}): Promise<GatewayProcess> =>
  place.start(settingsOf(name, more));

const set = (...options: string[]) => run(["ledger", "set", ...options], settingsOf("any"));

const submit = ({ port }: GatewayProcess, task: string): Promise<string> =>
  submitMail(port, { to: ["user@example.com"], content: taskMail(task) });

/** Once the change is in force there. */
async function inForce(gateway: GatewayProcess): Promise<void> {
  const isInForce = () =>
    gateway.lines.some(({ event, inForce }) => event === "ledger.settings_changed" && inForce === true);
  for (let lines = 1; !isInForce(); lines++) await gateway.logged("ledger.settings_changed", lines);
}

test.each<[string, Settings, string]>([
  ["lease", { LEDGER_LEASE: "7s" }, "ledger.lease is 7s here, and 6s in the ledger"],
  ["retention", { LEDGER_RETENTION: "40d" }, "ledger.retention is 40d here, and 30d in the ledger"],
  ["secret", { IDENTITY_SECRET: "pomegranate" }, "identity.secret is another one"],
  ["task fields", { IDENTITY_HEADERS: "X-Job" }, "identity.headers, identity.part_header or identity.envid"],
])("a gateway with another %s than the first does not start, and says so", async (_, other, fault) => {
  const first = await start("first", { IDENTITY_SECRET: "a secret that nobody guesses" });
  const others = { IDENTITY_SECRET: "a secret that nobody guesses", ...other };
  const { code, stderr } = await run(["serve"], settingsOf("other", others));
  expect(stderr).toContain(fault);
  expect(stderr).not.toContain("pomegranate");
  expect(code).toBe(2);
  // Nor does an import, which would judge by them who is dead.
  const imported = await run(["ledger", "import", "--input", "package.json"], settingsOf("third", others));
  expect(imported).toMatchObject({ code: 2, stderr: expect.stringContaining(fault) });
  const stored = JSON.stringify((await schema.query("SELECT settings FROM mailonce_settings")).rows);
  expect(stored).not.toContain("a secret that nobody guesses");
  expect(await submit(first, randomUUID())).toMatch(/^250 /);
});

test("`ledger set` changes both, gateways that run go by them, and a start needs the new ones", async () => {
  const task = randomUUID();
  const [one, other] = [await start("one"), await start("other")];
  expect(await submit(one, task)).toMatch(/^250 2\.0\.0 queued/);
  expect(await set()).toMatchObject({ code: 0, stdout: "version 1: lease 6s, retention 30d\n" });
  const changed = await set("--lease", "9s", "--retention", "60d");
  expect(changed).toMatchObject({ code: 0, stderr: "" });
  expect(changed.stdout).toContain("version 2: lease 9s, retention 60d; until every gateway");
  await Promise.all([inForce(one), inForce(other)]);
  expect(await set()).toMatchObject({ stdout: "version 3: lease 9s, retention 60d\n" });
  expect(await set("--lease", "9s")).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^nothing to do/),
  });
  // It said so when it took it up, and is refused with its old file.
  await one.stop();
  const refused = await run(["serve"], settingsOf("one"));
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("ledger.lease is 6s here, and 9s in the ledger that the gateways share");
  const again = await start("one", { LEDGER_LEASE: "9s", LEDGER_RETENTION: "60d" });
  expect(await submit(again, task)).toMatch(/^250 2\.0\.0 repeat/);
  expect(await submit(other, task)).toMatch(/^250 2\.0\.0 repeat/);
});

test("a change waits for a gateway that can't go by it, and goes on once that has stopped", async () => {
  const [one, other] = [await start("one"), await start("other", { SPOOL_LIFETIME: "5d" })];
  expect((await set("--retention", "4d")).code).toBe(0);
  await other.logged("ledger.settings_unfit");
  await one.logged("ledger.settings_changed");
  expect(await set("--lease", "8s")).toMatchObject({ code: 1, stderr: expect.stringContaining("under way") });
  await other.stop();
  await inForce(one);
  expect(await set()).toMatchObject({ stdout: "version 3: lease 6s, retention 4d\n" });
});

test("what can't be is refused: an embedded ledger, a ledger without gateways, values out of range", async () => {
  expect(await run(["ledger", "set"], { DATA_DIR: join(place.folder, "own") })).toMatchObject({ code: 2 });
  expect(await set()).toMatchObject({ code: 1, stderr: expect.stringContaining("no gateway has used") });
  await start("one");
  expect(await set("--lease", "1s")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("at least 5s"),
  });
  expect(await set("--lease", "soon")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--lease: "),
  });
  const short = await set("--retention", "1d");
  expect(short).toMatchObject({ code: 1, stderr: expect.stringContaining("spool.lifetime is 2d") });
});

test("another secret for all: `ledger set --identity` with every gateway stopped", async () => {
  const first = await start("first");
  await first.stop();
  const other = { IDENTITY_SECRET: "pomegranate" };
  expect((await run(["serve"], settingsOf("first", other))).code).toBe(2);
  expect((await run(["ledger", "set", "--identity"], settingsOf("any", other))).code).toBe(0);
  expect(await submit(await start("first", other), randomUUID())).toMatch(/^250 /);
  expect((await run(["serve"], settingsOf("second"))).stderr).toContain("identity.secret is another one");
});
