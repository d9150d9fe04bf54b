// The two libraries alone as relays: with nothing made durable they are the ceiling of the gateway's rate, with one sync a mail the
// measure of its waiting times.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endProcess, freePort, greets } from "../../test/support/peers.ts";
import { atExit } from "./at-exit.ts";
import { createCpuGroup } from "./cpu-group.ts";
import type { LibrariesErrand } from "./libraries-process.ts";
import type { Relay } from "./relay.ts";
import { startSink } from "./sink.ts";

/** As many as the gateway attempts at once. */
const CONNECTIONS = 40;
const PROGRAM = fileURLToPath(new URL("libraries-process.js", import.meta.url));

export interface LibrariesOptions {
  /** A mail is appended to a file, which is synced, before its 250. */
  readonly syncs: boolean;
  /** Files with which it offers STARTTLS, and AUTH to everyone. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** To its sink. Otherwise mail is thrown away after its 250. */
  readonly relays: boolean;
}

/** @param folder for its file, not there yet */
export async function startLibraries(
  folder: string,
  { syncs, relays, tls }: LibrariesOptions,
): Promise<Relay> {
  mkdirSync(folder, { recursive: true });
  const sink = await startSink(folder);
  const port = await freePort();
  const errand: LibrariesErrand = {
    port,
    ...(syncs ? { file: join(folder, "mails") } : {}),
    ...(tls === undefined
      ? {}
      : { tls: { key: readFileSync(tls.key, "utf8"), cert: readFileSync(tls.cert, "utf8") } }),
    ...(relays ? { upstream: { port: sink.port, connections: CONNECTIONS } } : {}),
  };
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(errand)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const ended = atExit(() => child.kill());
  const pid = child.pid as number;
  const cpu = createCpuGroup(`libraries-${pid}`, [pid]);
  await greets(port);
  return {
    ...{ name: "the libraries alone", port, sink, cpu, pid },
    async stop() {
      await endProcess(child);
      ended();
      await cpu.remove();
      await sink.stop();
    },
  };
}
