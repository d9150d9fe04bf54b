// A transmission whose content is gone from the disk, or cut short: said as an error, reported to the reverse-path,
// and its task may submit it again (P5). Its siblings and all other mail go on.
import { readdir, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { createDiskStorage } from "../../src/storage/disk.ts";
import type { Operation, Store } from "../../src/storage/storage.ts";
import { type Place, smtpAt, test } from "../support/place.ts";
import type { GatewayProcess, LogLine } from "../support/process.ts";
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

/** What became of one submission's content: its record in the queue, or the file of its body. */
const LOSSES: readonly {
  readonly what: string;
  readonly body?: string;
  readonly lose: (place: Place, submission: string) => Promise<void>;
}[] = [
  {
    what: "its record is gone",
    lose: (place, submission) =>
      inQueue(place, async (store) => {
        const own = (await submissions(store)).filter(([key]) => Buffer.from(key).includes(submission));
        await store.commit(own.map(([key]): Operation => ({ type: "del", key })));
      }),
  },
  {
    what: "its record is cut short",
    lose: (place, submission) =>
      inQueue(place, async (store) => {
        const own = (await submissions(store)).filter(([key]) => Buffer.from(key).includes(submission));
        await store.commit(
          own.map(([key, value]): Operation => ({ type: "put", key, value: value.subarray(0, -3) })),
        );
      }),
  },
  {
    what: "its body file is gone",
    body: LARGE,
    lose: ({ data }, submission) => rm(join(data, BODIES, submission)),
  },
  {
    what: "its body file is cut short",
    body: LARGE,
    lose: ({ data }, submission) => truncate(join(data, BODIES, submission), 70_000),
  },
];

test("contents that are lost: an error line each, one report a mail that names both recipients, and the tasks can be submitted again", async ({
  place,
}) => {
  const upstream = await place.smtp({ keepContents: true, script: "refuse-rcpt-4" });
  let gateway = await start(place, upstream.port);
  const mails = LOSSES.map(({ what, body, lose }, n) => ({
    ...{ what, body, lose, task: `task ${n}` },
    recipients: [`one@${n}.example`, `two@${n}.example`],
  }));
  for (const { task, recipients, body } of mails) {
    expect(await submit(gateway, task, recipients, body)).toMatch(/^250 /);
  }
  for (const { task } of mails) await gateway.logged("transmission.refused", 2, (line) => line.task === task);
  const submissionOf = new Map(
    gateway.said("submission.accepted").map((line) => [line.task, line.submission]),
  );
  await gateway.stop();
  for (const { task, lose } of mails) await lose(place, submissionOf.get(task) as string);
  upstream.play("accept");
  gateway = await start(place, upstream.port);
  expect(await submit(gateway, "other", ["three@example.com"])).toMatch(/^250 .*queued as/);
  await gateway.logged("transmission.lost", 2 * mails.length);
  await gateway.logged("transmission.reported", 2 * mails.length);
  await upstream.waitFor(mails.length + 1);
  const reports = upstream.taken.filter(({ reversePath }) => reversePath === "");
  expect(reports.map(({ recipients: to }) => to)).toEqual(mails.map(() => ["app@sender.example"]));
  const texts = reports.map(({ octets }) => Buffer.from(octets).toString("latin1"));
  for (const { what, recipients } of mails) {
    const [text = "", ...others] = texts.filter((one) => one.includes(recipients[0] as string));
    expect(others, what).toEqual([]);
    const failed = [...text.matchAll(/^Final-Recipient: rfc822; (\S+)\r$/gm)].map(([, one]) => one);
    expect(failed.sort(), what).toEqual(recipients);
    expect(text.match(/^Status: 5\.3\.0\r$/gm), what).toHaveLength(2);
    const isOwn = ({ recipient }: LogLine) => recipients.includes(recipient as string);
    expect(gateway.said("transmission.lost", isOwn), what).toMatchObject(
      recipients.map(() => ({ level: "error", cause: expect.anything() })),
    );
  }

  for (const { what, task, recipients, body } of mails) {
    expect(await submit(gateway, task, recipients, body), what).toMatch(/^250 .*queued as/);
  }
  await upstream.waitFor(mails.length + 1 + 2 * mails.length);
  const taken = upstream.taken.filter(({ reversePath }) => reversePath !== "");
  expect(taken.flatMap(({ recipients: to }) => to).sort()).toEqual(
    ["three@example.com", ...mails.flatMap(({ recipients }) => recipients)].sort(),
  );
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
  expect(await readdir(join(place.data, BODIES))).toEqual([]);
});
