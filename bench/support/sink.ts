// smtp-sink of Postfix, the server to which every relay hands its mail: it counts and throws away.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { endProcess, freePort, greets } from "../../test/support/peers.ts";
import { atExit } from "./at-exit.ts";

export interface Sink {
  readonly port: number;
  /** Mails taken so far. */
  count(): number;
  /** When it had taken so many (performance.now); rejects when that takes longer than a minute without any. */
  reached(count: number): Promise<number>;
  stop(): Promise<void>;
}

const LOOK_MS = 5;
const STALLED_MS = 60_000;
/** "sess=1000000 quit=1000000 mesg=1000000", twice. */
const LAST_OCTETS = 128;

export async function startSink(folder: string): Promise<Sink> {
  const port = await freePort();
  // It counts into a file, at whose end we look: a pipe would wake us for each mail.
  const counter = openSync(join(folder, `sink-${port}`), "a+");
  const sink = spawn("smtp-sink", ["-c", "-u", "nobody", `127.0.0.1:${port}`, "4096"], {
    stdio: ["ignore", counter, "inherit"],
  });
  await once(sink, "spawn");
  const ended = atExit(() => sink.kill());
  await greets(port);
  const last = Buffer.alloc(LAST_OCTETS);

  const count = (): number => {
    const { size } = fstatSync(counter);
    const read = readSync(counter, last, 0, LAST_OCTETS, Math.max(0, size - LAST_OCTETS));
    return Number(/.*mesg=(\d+)/s.exec(last.toString("latin1", 0, read))?.[1] ?? 0);
  };
  return {
    port,
    count,
    reached: (wanted) => awaitCount(count, wanted),
    async stop() {
      await endProcess(sink);
      ended();
      closeSync(counter);
    },
  };
}

/** Looks at the count until it is reached, as `Sink.reached`: smtp-sink tells nobody, so that is the only event. */
export async function awaitCount(count: () => number, wanted: number): Promise<number> {
  let [before, since] = [-1, performance.now()];
  for (;;) {
    const now = count();
    if (now >= wanted) return performance.now();
    if (now !== before) [before, since] = [now, performance.now()];
    else if (performance.now() - since > STALLED_MS) throw new Error(`${now} of ${wanted} mails relayed`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
