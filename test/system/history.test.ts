// The history of a gateway that runs: what it keeps of a mail, what a kill takes of it, and that nothing depends on it.
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { HistoryReader } from "../../src/history/history.ts";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { allOf, keepHistory } from "../history/place.ts";
import { type Place, smtpAt, test } from "../support/place.ts";
import { type GatewayProcess, type LogLine, run, type Settings } from "../support/process.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

const ID = /^<([a-z2-7]{32})@/;
const idOf = (messageId: unknown): string => ID.exec(String(messageId))?.[1] ?? "";

async function submit({ port }: GatewayProcess, task: string, to = ["r@example.net"]): Promise<string> {
  const client = await connectSmtp(port);
  const answer = await client.submit({ to, content: taskMail(task) });
  await client.quit();
  return answer;
}

/** The first line about it. */
function relayed(gateway: GatewayProcess): LogLine {
  const [line] = gateway.said("transmission.relayed");
  if (line === undefined) throw new Error("nothing was relayed");
  return line;
}

/** Of a gateway that does not run. */
async function read<T>({ data }: Place, look: (history: HistoryReader) => Promise<T>): Promise<T> {
  const { history, clock } = await keepHistory(createDiskStorage(data));
  clock.set(Date.now());
  try {
    return await look(history);
  } finally {
    await history.close();
  }
}

const CLIENT = { client: "127.0.0.1" };

test("accepted, refused, relayed, and dropped as a repeat twice", async ({ place }) => {
  const refuse = (_: string, time: number) => (time === 1 ? "450 4.2.0 greylisted" : undefined);
  const upstream = await place.smtp({ refuse });
  const settings: Settings = { ...smtpAt(upstream.port), SPOOL_RETRY_MIN: "100ms", LOG_ADDRESSES: "true" };
  const gateway = await place.start(settings);
  await submit(gateway, "task-1");
  await gateway.logged("transmission.relayed");
  for (let copy = 0; copy < 2; copy++) expect(await submit(gateway, "task-1")).toMatch(/repeat of/);
  const { messageId, submission, upstreamId, upstream: name } = relayed(gateway);
  expect(await gateway.stop()).toBe(0);

  const id = idOf(messageId);
  const { events, ofTask, ofUpstream } = await read(place, async (history) => ({
    events: await allOf(history, id),
    ofTask: await history.ofTask("task-1", "r@example.net", { limit: 10 }),
    ofUpstream: await history.ofUpstreamId(String(upstreamId), { limit: 10 }),
  }));
  const repeats = events.filter(({ kind }) => kind === "repeats");
  expect(repeats.reduce((sum, one) => sum + (one.kind === "repeats" ? one.count : 0), 0)).toBe(2);
  expect(events.filter(({ kind }) => kind !== "repeats")).toMatchObject([
    { kind: "attempt", upstream: name, outcome: "accepted", upstreamId },
    { kind: "attempt", upstream: name, outcome: "later", reply: "450 4.2.0 greylisted" },
    { kind: "accepted", ...CLIENT, submission, task: "task-1", recipient: "r@example.net" },
  ]);
  expect(ofTask.items).toMatchObject([{ id, recipient: "r@example.net" }]);
  expect(ofUpstream.items).toMatchObject([{ id }]);
});

test("a kill takes the last second at most", async ({ place }) => {
  const gateway = await place.start();
  const folder = join(place.data, "history/events");
  const octets = (): number =>
    readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  await submit(gateway, "first");
  await gateway.logged("transmission.relayed");
  const { messageId } = relayed(gateway);
  const before = octets();
  // What was noted before the next batch is in it. Each mail takes its time.
  const begun = performance.now();
  for (let mail = 0; octets() === before; mail++) {
    expect(performance.now() - begun).toBeLessThan(30_000);
    await submit(gateway, `other-${mail}`);
  }
  await gateway.kill();
  const events = await read(place, (history) => allOf(history, idOf(messageId)));
  expect(events).toMatchObject([{ kind: "attempt", outcome: "accepted" }, { kind: "accepted" }]);
  // Without [log] addresses.
  expect(events[1]).not.toHaveProperty("recipient");
  await (await place.start()).stop();
  expect(await read(place, (history) => allOf(history, idOf(messageId)))).toHaveLength(2);
});

test("off: no file is there", async ({ place }) => {
  const gateway = await place.start({ HISTORY_RETENTION: "0" });
  await submit(gateway, "task-1");
  await gateway.logged("transmission.relayed");
  expect(await gateway.stop()).toBe(0);
  expect(existsSync(join(place.data, "history"))).toBe(false);
});

test("turned off later: what was there is gone", async ({ place }) => {
  const gateway = await place.start();
  await submit(gateway, "task-1");
  await gateway.stop();
  expect(existsSync(join(place.data, "history/events/CURRENT"))).toBe(true);
  await (await place.start({ HISTORY_RETENTION: "0" })).stop();
  expect(existsSync(join(place.data, "history/events"))).toBe(false);
});

test("damaged or gone: data check has nothing to say, and a start makes it anew with one warning", async ({
  place,
}) => {
  const first = await place.start();
  await submit(first, "task-1");
  await first.logged("transmission.relayed");
  await first.stop();
  for (const damage of ["history/events/CURRENT", "history"]) {
    rmSync(join(place.data, damage), { recursive: true });
    const checked = await run(["data", "check"], { DATA_DIR: place.data });
    expect({ code: checked.code, stdout: checked.stdout }).toEqual({ code: 0, stdout: "nothing is wrong\n" });
    const gateway = await place.start();
    expect(gateway.lines.filter(({ event }) => event.startsWith("history."))).toMatchObject([
      { event: "history.made_anew", level: "warn" },
    ]);
    expect(await submit(gateway, "task-1")).toMatch(/repeat of/);
    expect(await gateway.stop()).toBe(0);
  }
});

test("an operator's decision, while the gateway runs and while it does not", async ({ place }) => {
  const upstream = await place.smtp({ script: "drop-before-reply" });
  const settings: Settings = { ...smtpAt(upstream.port), LEDGER_DOUBTFUL: "hold", DATA_DIR: place.data };
  const gateway = await place.start(settings);
  await submit(gateway, "task-1", ["a@example.net", "b@example.net"]);
  await gateway.logged("transmission.doubtful", 2);
  const ids = gateway.said("transmission.doubtful").map(({ messageId }) => idOf(messageId));
  const resolve = (id = "") =>
    run(["doubtful", "resolve", id, "--relayed", "--reason", "SES says so"], settings);
  expect((await resolve(ids[0])).code).toBe(0);
  expect(await gateway.stop()).toBe(0);
  expect((await resolve(ids[1])).code).toBe(0);
  for (const id of ids) {
    expect(await read(place, (history) => allOf(history, id))).toMatchObject([
      { kind: "decision", decision: "relayed", reason: "SES says so", next: "relayed" },
      { kind: "attempt", outcome: "doubtful" },
      { kind: "accepted" },
    ]);
  }
});
