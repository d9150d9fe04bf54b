// A transmission whose content is gone from the disk, or cut short: said as an error, reported to the reverse-path,
// and its task may submit it again (P5). Its siblings and all other mail go on.
import { readdir, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createDiskStorage } from "../../src/storage/disk.ts";
import type { Operation, Store } from "../../src/storage/storage.ts";
import { type GatewayProcess, makeFolder, startProcess } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

let folder: ReturnType<typeof makeFolder>;
let dataFolder: string;
let gateway: GatewayProcess;
let upstream: ScriptedSmtp;

beforeEach(async () => {
  folder = makeFolder();
  dataFolder = join(folder.path, "data");
  upstream = await createScriptedSmtp({ keepContents: true, script: "refuse-rcpt-4" });
  await start();
});
afterEach(async () => {
  await gateway.kill();
  await upstream.close();
  folder.remove();
});

async function start(): Promise<void> {
  gateway = await startProcess({
    ...{ DATA_DIR: dataFolder, SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "100ms", LOG_ADDRESSES: "true" },
    ...{ UPSTREAM_KIND: "smtp", UPSTREAM_SMTP_HOST: "127.0.0.1", UPSTREAM_SMTP_TLS: "none" },
    UPSTREAM_SMTP_PORT: upstream.port,
  });
}

async function submit(task: string, to: readonly string[], body?: string): Promise<string> {
  const client = await connectSmtp(gateway.port);
  const content = taskMail(task, body === undefined ? {} : { body });
  const reply = await client.submit({ from: "app@sender.example", to: [...to], content });
  await client.quit();
  return reply;
}

/** Changes the spool's store while no gateway has it. */
async function inQueue(change: (store: Store) => Promise<void>): Promise<void> {
  const store = await createDiskStorage(dataFolder).openStore("spool/queue");
  await change(store);
  await store.close();
}

/** Every record of a submission, and not those of its transmissions. */
async function submissions(store: Store): Promise<[Uint8Array, Uint8Array][]> {
  const found: [Uint8Array, Uint8Array][] = [];
  const range = { gte: Buffer.from("s"), lt: Buffer.from("t") };
  for await (const [key, value] of store.entries(range)) found.push([key.slice(), value.slice()]);
  return found;
}

const LARGE = `${"x".repeat(78)}\r\n`.repeat(1_000);

const BODIES = "spool/bodies";
const bodyFiles = async (): Promise<string[]> =>
  (await readdir(join(dataFolder, BODIES))).map((name) => join(dataFolder, BODIES, name));

describe.each<[string, string | undefined, () => Promise<void>]>([
  [
    "its record is gone",
    undefined,
    () =>
      inQueue(async (store) => {
        const dels = (await submissions(store)).map(([key]): Operation => ({ type: "del", key }));
        await store.commit(dels);
      }),
  ],
  [
    "its record is cut short",
    undefined,
    () =>
      inQueue(async (store) => {
        const cut = (await submissions(store)).map(
          ([key, value]): Operation => ({ type: "put", key, value: value.subarray(0, -3) }),
        );
        await store.commit(cut);
      }),
  ],
  [
    "its body file is gone",
    LARGE,
    async () => {
      for (const file of await bodyFiles()) await rm(file);
    },
  ],
  [
    "its body file is cut short",
    LARGE,
    async () => {
      for (const file of await bodyFiles()) await truncate(file, 70_000);
    },
  ],
])("a content is lost: %s", (_, body, lose) => {
  test("an error line each, one report that names both recipients, and the task can be submitted again", async () => {
    const recipients = ["one@example.com", "two@example.com"];
    expect(await submit("task", recipients, body)).toMatch(/^250 /);
    await gateway.logged("transmission.refused", 2);
    await gateway.stop();
    await lose();
    upstream.play("accept");
    await start();
    expect(await submit("other", ["three@example.com"])).toMatch(/^250 .*queued as/);
    await gateway.logged("transmission.lost", 2);
    await gateway.logged("transmission.reported", 2);
    await upstream.waitFor(2);
    const reports = upstream.taken.filter(({ reversePath }) => reversePath === "");
    expect(reports.map(({ recipients: to }) => to)).toEqual([["app@sender.example"]]);
    const text = Buffer.from(reports[0]?.octets ?? []).toString("latin1");
    const failed = [...text.matchAll(/^Final-Recipient: rfc822; (\S+)\r$/gm)].map(([, one]) => one);
    expect(failed.sort()).toEqual(recipients);
    expect(text.match(/^Status: 5\.3\.0\r$/gm)).toHaveLength(2);
    expect(gateway.lines.filter(({ event }) => event === "transmission.lost")).toMatchObject(
      recipients.map(() => ({ level: "error", recipient: expect.anything(), cause: expect.anything() })),
    );

    expect(await submit("task", recipients, body)).toMatch(/^250 .*queued as/);
    await upstream.waitFor(4);
    const taken = upstream.taken.filter(({ reversePath }) => reversePath !== "");
    expect(taken.flatMap(({ recipients: to }) => to).sort()).toEqual([
      "one@example.com",
      "three@example.com",
      "two@example.com",
    ]);
  });
});

test("a content that no transmission is left of is removed by the next start", async () => {
  await submit("task", ["one@example.com"], LARGE);
  await gateway.logged("transmission.refused");
  await gateway.stop();
  await inQueue(async (store) => {
    const range = { gte: Buffer.from("t"), lt: Buffer.from("u") };
    const dels: Operation[] = [];
    for await (const [key] of store.entries(range)) dels.push({ type: "del", key: key.slice() });
    await store.commit(dels);
  });
  await start();
  await gateway.stop();
  await inQueue(async (store) => expect(await submissions(store)).toEqual([]));
  expect(await bodyFiles()).toEqual([]);
});
