// Shared ledgers and the data folders of their gateways that version 0.1.0 left are opened by this build, on
// PostgreSQL and DynamoDB, and nothing is lost: each mail that was not relayed is relayed once.
import { expect, onTestFinished, test } from "vitest";
import { type GatewayProcess, run, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";
import { useBothEngines } from "./both-engines.ts";
import {
  copyOf,
  deliverKept,
  KEPT_SETTINGS,
  keptFile,
  keptMails,
  submitAllKept,
  those,
} from "./kept-data.ts";

const engines = useBothEngines();

/** Every record state and heartbeat of the dump, in a database of its own; the settings of a gateway on it. */
async function postgresAsKept(): Promise<Settings> {
  const database = await engines.server.emptyDatabase();
  await database.query(keptFile("postgres.sql"));
  await database.close();
  return { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: database.url };
}

let tables = 0;

async function dynamodbAsKept(): Promise<Settings> {
  const table = `kept-${++tables}`;
  Object.assign(process.env, engines.dynamodb.environment);
  const settings: Settings = {
    ...{ LEDGER_KIND: "dynamodb", LEDGER_DYNAMODB_TABLE: table },
    ...{ LEDGER_DYNAMODB_ENDPOINT: engines.dynamodb.endpoint, LEDGER_DYNAMODB_REGION: "eu-west-1" },
  };
  expect(await run(["ledger", "migrate"], settings, undefined, engines.old)).toMatchObject({ code: 0 });
  for (const Item of JSON.parse(keptFile("dynamodb.json")) as unknown[]) {
    await engines.dynamodb.ask("PutItem", { TableName: table, Item });
  }
  return settings;
}

const kinds = [
  ["postgres", postgresAsKept],
  ["dynamodb", dynamodbAsKept],
] as const;

test.each(kinds)(
  "%s: every mail that was not relayed is relayed once, the others are repeats",
  async (kind, asKept) => {
    const ledger = await asKept();
    expect(await run(["ledger", "migrate"], ledger)).toMatchObject({ code: 0 });
    const upstream = await createScriptedSmtp();
    const gateways: GatewayProcess[] = [];
    onTestFinished(async () => {
      for (const gateway of gateways) await gateway.kill();
      await upstream.close();
    });
    const mails = ["a", "b", "c", "nobody"].flatMap((name) => keptMails(`${kind}-${name}`));
    for (const name of ["a", "b", "c"]) {
      gateways.push(
        await startProcess({
          ...KEPT_SETTINGS,
          ...ledger,
          ...{ DATA_DIR: copyOf(`${kind}-${name}`), LEDGER_LEASE: "5s" },
          ...{ SPOOL_RETRY_MIN: "100ms", SPOOL_RETRY_MAX: "200ms" },
          ...{ UPSTREAM_KIND: "smtp", UPSTREAM_SMTP_HOST: "127.0.0.1", UPSTREAM_SMTP_PORT: upstream.port },
          ...{ UPSTREAM_SMTP_TLS: "none" },
        }),
      );
    }
    const ports = gateways.map(({ port }) => port);
    for (const mail of mails.filter(({ was }) => was !== "letPass")) await deliverKept(ports, mail);
    const open = mails.filter(({ was }) => was !== "relayed" && was !== "letPass");
    await upstream.waitFor(open.length);
    const wanted = open.map(({ recipient }) => recipient).sort();
    const relayed = those(mails, "relayed");
    for (const port of ports) {
      for (const reply of await submitAllKept(port, relayed)) expect(reply).toMatch(/^250 2\.0\.0 repeat of/);
    }
    expect(upstream.taken.flatMap(({ recipients }) => recipients).sort()).toEqual(wanted);
    // Each second copy there may be was announced.
    const doubts = gateways.flatMap(({ lines }) =>
      lines.filter(({ event }) => event === "transmission.doubtful"),
    );
    const doubtful = those(mails, "attempted", "doubtful", "remembered", "awaitedAttempted");
    expect(new Set(doubts.map(({ messageId }) => messageId)).size).toBe(doubtful.length);
    for (const gateway of gateways) expect(await gateway.stop()).toBe(0);
    expect(upstream.repeated()).toEqual([]);
  },
);

test.each(kinds)("%s: `ledger export` has every id that was relayed or in doubt", async (kind, asKept) => {
  const ledger = await asKept();
  expect(await run(["ledger", "migrate"], ledger)).toMatchObject({ code: 0 });
  const mails = ["a", "b", "c"].flatMap((name) => keptMails(`${kind}-${name}`));
  const { code, stderr } = await run(["ledger", "export"], { ...KEPT_SETTINGS, ...ledger });
  const doubtful = those(mails, "attempted", "doubtful", "remembered", "awaitedAttempted").length;
  const ids = those(mails, "relayed", "letPass").length + doubtful;
  expect(stderr).toMatch(new RegExp(`exported ${ids} ids .*; ${doubtful} of them doubtful`));
  expect(code).toBe(0);
});
