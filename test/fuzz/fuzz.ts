// A whole run: the built gateway, an upstream that counts, clients that send lines and messages from a seed,
// and what must hold in the end.
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { createChance } from "../crash/chance.ts";
import {
  type GatewayProcess,
  type LogLine,
  makeFolder,
  PRESENT,
  type Settings,
  startProcess,
} from "../support/process.ts";
import type { Key } from "../support/sigv4.ts";
import { type Account, accountFor, createHeard } from "./account.ts";
import { type Api, makeCalls } from "./api/worker.ts";
import { sayLines, type Tally } from "./line-worker.ts";
import { submitMessages } from "./message-worker.ts";
import { createSink, type Sink } from "./sink.ts";

export interface FuzzOptions {
  readonly seed: number;
  /** Command lines in all. */
  readonly lines: number;
  readonly messages: number;
  /** To the API of SES. */
  readonly requests?: number;
  /** Of the gateway, beyond where it relays to. */
  readonly settings?: Settings;
  /** Told now and then how far it is. */
  readonly progress?: (done: Done) => void;
}

/** How much of each was said. */
export interface Done {
  readonly lines: number;
  readonly messages: number;
  readonly requests: number;
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

export interface FuzzReport extends Done {
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

/** Callers of the API. Most of the time each waits for the disk. */
const CALLERS = 128;

/** Seeds of workers, far apart: 2 to the power of 32 times the golden ratio, odd. */
const SEED_STEP = 0x9e3779b1;

/** Mails that may be queued in the gateway. */
const QUEUED_MAX = 1_000;

const PROGRESS_MS = 10_000;

/** Nothing may be left to be relayed after this. */
const DRAIN_MS = 120_000;

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { seed, lines, messages, requests = 0, settings = {} } = options;
  const folder = makeFolder();
  const sink = await createSink();
  const gateway = await start(sink, folder.path, settings);
  const heard = createHeard();
  const tally: Tally = {
    ...{ heard, replies: new Map(), faults: [], connections: 0, lines: 0, messages: 0, requests: 0 },
    pace: () => sink.waitFor(heard.mails - QUEUED_MAX),
  };
  const beat = setInterval(() => options.progress?.(tally), PROGRESS_MS);
  try {
    const load = async (name: string, share: number, number: number): Promise<void> => {
      await Promise.all(
        Array.from({ length: WORKERS }, async (_, worker) => {
          const chance = createChance(seed + SEED_STEP * (worker + WORKERS * number));
          await sayLines(gateway.port, chance, Math.ceil((lines * share) / WORKERS), tally);
          const of = Math.ceil((messages * share) / WORKERS);
          await submitMessages(gateway.port, chance, of, `${name}${worker}`, tally);
        }),
      );
      await Promise.all(
        Array.from({ length: CALLERS }, async (_, caller) => {
          const chance = createChance(seed + SEED_STEP * (2 * WORKERS + caller + CALLERS * number));
          await makeCalls(gateway.api, chance, Math.ceil((requests * share) / CALLERS), tally);
        }),
      );
    };
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
      ...{ lines: tally.lines, messages: tally.messages, requests: tally.requests },
      connections: tally.connections,
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

const LISTENERS = '[[listeners]]\nport = 0\n[[listeners]]\nprotocol = "ses-api"\nport = 0\n';

/** The lines that a run looks at; the others are too many. */
const KEPT: ReadonlySet<string> = new Set(["gateway.listening", "probe.memory"]);

/** What no input may lead to. */
const UNWANTED: ReadonlySet<string> = new Set([
  ...["submission.failed", "spool.unavailable", "dispatch.failed", "api.failed"],
  // The upstream takes everything.
  "transmission.refused",
]);

interface FuzzedGateway extends GatewayProcess {
  readonly api: Api;
  /** Mails that it said it has accepted, and what it has brought to an end. */
  readonly mails: { accepted: number; ended: number };
}

/** Callers of the API sign with it. */
const KEY: Key = { id: "MAILONCEFUZZFUZZFUZZ", secret: "fuzzed-with-a-known-secret-0123456789abc" };

async function start(sink: Sink, folder: string, settings: Settings): Promise<FuzzedGateway> {
  const [config, keys] = [join(folder, "mailonce.toml"), join(folder, "keys")];
  writeFileSync(config, LISTENERS);
  writeFileSync(keys, `${KEY.id}:fuzz:${KEY.secret}\n`, { mode: 0o600 });
  const mails = { accepted: 0, ended: 0 };
  const isKept = ({ event, queued, permanence }: LogLine): boolean => {
    if (event === "submission.accepted") mails.accepted += Number(queued);
    if (event === "transmission.relayed") mails.ended++;
    if (event === "transmission.refused" && permanence === "permanent") mails.ended++;
    return KEPT.has(event) || UNWANTED.has(event);
  };
  const before = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `${before ?? ""} --import=${pathToFileURL(resolve("test/fuzz/memory-probe.mjs"))}`;
  try {
    const gateway = await startProcess(
      {
        CONFIG: config,
        DATA_DIR: join(folder, "data"),
        ACCESS_KEYS_FILE: keys,
        UPSTREAM_KIND: "smtp",
        UPSTREAM_SMTP_HOST: "127.0.0.1",
        UPSTREAM_SMTP_PORT: sink.port,
        UPSTREAM_SMTP_TLS: "none",
        ...settings,
      },
      PRESENT,
      isKept,
    );
    const { listeners } = gateway.said("gateway.listening")[0] as LogLine;
    const [smtp, api] = (listeners as string[]).map((address) => Number(address.split(":").at(-1)));
    return { ...gateway, port: smtp as number, api: { port: api as number, key: KEY }, mails };
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  }
}

/** Resolves when all that was accepted has been relayed, and is settled too, so that nothing is under way. */
async function drain({ mails, until }: FuzzedGateway, sink: Sink): Promise<void> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(
      () => reject(new Error(`of ${mails.accepted} mails ${sink.arrivals.length} arrived`)),
      DRAIN_MS,
    ).unref();
  });
  const isDone = (): boolean => mails.ended >= mails.accepted;
  await Promise.race([until(isDone, "an end of all mails"), late]);
}

/** @param time how manieth measurement it is */
async function memoryOf(gateway: GatewayProcess, time: number): Promise<Memory> {
  gateway.signal("SIGUSR2");
  await gateway.logged("probe.memory", time);
  const line = gateway.lines.filter(({ event }) => event === "probe.memory")[time - 1];
  return { live: Number(line?.live), anonymous: Number(line?.anonymous), files: Number(line?.files) };
}
