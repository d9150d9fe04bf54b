// A disk that is full, or can't be written, while the gateway runs under load: clients are told to come
// again, nothing is sent that could not be noted, and when there is space all goes on by itself.
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { smallDisk } from "../support/storage.ts";
import { type Build, build, type TestedGateway } from "./gateway-process.ts";
import { createPlace, submitNumbered } from "./place.ts";
import { createTally, type Tracked } from "./tally.ts";

let built: Build;
beforeAll(() => {
  built = build();
});
afterAll(() => built.remove());

const DISK_OCTETS = 64 * 2 ** 20;
const CONNECTIONS = 8;
/** Large enough that the spool grows quickly, small enough to stay in its store. */
const BODY = `${"x".repeat(70)}\r\n`.repeat(500);

/** Takes all the space that is left. @returns how to give it back */
function fillDisk(folder: string): () => void {
  const path = join(folder, "ballast");
  const file = openSync(path, "w");
  for (let size = 2 ** 20; size >= 1; size = Math.floor(size / 16)) {
    const octets = new Uint8Array(size);
    try {
      while (writeSync(file, octets) === size);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }
  closeSync(file);
  return () => rmSync(path);
}

interface Load {
  readonly replies: readonly string[];
  /** Resolves when so many more replies of the kind have come. */
  heard(kind: RegExp, count: number): Promise<void>;
  /** Resolves when the last connection is done. */
  end(): Promise<void>;
}

/** Mail after mail over each connection, another one each time, whatever the reply. */
function load(gateway: TestedGateway, replied: (number: number, reply: string) => void): Load {
  const replies: string[] = [];
  const checks = new Set<() => void>();
  let next = 0;
  let isOver = false;
  const connection = async (): Promise<void> => {
    while (!isOver) {
      const number = next++;
      const [reply = ""] = await submitNumbered(gateway, [number], BODY);
      replies.push(reply);
      replied(number, reply);
      for (const check of [...checks]) check();
    }
  };
  const running = Promise.all(Array.from({ length: CONNECTIONS }, connection));
  return {
    replies,
    heard(kind, count) {
      const before = replies.length;
      return new Promise((resolve, reject) => {
        const check = () => {
          if (replies.slice(before).filter((reply) => kind.test(reply)).length < count) return;
          checks.delete(check);
          resolve();
        };
        checks.add(check);
        running.catch(reject);
      });
    },
    async end() {
      isOver = true;
      await running;
    },
  };
}

test("ENOSPC under load: 452, no 250 lost, a pause, and recovery without a restart", async ({ skip }) => {
  const disk = await smallDisk(DISK_OCTETS);
  if (disk === undefined && process.env.CI === undefined) return skip("mounting a small disk is not allowed");
  const place = await createPlace(built, disk);
  // Slower than the clients, so that there is mail on its way when the disk is full.
  place.upstream.play("slow-reply");
  // To the last octet, in place of stopping before.
  const gateway = await place.start({}, { UPSTREAM_CONCURRENCY: 4, SPOOL_FREE_MIN_BYTES: 0 });
  const tally = createTally("hold");
  const mails: Tracked[] = [];
  const running = load(gateway, (number, reply) => {
    const tracked = tally.track(`u${number}@example.com`);
    tally.replied(tracked, reply);
    mails.push(tracked);
  });
  await running.heard(/^250 /, 100);
  const empty = fillDisk(place.folder);
  await running.heard(/^452 4\.3\.1 /, 50);
  await gateway.logged("dispatch.paused");
  const before = place.upstream.taken.length;
  await running.heard(/^452 4\.3\.1 /, 200);
  // The ledger's file may have room when the spool's has none: then a few more are noted and go. Their ends can't be
  // recorded, so they stay under way, of which there are four times the concurrency at most.
  expect(place.upstream.taken.length - before).toBeLessThanOrEqual(4 * 4);

  empty();
  place.upstream.play("accept");
  await running.heard(/^250 /, 100);
  await gateway.logged("dispatch.resumed");
  await running.end();
  expect(await gateway.order({ kind: "tell-when-dry" })).toEqual({ kind: "dry", waiting: 0 });

  const strange = running.replies.filter((reply) => !/^(250 2\.0\.0|452 4\.3\.1|451 4\.3\.0) /.test(reply));
  expect(strange).toEqual([]);
  const answered = mails.filter((mail) => mail.answered).length;
  expect(place.upstream.taken.length).toBe(answered);

  // What was refused meanwhile comes again, as mailers do; and so does the rest.
  const replies = await submitNumbered(
    gateway,
    mails.map((_, number) => number),
    BODY,
  );
  for (const [number, reply] of replies.entries())
    tally.replied(tally.track(`u${number}@example.com`), reply);
  expect(await gateway.order({ kind: "tell-when-dry" })).toEqual({ kind: "dry", waiting: 0 });
  for (const taken of place.upstream.taken) tally.took(taken);
  expect(tally.faults(mails)).toEqual([]);
  expect(place.upstream.taken.length).toBe(mails.length);
  expect(gateway.lines.filter(({ event }) => event === "transmission.doubtful")).toEqual([]);
  gateway.signal("SIGTERM");
  expect(await gateway.exited).toBe(0);
});

test("a disk that is full at the start: one line that says so, exit code 1", async ({ skip }) => {
  const disk = await smallDisk(2 ** 20);
  if (disk === undefined && process.env.CI === undefined) return skip("mounting a small disk is not allowed");
  const place = await createPlace(built, disk);
  fillDisk(place.folder);
  const gateway = await place.start();
  expect(await gateway.exited).toBe(1);
  expect(gateway.stderr()).toMatch(/^mailonce: no space left for \S+\n$/);
});

/** Root may write what its mode forbids; the attribute holds for root too. */
function forbidWriting(folder: string): boolean {
  try {
    execFileSync("chattr", ["+i", folder], { stdio: "ignore" });
  } catch {
    return false;
  }
  onTestFinished(() => allowWriting(folder));
  return true;
}
const allowWriting = (folder: string) => void execFileSync("chattr", ["-i", folder], { stdio: "ignore" });

test("a folder that can't be written for a while: 451 for large mail, and then it works again", async ({
  skip,
}) => {
  const place = await createPlace(built);
  const gateway = await place.start();
  const large = BODY.repeat(4);
  expect((await submitNumbered(gateway, [1], large))[0]).toMatch(/^250 /);
  const bodies = join(place.dataFolder, "spool/bodies");
  if (!forbidWriting(bodies)) return skip("files can't be made immutable here");
  expect(await submitNumbered(gateway, [2, 3], large)).toEqual([
    expect.stringMatching(/^451 4\.3\.0 /),
    expect.stringMatching(/^451 4\.3\.0 /),
  ]);
  allowWriting(bodies);
  expect((await submitNumbered(gateway, [2], large))[0]).toContain("queued as");
  await gateway.logged("transmission.relayed", 2);
  expect(place.upstream.repeated()).toEqual([]);
});

test("a data folder that can't be written: one line that names it, exit code 1", async ({ skip }) => {
  const place = await createPlace(built);
  mkdirSync(place.dataFolder, { mode: 0o700 });
  if (!forbidWriting(place.dataFolder)) return skip("files can't be made immutable here");
  const gateway = await place.start();
  expect(await gateway.exited).toBe(1);
  expect(gateway.stderr()).toMatch(/^mailonce: can't use \S+data: .*not permitted.*\n$/);
});
