// A transmission whose content is gone from the disk, or cut short: said as an error, reported to the reverse-path,
// and its task may submit it again (P5). Its siblings and all other mail go on.
import { readdir, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { createDiskStorage } from "../../src/storage/disk.ts";
import type { Operation, Store } from "../../src/storage/storage.ts";
import { type Place, smtpAt, test } from "../support/place.ts";
import type { GatewayProcess } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const start = (place: Place, port: number): Promise<GatewayProcess> =>
  place.start({
    ...{ SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "100ms", LOG_ADDRESSES: "true" },
    ...smtpAt(port),
  });

const submit = (
  { port }: GatewayProcess,
  task: string,
  to: readonly string[],
  body?: string,
): Promise<string> => submitMail(port, { to, content: taskMail(task, body === undefined ? {} : { body }) });

/** Changes the spool's store while no gateway has it. */
async function inQueue({ data }: Place, change: (store: Store) => Promise<void>): Promise<void> {
  const store = await createDiskStorage(data).openStore("spool/queue");
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
const bodyFiles = async ({ data }: Place): Promise<string[]> =>
  (await readdir(join(data, BODIES))).map((name) => join(data, BODIES, name));

describe.each<[string, string | undefined, (place: Place) => Promise<void>]>([
  [
    "its record is gone",
    undefined,
    (place) =>
      inQueue(place, async (store) => {
        const dels = (await submissions(store)).map(([key]): Operation => ({ type: "del", key }));
        await store.commit(dels);
      }),
  ],
  [
    "its record is cut short",
    undefined,
    (place) =>
      inQueue(place, async (store) => {
        const cut = (await submissions(store)).map(
          ([key, value]): Operation => ({ type: "put", key, value: value.subarray(0, -3) }),
        );
        await store.commit(cut);
      }),
  ],
  [
    "its body file is gone",
    LARGE,
    async (place) => {
      for (const file of await bodyFiles(place)) await rm(file);
    },
  ],
  [
    "its body file is cut short",
    LARGE,
    async (place) => {
      for (const file of await bodyFiles(place)) await truncate(file, 70_000);
    },
  ],
])("a content is lost: %s", (_, body, lose) => {
  test("an error line each, one report that names both recipients, and the task can be submitted again", async ({
    place,
  }) => {
    const upstream = await place.smtp({ keepContents: true, script: "refuse-rcpt-4" });
    let gateway = await start(place, upstream.port);
    const recipients = ["one@example.com", "two@example.com"];
    expect(await submit(gateway, "task", recipients, body)).toMatch(/^250 /);
    await gateway.logged("transmission.refused", 2);
    await gateway.stop();
    await lose(place);
    upstream.play("accept");
    gateway = await start(place, upstream.port);
    expect(await submit(gateway, "other", ["three@example.com"])).toMatch(/^250 .*queued as/);
    await gateway.logged("transmission.lost", 2);
    await gateway.logged("transmission.reported", 2);
    await upstream.waitFor(2);
    const reports = upstream.taken.filter(({ reversePath }) => reversePath === "");
    expect(reports.map(({ recipients: to }) => to)).toEqual([["app@sender.example"]]);
    const text = Buffer.from(reports[0]?.octets ?? []).toString("latin1");
    const failed = [...text.matchAll(/^Final-Recipient: rfc822; (\S+)\r$/gm)].map(([, one]) => one);
    expect(failed.sort()).toEqual(recipients);
    expect(text.match(/^Status: 5\.3\.0\r$/gm)).toHaveLength(2);
    expect(gateway.said("transmission.lost")).toMatchObject(
      recipients.map(() => ({ level: "error", recipient: expect.anything(), cause: expect.anything() })),
    );

    expect(await submit(gateway, "task", recipients, body)).toMatch(/^250 .*queued as/);
    await upstream.waitFor(4);
    const taken = upstream.taken.filter(({ reversePath }) => reversePath !== "");
    expect(taken.flatMap(({ recipients: to }) => to).sort()).toEqual([
      "one@example.com",
      "three@example.com",
      "two@example.com",
    ]);
  });
});

test("a content that no transmission is left of is removed by the next start", async ({ place }) => {
  const upstream = await place.smtp({ script: "refuse-rcpt-4" });
  const gateway = await start(place, upstream.port);
  await submit(gateway, "task", ["one@example.com"], LARGE);
  await gateway.logged("transmission.refused");
  await gateway.stop();
  await inQueue(place, async (store) => {
    const range = { gte: Buffer.from("t"), lt: Buffer.from("u") };
    const dels: Operation[] = [];
    for await (const [key] of store.entries(range)) dels.push({ type: "del", key: key.slice() });
    await store.commit(dels);
  });
  await (await start(place, upstream.port)).stop();
  await inQueue(place, async (store) => expect(await submissions(store)).toEqual([]));
  expect(await bodyFiles(place)).toEqual([]);
});
