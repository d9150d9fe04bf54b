// A log that can't be written: its disk is full, its reader has gone, its reader has stopped. Mail goes on, nothing
// waits for the log, and afterwards it says how many lines are missing. The doubts among them are all there.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type Place, smtpAt, test } from "../support/place.ts";
import { environmentOf, type LogLine, MAIN } from "../support/process.ts";
import type { ScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";
import { smallDisk } from "../support/storage.ts";

let child: ChildProcess;
let port: number;
let stderr: string;
let upstream: ScriptedSmtp;
let place: Place;

test.beforeEach(async ({ place: own }) => {
  place = own;
  upstream = await place.smtp();
  place.atEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
});

/** A gateway that logs into the descriptor, which is closed here; `listening` finds its port in what it logs. */
async function start(stdout: number | "pipe", listening: () => Promise<LogLine>): Promise<void> {
  child = spawn(process.execPath, [MAIN, "serve"], {
    stdio: ["ignore", stdout, "pipe"],
    env: environmentOf({
      ...{ SMTP_PORT: 0, HTTP_PORT: 0, LOG_FORMAT: "json", HOSTNAME: "gateway.example" },
      SPOOL_RETRY_MIN: "50ms",
      DATA_DIR: place.data,
      ...smtpAt(upstream.port),
    }),
  });
  if (stdout !== "pipe") closeSync(stdout);
  stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  port = (await listening()).port as number;
}

const linesOf = (text: string): LogLine[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogLine);

/** Resolves once the condition holds, which is looked at each time that the event loop has nothing else to do. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Mails of so many recipients each, all relayed. @returns the number of lines that are logged for them */
async function relay(mails: number, recipients: number): Promise<number> {
  const client = await connectSmtp(port);
  const before = upstream.taken.length;
  for (let mail = 0; mail < mails; mail++) {
    const to = Array.from({ length: recipients }, (_, index) => `user${index}@example.com`);
    expect(await client.submit({ to, content: taskMail(randomUUID()) })).toMatch(/^250 /);
  }
  await client.quit();
  await until(() => upstream.taken.length === before + mails * recipients);
  return mails + mails * recipients;
}

/** One mail of which the upstream says nothing, and then takes it: a line of the doubt among those of its relaying. */
async function doubt(): Promise<number> {
  let first = -1;
  upstream.play((number) => {
    if (first === -1) first = number;
    return number === first ? "drop-before-reply" : "accept";
  });
  const before = upstream.taken.length;
  const client = await connectSmtp(port);
  expect(await client.submit({ to: ["doubt@example.com"], content: taskMail(randomUUID()) })).toMatch(
    /^250 /,
  );
  await client.quit();
  // Taken twice: in an attempt without an answer, and again.
  await until(() => upstream.taken.length === before + 2);
  return 3;
}

/** The line of the start, and that of the first generation. */
const FIRST_LINES = 2;

/** Lines that are there and lines that are said to be missing. */
const account = (lines: readonly LogLine[]): number =>
  lines.reduce((sum, { event, missed }) => sum + (event === "log.resumed" ? (missed as number) : 1), 0);

test("its disk is full: mail goes on, and with space the log goes on too, whole lines only", async ({
  skip,
}) => {
  const disk = await smallDisk(256 * 1024);
  if (disk === undefined && process.env.CI === undefined) return skip("mounting a small disk is not allowed");
  const path = join(disk as string, "log");
  await start(openSync(path, "a"), async () => {
    await until(() => readFileSync(path, "utf8").endsWith("\n"));
    return linesOf(readFileSync(path, "utf8"))[0] as LogLine;
  });
  const ballast = openSync(join(disk as string, "ballast"), "w");
  try {
    for (;;) writeSync(ballast, new Uint8Array(4096));
  } catch (error) {
    expect(error).toMatchObject({ code: "ENOSPC" });
  }
  closeSync(ballast);
  let expected = FIRST_LINES + (await relay(10, 30));
  expected += await doubt();
  expect(stderr).toBe(
    "mailonce: the log can't be written: no space left; mail goes on, and lines are missed\n",
  );

  const before = readFileSync(path, "utf8");
  rmSync(join(disk as string, "ballast"));
  expected += await relay(1, 1);
  const logged = (): string => readFileSync(path, "utf8");
  await until(() => logged().endsWith("\n") && account(linesOf(logged())) === expected);
  const lines = linesOf(logged());
  const [resumed] = lines.filter(({ event }) => event === "log.resumed");
  expect(resumed).toMatchObject({ level: "warn", missed: expect.any(Number), late: 1, cause: "ENOSPC" });
  // The first line afterwards, but for the end of one that had been written in part.
  const whole = before.split("\n").length - 1 + (before.endsWith("\n") ? 0 : 1);
  expect(lines.indexOf(resumed as LogLine)).toBe(whole);
  expect(lines.filter(({ event }) => event === "transmission.doubtful")).toHaveLength(1);
  expect(child.exitCode).toBeNull();
});

test("its reader has gone: mail goes on, said once on standard error", async () => {
  await start("pipe", async () => {
    const [octets] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
    return linesOf(octets.toString())[0] as LogLine;
  });
  child.stdout?.destroy();
  await relay(10, 10);
  await doubt();
  expect(stderr).toBe(
    "mailonce: the log can't be written: its reader has gone; mail goes on, and lines are missed\n",
  );
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("its reader and that of standard error have gone: mail goes on", async () => {
  await start("pipe", async () => {
    const [octets] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
    return linesOf(octets.toString())[0] as LogLine;
  });
  child.stdout?.destroy();
  child.stderr?.destroy();
  await relay(10, 10);
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("its reader has stopped: mail goes on, what waits is bounded, and nothing but the counted is missing", async () => {
  const path = join(place.folder, "pipe");
  execFileSync("mkfifo", [path]);
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  let read = "";
  const readOn = (): void => {
    const octets = Buffer.alloc(64 * 1024);
    try {
      for (let size = -1; size !== 0; ) {
        size = readSync(reading, octets);
        read += octets.toString("utf8", 0, size);
      }
    } catch (error) {
      expect(error).toMatchObject({ code: "EAGAIN" });
    }
  };
  const ended = (): boolean => {
    readOn();
    return read.endsWith("\n");
  };
  await start(openSync(path, "w"), async () => {
    await until(ended);
    return linesOf(read)[0] as LogLine;
  });
  expect(statSync(path).isFIFO()).toBe(true);
  let expected = FIRST_LINES;
  // 64 KiB in the pipe and 256 KiB that wait hold 1,400 lines at most.
  expected += await relay(20, 100);
  expected += await doubt();
  expected += await relay(1, 1);
  expect(stderr).toBe(
    "mailonce: the log can't be written: its reader has stopped; mail goes on, and lines are missed\n",
  );

  await until(() => ended() && account(linesOf(read)) === expected);
  expect(Buffer.byteLength(read)).toBeLessThan(400 * 1024);
  const lines = linesOf(read);
  const resumed = lines.filter(({ event }) => event === "log.resumed");
  expect(resumed).toMatchObject([{ cause: "EAGAIN" }]);
  expect(resumed[0]?.missed).toBeGreaterThan(500);
  expect(lines.filter(({ event }) => event === "transmission.doubtful")).toHaveLength(1);

  await relay(1, 1);
  await until(() => ended() && linesOf(read).length === lines.length + 2);
  closeSync(reading);
});

test("its reader is behind: not a line is missing", async () => {
  await start("pipe", async () => {
    const [octets] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
    return linesOf(octets.toString())[0] as LogLine;
  });
  const out = child.stdout as NonNullable<typeof child.stdout>;
  let text = "";
  out.on("data", (octets: Buffer) => {
    text += octets.toString();
  });
  let expected = FIRST_LINES - 1;
  for (let round = 0; round < 3; round++) {
    out.pause();
    expected += await relay(6, 100);
    out.resume();
    await until(() => text.endsWith("\n") && account(linesOf(text)) === expected);
  }
  expect(stderr).toBe("");
  child.kill("SIGTERM");
  await once(child, "close");
  expect(linesOf(text).at(-1)?.event).toBe("gateway.stopped");
});
