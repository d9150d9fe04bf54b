// What the gateway leaves on the disk is its own user's alone, even when it was started with no umask at
// all: folders 0700, files and the operator's socket 0600. And a data folder that others can open is refused.
import { randomUUID } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type Place, smtpAt, test } from "../support/place.ts";
import { type GatewayProcess, run, type Settings } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

/** The child takes over the umask that we have when it is made. */
async function startOpen(place: Place, settings: Settings = {}): Promise<GatewayProcess> {
  const before = process.umask(0);
  try {
    return await place.start(settings);
  } finally {
    process.umask(before);
  }
}

/** Large enough that it does not stay in memory. */
const LARGE = `${"x".repeat(76)}\r\n`.repeat(2_000);

function submit({ port }: GatewayProcess, body?: string): Promise<string> {
  const content = taskMail(randomUUID(), body === undefined ? {} : { body });
  return submitMail(port, { to: ["user@example.com"], content });
}

/** Each path below the folder and its mode, and what is wrong with any of them. */
function walk(path: string): { readonly names: string[]; readonly wrong: string[] } {
  const names = ["."];
  for (const name of readdirSync(path, { recursive: true, encoding: "utf8" })) names.push(name);
  const wrong = names.flatMap((name) => {
    const stats = lstatSync(join(path, name), { throwIfNoEntry: false });
    // A body goes when its mail is relayed, which may be now.
    if (stats === undefined) return [];
    const mode = stats.mode & 0o777;
    const expected = stats.isDirectory() ? 0o700 : stats.isFile() || stats.isSocket() ? 0o600 : -1;
    return mode === expected ? [] : [`${name}: ${mode.toString(8)}`];
  });
  return { names, wrong };
}

test("mails that were relayed: stores, filters, Maildir and socket", async ({ place }) => {
  const gateway = await startOpen(place);
  expect(await submit(gateway)).toContain("queued as");
  expect(await submit(gateway, LARGE)).toContain("queued as");
  await gateway.logged("transmission.relayed", 2);
  const running = walk(place.data);
  expect(running.wrong).toEqual([]);
  for (const part of [
    /^operator\.sock$/,
    /^outbox\/new\/./,
    /^spool\/queue\/CURRENT$/,
    /^ledger\/.*CURRENT$/,
  ]) {
    expect(running.names).toContainEqual(expect.stringMatching(part));
  }

  expect(await gateway.stop()).toBe(0);
  const stopped = walk(place.data);
  expect(stopped.wrong).toEqual([]);
  // The filter is written at the stop.
  expect(stopped.names).toContainEqual(expect.stringMatching(/filter/));

  await startOpen(place);
  expect(walk(place.data).wrong).toEqual([]);
});

test("mails that wait: the file of a large body", async ({ place }) => {
  const upstream = await place.smtp({ script: "refuse-rcpt-4" });
  const gateway = await startOpen(place, smtpAt(upstream.port));
  expect(await submit(gateway, LARGE)).toContain("queued as");
  await gateway.logged("transmission.refused");
  const { names, wrong } = walk(place.data);
  expect(names).toContainEqual(expect.stringMatching(/^spool\/bodies\/./));
  expect(wrong).toEqual([]);
});

describe("a data folder that others can open", () => {
  test.for([["serve"], ["doubtful", "list"]])(
    "%s refuses it and leaves it as it was",
    async (command, { place: { data } }) => {
      mkdirSync(data);
      chmodSync(data, 0o755);
      const { code, stderr } = await run(command, { DATA_DIR: data, SMTP_PORT: 0 });
      expect(code).toBe(1);
      expect(stderr).toBe(`mailonce: ${data} is open to other users (mode 0755); chmod 700 ${data}\n`);
      expect(readdirSync(data)).toEqual([]);
    },
  );
});
