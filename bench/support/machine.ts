// The machine that a benchmark ran on, as far as it bears on the figures.
import { execFileSync } from "node:child_process";
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { median } from "./statistics.ts";

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  /** GiB. */
  readonly memory: number;
  readonly kernel: string;
  /** Where the relays' queues and the gateway's data lie. */
  readonly filesystem: string;
  /** Milliseconds until 4 KiB that were appended to a file are on the disk; the median of 100. */
  readonly sync: number;
  readonly node: string;
}

const SYNCS = 100;

/** Throws when the folder for temporary files is in memory: then nothing there would be durable. */
export function describeMachine(): Machine {
  const [, filesystem = ""] = execFileSync("df", ["--output=fstype", tmpdir()], { encoding: "utf8" }).split(
    "\n",
  );
  if (filesystem === "tmpfs") throw new Error(`${tmpdir()} is in memory: set TMPDIR to a folder on a disk`);
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    memory: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    filesystem,
    sync: syncTime(),
    node: process.version,
  };
}

function syncTime(): number {
  const path = join(tmpdir(), `mailonce-sync-${process.pid}`);
  const file = openSync(path, "w");
  const block = Buffer.alloc(4_096, "x");
  try {
    const times = Array.from({ length: SYNCS }, () => {
      writeSync(file, block);
      const began = performance.now();
      fdatasyncSync(file);
      return performance.now() - began;
    });
    return Number(median(times).toFixed(2));
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
