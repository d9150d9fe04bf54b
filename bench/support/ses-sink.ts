// The SES to which mails are relayed: fake-ses.ts in a process of its own.
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endProcess } from "../../test/support/peers.ts";
import { atExit } from "./at-exit.ts";
import { createCpuGroup } from "./cpu-group.ts";
import { awaitCount, type Sink } from "./sink.ts";

export interface SesSink extends Sink {
  /** For the SDK's `endpoint`. */
  readonly endpoint: string;
  /** Processor time so far, microseconds. */
  cpu(): number;
}

export async function startSesSink(folder: string): Promise<SesSink> {
  const program = fileURLToPath(new URL("fake-ses.js", import.meta.url));
  const path = join(folder, "ses-count");
  const child = fork(program, [path]);
  const ended = atExit(() => child.kill());
  const [{ port }] = (await once(child, "message")) as [AddressInfo];
  const group = createCpuGroup(`ses-${child.pid}`, [child.pid as number]);
  const count = (): number => Number(readFileSync(path, "utf8"));
  return {
    ...{ port, count, endpoint: `http://127.0.0.1:${port}`, cpu: group.used },
    reached: (wanted) => awaitCount(count, wanted),
    async stop() {
      await endProcess(child);
      ended();
      await group.remove();
    },
  };
}
