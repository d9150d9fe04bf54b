#!/usr/bin/env node
// The process: argv, exit codes, and the last words when something that can't happen happens.
import { readFileSync } from "node:fs";
import nodeModule from "node:module";
import { fileURLToPath } from "node:url";
import { exitCodes } from "./cli/exit.ts";
import { faultOf, watchFaults } from "./cli/print.ts";
import { runProgram } from "./cli/program.ts";

/**
 * What V8 has compiled is kept for the next start, by Node 22.8 and newer. It is beside the program, not in
 * Node's default folder, which all users share: a user who writes there decides what runs. If it can't be
 * written, nothing is kept.
 */
const COMPILED = fileURLToPath(new URL("../node_modules/.cache/mailonce", import.meta.url));

/** Not in the types of Node 20. */
interface CompileCache {
  enableCompileCache?(folder: string): unknown;
}

interface Manifest {
  readonly version: string;
}

function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as Manifest).version;
}

/**
 * New files are only for our own user: LevelDB sets no mode for its files, and a socket exists before its
 * mode can be set.
 */
const UMASK = 0o077;

async function main(): Promise<number> {
  process.umask(UMASK);
  (nodeModule as CompileCache).enableCompileCache?.(COMPILED);
  return await runProgram(version());
}

/** Resolves when all that was written has left the process, or can't, and what went wrong with it has been told. */
const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    // A write calls back before its error is emitted.
    const told = (): void => void setImmediate(resolve);
    if (stream.writableLength === 0 || stream.destroyed) told();
    else stream.write("", told);
  });

/**
 * The output is whole, or the exit code shows that it is not: the reader may have gone, or the disk may be
 * full.
 */
async function run(): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) watchFaults(stream);
  const code = await main();
  await flushed(process.stdout);
  const fault = faultOf(process.stdout);
  if (fault !== undefined) process.stderr.write(`mailonce: standard output: ${fault.message}\n`);
  await flushed(process.stderr);
  return fault !== undefined && code === exitCodes.ok ? exitCodes.failed : code;
}

process.exit(await run());
