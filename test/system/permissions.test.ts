// What the gateway leaves on the disk is its own user's alone, even when it was started with no umask at
// all: folders 0700, files and the operator's socket 0600. And a data folder that others can open is refused.
import { randomUUID } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type GatewayProcess, makeFolder, run, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

let folder: ReturnType<typeof makeFolder>;
let gateway: GatewayProcess | undefined;
let upstream: ScriptedSmtp | undefined;

beforeEach(() => {
  folder = makeFolder();
});
afterEach(async () => {
  await gateway?.kill();
  await upstream?.close();
  gateway = undefined;
  upstream = undefined;
  folder.remove();
});

const dataFolder = (): string => join(folder.path, "data");

/** The child takes over the umask that we have when it is made. */
async function startOpen(settings: Settings = {}): Promise<GatewayProcess> {
  const before = process.umask(0);
  try {
    gateway = await startProcess({ DATA_DIR: dataFolder(), ...settings });
  } finally {
    process.umask(before);
  }
  return gateway;
}

/** Large enough that it does not stay in memory. */
const LARGE = `${"x".repeat(76)}\r\n`.repeat(2_000);

async function submit(body?: string): Promise<string> {
  const client = await connectSmtp(gateway?.port as number);
  const content = taskMail(randomUUID(), body === undefined ? {} : { body });
  const reply = await client.submit({ to: ["user@example.com"], content });
  await client.quit();
  return reply;
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

test("mails that were relayed: stores, filters, Maildir and socket", async () => {
  await startOpen();
  expect(await submit()).toContain("queued as");
  expect(await submit(LARGE)).toContain("queued as");
  await gateway?.logged("transmission.relayed", 2);
  const running = walk(dataFolder());
  expect(running.wrong).toEqual([]);
  for (const part of [
    /^operator\.sock$/,
    /^outbox\/new\/./,
    /^spool\/queue\/CURRENT$/,
    /^ledger\/.*CURRENT$/,
  ]) {
    expect(running.names).toContainEqual(expect.stringMatching(part));
  }

  expect(await gateway?.stop()).toBe(0);
  const stopped = walk(dataFolder());
  expect(stopped.wrong).toEqual([]);
  // The filter is written at the stop.
  expect(stopped.names).toContainEqual(expect.stringMatching(/filter/));

  await startOpen();
  expect(walk(dataFolder()).wrong).toEqual([]);
});

test("mails that wait: the file of a large body", async () => {
  upstream = await createScriptedSmtp({ script: "refuse-rcpt-4" });
  await startOpen({
    UPSTREAM_KIND: "smtp",
    UPSTREAM_SMTP_HOST: "127.0.0.1",
    UPSTREAM_SMTP_PORT: upstream.port,
    UPSTREAM_SMTP_TLS: "none",
  });
  expect(await submit(LARGE)).toContain("queued as");
  await gateway?.logged("transmission.refused");
  const { names, wrong } = walk(dataFolder());
  expect(names).toContainEqual(expect.stringMatching(/^spool\/bodies\/./));
  expect(wrong).toEqual([]);
});

describe("a data folder that others can open", () => {
  test.each([["serve"], ["doubtful", "list"]])(
    "%s refuses it and leaves it as it was",
    async (...command) => {
      mkdirSync(dataFolder());
      chmodSync(dataFolder(), 0o755);
      const { code, stderr } = await run(command, { DATA_DIR: dataFolder(), SMTP_PORT: 0 });
      expect(code).toBe(1);
      expect(stderr).toBe(
        `mailonce: ${dataFolder()} is open to other users (mode 0755); chmod 700 ${dataFolder()}\n`,
      );
      expect(readdirSync(dataFolder())).toEqual([]);
    },
  );
});
