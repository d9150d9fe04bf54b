// A whole run: the built gateway, an upstream that counts, clients that send lines and messages from a seed,
// and what must hold in the end.
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { createChance } from "../crash/chance.ts";
import { type GatewayProcess, makeFolder, type Settings, startProcess } from "../support/process.ts";
import { type Account, accountFor, createHeard } from "./account.ts";
import { sayLines, type Tally } from "./line-worker.ts";
import { submitMessages } from "./message-worker.ts";
import { createSink, type Sink } from "./sink.ts";

export interface FuzzOptions {
  readonly seed: number;
  /** Command lines in all. */
  readonly lines: number;
  readonly messages: number;
  /** Of the gateway, beyond where it relays to. */
  readonly settings?: Settings;
  /** Told now and then how far it is. */
  readonly progress?: (done: { readonly lines: number; readonly messages: number }) => void;
}

/** Octets of the gateway's process, garbage collected. */
export interface Memory {
  /** The heap of JavaScript and the buffers outside it. */
  readonly live: number;
  /** Resident and the process's own (proc(5), RssAnon): with the former in it, and what malloc keeps. */
  readonly anonymous: number;
  /** Resident pages of files (RssFile): the program and the stores' tables, which the kernel takes back at will. */
  readonly files: number;
}

export interface FuzzReport {
  readonly lines: number;
  readonly messages: number;
  readonly connections: number;
  readonly replies: ReadonlyMap<string, number>;
  readonly account: Account;
  /** Delivery status notifications that arrived: somebody asked for them. */
  readonly notices: number;
  /** Idle, when it has listened; after the first tenth of the load; in the end. */
  readonly memory: { readonly start: Memory; readonly warm: Memory; readonly end: Memory };
  readonly faults: readonly string[];
}

/** More than the gateway has cores, so that it never waits for a client. */
const WORKERS = 24;

/** Seeds of workers, far apart: 2 to the power of 32 times the golden ratio, odd. */
const SEED_STEP = 0x9e3779b1;

/** Mails that may be queued in the gateway. */
const QUEUED_MAX = 1_000;

const PROGRESS_MS = 10_000;

/** Nothing may be left to be relayed after this. */
const DRAIN_MS = 120_000;

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { seed, lines, messages, settings = {} } = options;
  const folder = makeFolder();
  const sink = await createSink();
  const gateway = await start(sink, join(folder.path, "data"), settings);
  const heard = createHeard();
  const tally: Tally = {
    ...{ heard, replies: new Map(), faults: [], connections: 0, lines: 0, messages: 0 },
    pace: () => sink.waitFor(heard.mails - QUEUED_MAX),
  };
  const beat = setInterval(() => options.progress?.(tally), PROGRESS_MS);
  try {
    const load = (name: string, share: number, number: number) =>
      Promise.all(
        Array.from({ length: WORKERS }, async (_, worker) => {
          const chance = createChance(seed + SEED_STEP * (worker + WORKERS * number));
          await sayLines(gateway.port, chance, Math.ceil((lines * share) / WORKERS), tally);
          const of = Math.ceil((messages * share) / WORKERS);
          await submitMessages(gateway.port, chance, of, `${name}${worker}`, tally);
        }),
      );
    const start = await memoryOf(gateway, 1);
    await load("w", 0.1, 0);
    await drain(gateway, sink);
    const warm = await memoryOf(gateway, 2);
    await load("m", 0.9, 1);
    await drain(gateway, sink);
    const end = await memoryOf(gateway, 3);
    const code = await gateway.stop();
    const account = accountFor(tally.heard, sink.arrivals);
    return {
      ...{ lines: tally.lines, messages: tally.messages, connections: tally.connections },
      replies: tally.replies,
      account,
      notices: sink.notices.length,
      memory: { start, warm, end },
      faults: [
        ...tally.faults,
        ...sink.faults,
        ...account.faults,
        ...(new Set(sink.notices).size < sink.notices.length ? ["a notice arrived twice"] : []),
        ...(code === 0 ? [] : [`the gateway ended with ${code}`]),
        ...gateway.lines
          .filter(({ event }) => UNWANTED.has(event))
          .map((line) => `logged: ${JSON.stringify(line)}`),
      ],
    };
  } finally {
    clearInterval(beat);
    await gateway.kill();
    await sink.close();
    folder.remove();
  }
}

/** What no input may lead to. */
const UNWANTED: ReadonlySet<string> = new Set(["submission.failed", "spool.unavailable", "dispatch.failed"]);

async function start(sink: Sink, data: string, settings: Settings): Promise<GatewayProcess> {
  const before = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `${before ?? ""} --import=${pathToFileURL(resolve("test/fuzz/memory-probe.mjs"))}`;
  try {
    return await startProcess({
      DATA_DIR: data,
      UPSTREAM_KIND: "smtp",
      UPSTREAM_SMTP_HOST: "127.0.0.1",
      UPSTREAM_SMTP_PORT: sink.port,
      UPSTREAM_SMTP_TLS: "none",
      ...settings,
    });
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  }
}

/** Resolves when all that was accepted has been relayed. */
async function drain(gateway: GatewayProcess, sink: Sink): Promise<void> {
  let accepted = 0;
  for (const { event, queued } of gateway.lines)
    if (event === "submission.accepted") accepted += Number(queued);
  const late = new Promise<never>((_, reject) => {
    setTimeout(
      () => reject(new Error(`of ${accepted} mails ${sink.arrivals.length} arrived`)),
      DRAIN_MS,
    ).unref();
  });
  await Promise.race([sink.waitFor(accepted), late]);
  // The last ones are settled too, so that nothing is under way.
  await Promise.race([gateway.logged("transmission.relayed", accepted), late]);
}

/** @param time how manieth measurement it is */
async function memoryOf(gateway: GatewayProcess, time: number): Promise<Memory> {
  gateway.signal("SIGUSR2");
  await gateway.logged("probe.memory", time);
  const line = gateway.lines.filter(({ event }) => event === "probe.memory")[time - 1];
  return { live: Number(line?.live), anonymous: Number(line?.anonymous), files: Number(line?.files) };
}
