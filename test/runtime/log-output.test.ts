// What the log keeps while it can't be written: every line that must not be lost, up to a bound, in order.
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createLogOutput, KEPT_OCTETS, type Missed } from "../../src/runtime/log-output.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { temporaryFolder } from "../support/storage.ts";

/** A log into a pipe that nobody reads until `read` is called. */
async function createPipe() {
  const path = join(await temporaryFolder(), "pipe");
  execFileSync("mkfifo", [path]);
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  onTestFinished(() => {
    for (const one of [reading, fd]) closeSync(one);
  });
  const clock = createManualClock();
  const complaints: string[] = [];
  const said: Missed[] = [];
  const output = createLogOutput({
    fd,
    clock,
    resumed(missed) {
      said.push(missed);
      return `resumed after ${missed.missed}\n`;
    },
    complain: (cause) => complaints.push(cause),
  });
  const octets = Buffer.alloc(64 * 1024);
  return {
    output,
    complaints,
    /** All that comes, the log's own timer with it. */
    read(): string[] {
      let text = "";
      for (;;) {
        let size = 0;
        try {
          size = readSync(reading, octets);
        } catch (error) {
          expect(error).toMatchObject({ code: "EAGAIN" });
        }
        text += octets.toString("latin1", 0, size);
        if (size > 0) continue;
        const next = clock.untilNext();
        if (next === undefined) break;
        clock.advance(next);
      }
      expect(text.endsWith("\n")).toBe(true);
      return text.split("\n").slice(0, -1);
    },
  };
}

const FILLER = "x".repeat(300);

test("thousands of doubts come late, all of them and in order; other lines are counted", async () => {
  const { output, read, complaints } = await createPipe();
  const kept: string[] = [];
  let others = 0;
  for (let number = 0; number < 10_000; number++) {
    output.write(`other ${number} ${FILLER}\n`, false);
    others++;
    kept.push(`doubt ${number} ${FILLER}`);
    output.write(`${kept.at(-1)}\n`, true);
  }
  const lines = read();
  expect(lines.filter((line) => line.startsWith("doubt"))).toEqual(kept);
  const resumed = lines.filter((line) => line.startsWith("resumed"));
  expect(resumed).toHaveLength(1);
  const missed = Number(resumed[0]?.split(" ").at(-1));
  expect(lines.filter((line) => line.startsWith("other")).length + missed).toBe(others);
  expect(missed).toBeGreaterThan(9_000);
  expect(complaints).toEqual(["EAGAIN"]);

  output.write("all is well\n", false);
  expect(read()).toEqual(["all is well"]);
});

test("what is kept is bounded, and what is beyond is counted", async () => {
  const { output, read } = await createPipe();
  const line = `doubt ${FILLER}\n`;
  const total = Math.ceil((2 * KEPT_OCTETS) / line.length);
  for (let number = 0; number < total; number++) output.write(line, true);
  const lines = read();
  const resumed = lines.filter((one) => one.startsWith("resumed"));
  const doubts = lines.length - resumed.length;
  expect(doubts * line.length).toBeLessThan(KEPT_OCTETS + 128 * 1024);
  expect(doubts * line.length).toBeGreaterThan(KEPT_OCTETS - 128 * 1024);
  expect(doubts + Number(resumed[0]?.split(" ").at(-1))).toBe(total);
});
