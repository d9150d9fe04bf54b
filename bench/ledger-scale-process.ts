// One process of bench/ledger-scale.ts: opens the ledger in a folder, does one thing with it, and sends
// what it measured to its parent. A process of its own for each, since memory is measured too.
import { readFileSync } from "node:fs";
import { openEmbeddedLedger } from "../src/ledger/embedded/embedded.ts";
import { type ClaimResult, DIGEST_OCTETS, type Ledger } from "../src/ledger/ledger.ts";
import { encodeBase32 } from "../src/runtime/base32.ts";
import { systemClock } from "../src/runtime/clock.ts";
import { silentLog } from "../src/runtime/log.ts";
import { createDiskStorage } from "../src/storage/disk.ts";
import type { Storage } from "../src/storage/storage.ts";
import { fill } from "./ledger-scale-fill.ts";
import { keyStream } from "./ledger-scale-ids.ts";

/**
 * relay: claim and settle. attempt: with the attempt's mark between. repeat, absent: claims only. fill: put
 * there without claims.
 */
export type Work = "fill" | "relay" | "attempt" | "repeat" | "absent";

export interface Task {
  readonly folder: string;
  readonly work: Work;
  /** Of the ids of the stream: the number of the first one, a multiple of four. */
  readonly first: number;
  /** So many ids at most. */
  readonly count: number;
  /** Or what is done in so many seconds. */
  readonly seconds: number;
  /** Callers, each with one id under way. */
  readonly callers: number;
  /** Waits for the filters, so that claims do not ask the store. */
  readonly warm: boolean;
  /** Ends by SIGKILL in place of closing the ledger. */
  readonly kill: boolean;
}

export interface Report {
  readonly openMs: number;
  /** Until the filters could deny an absent id; undefined when nobody waited for it. */
  readonly warmMs: number | undefined;
  readonly ids: number;
  readonly seconds: number;
  /** In each second. */
  readonly rates: readonly number[];
  /** Milliseconds of the calls of each id together: half, 99 and 99.9 of a hundred, the longest. */
  readonly latency: readonly [p50: number, p99: number, p999: number, max: number];
  /** Microseconds of processor time of all threads an id. */
  readonly cpuUs: number;
  /** Octets that the process caused to be written to the disk, closing included. */
  readonly writtenOctets: number;
  /** Ids for which a store was asked. */
  readonly asked: number;
  readonly memory: {
    /** As the process was before the ledger was opened. */
    readonly before: number;
    /** Resident and nobody else's; pages of files that the kernel may drop are not in it. */
    readonly own: number;
    /** Resident at most, such pages included. */
    readonly peak: number;
    /** Of arrays outside the heap: the filters, above all. */
    readonly arrays: number;
  };
  readonly closeMs: number;
}

/** Claims after which a caller lets the event loop go on. */
const YIELD_EVERY = 16;

/** Long enough that nothing expires. */
const RETENTION_MS = 30 * 86_400_000;
const DATE = "Mon, 1 Jan 2024 00:00:00 +0000";

function status(name: string): number {
  return (
    Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024
  );
}

function writtenSoFar(): number {
  return Number(/write_bytes: (\d+)/.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
}

/** The real disk, which counts the questions to the generations' stores. */
function countingStorage(storage: Storage): { storage: Storage; asked: () => number } {
  let asked = 0;
  return {
    asked: () => asked,
    storage: {
      ...storage,
      async openStore(name) {
        const store = await storage.openStore(name);
        return {
          ...store,
          get(key) {
            asked++;
            return store.get(key);
          },
        };
      },
    },
  };
}

const expected: Record<Work, ClaimResult["kind"]> = {
  fill: "claimed",
  relay: "claimed",
  attempt: "claimed",
  repeat: "repeat",
  absent: "claimed",
};

/** @param key of the id; the digest, as little compressible as a real one, is another stream's */
async function one(ledger: Ledger, work: Work, key: Uint8Array, digest: Uint8Array): Promise<void> {
  const [result] = await ledger.claim([{ id: encodeBase32(key), digest }]);
  if (result?.kind !== expected[work]) throw new Error(`the claim of an id was answered ${result?.kind}`);
  if (result.kind !== "claimed") return;
  const { claim } = result;
  if (work === "absent") return await ledger.release([claim]);
  ledger.accepted([claim]);
  if (work === "attempt") await ledger.attempt(claim, DATE);
  if ((await ledger.settle(claim, "relayed")) !== "settled") throw new Error("a settlement was stale");
}

/** Latencies as counts of classes 2 % wide, from a microsecond on: exact enough, whatever their number. */
function createLatencies() {
  const width = Math.log(1.02);
  const classes = new Uint32Array(1200);
  let max = 0;
  return {
    add(ms: number) {
      max = Math.max(max, ms);
      const index = Math.ceil(Math.log(Math.max(ms * 1000, 1)) / width);
      classes[index] = (classes[index] ?? 0) + 1;
    },
    below(share: number): number {
      const total = classes.reduce((sum, count) => sum + count, 0);
      let left = total * share;
      const index = classes.findIndex((count) => {
        left -= count;
        return left <= 0;
      });
      return Math.exp(index * width) / 1000;
    },
    max: () => max,
  };
}

async function perform(task: Task): Promise<Report> {
  const before = process.memoryUsage();
  const { storage, asked } = countingStorage(createDiskStorage(task.folder));
  const options = { storage, clock: systemClock, log: silentLog, retentionMs: RETENTION_MS };
  const opening = performance.now();
  const ledger = await openEmbeddedLedger(options);
  const openMs = performance.now() - opening;
  const warmMs = task.warm ? await warm(ledger, asked, opening) : undefined;

  const written = writtenSoFar();
  const askedBefore = asked();
  const cpu = process.cpuUsage();
  const latencies = createLatencies();
  const rates: number[] = [];
  let done = 0;
  let doneBefore = 0;
  const next = keyStream(task.work === "absent" ? "absent" : "present", task.first);
  const nextDigest = keyStream("digest", task.first);
  let left = task.count;
  const began = performance.now();
  const until = began + task.seconds * 1000;
  const timer = setInterval(() => {
    rates.push(done - doneBefore);
    doneBefore = done;
  }, 1000);
  const caller = async (): Promise<void> => {
    for (let since = performance.now(); left > 0 && since < until; ) {
      left--;
      await one(ledger, task.work, next(), nextDigest().subarray(0, DIGEST_OCTETS));
      const now = performance.now();
      latencies.add(now - since);
      since = now;
      // What is answered from memory would otherwise keep what comes from the disk waiting.
      if (++done % YIELD_EVERY === 0) await new Promise(setImmediate);
    }
  };
  await Promise.all(Array.from({ length: task.callers }, caller));
  const seconds = (performance.now() - began) / 1000;
  clearInterval(timer);
  const used = process.cpuUsage(cpu);
  const asking = asked() - askedBefore;
  // What was read from the disk and is not used any more is no filter.
  globalThis.gc?.();
  const after = process.memoryUsage();
  const memory = {
    before: before.rss,
    own: status("RssAnon"),
    peak: status("VmHWM"),
    arrays: after.arrayBuffers - before.arrayBuffers,
  };
  const closing = performance.now();
  if (!task.kill) await ledger.close();
  return {
    openMs,
    warmMs,
    ids: done,
    seconds,
    rates,
    latency: [latencies.below(0.5), latencies.below(0.99), latencies.below(0.999), latencies.max()],
    cpuUs: (used.user + used.system) / Math.max(done, 1),
    writtenOctets: writtenSoFar() - written,
    asked: asking,
    memory,
    closeMs: performance.now() - closing,
  };
}

/** Asks for absent ids until their claims reach no store: milliseconds since the opening began. */
async function warm(ledger: Ledger, asked: () => number, opening: number): Promise<number> {
  const next = keyStream("warm", 0);
  for (;;) {
    const before = asked();
    for (let i = 0; i < 100; i++) await one(ledger, "absent", next(), new Uint8Array(DIGEST_OCTETS));
    // Without filters it is asked for every one; with them for one in a hundred at most.
    if (asked() - before < 20) return performance.now() - opening;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

process.once("message", async (task: Task) => {
  if (task.work === "fill") await fill({ ...task, retentionMs: RETENTION_MS }, silentLog);
  const report = task.work === "fill" ? undefined : await perform(task);
  process.send?.({ report }, () => {
    if (task.kill) process.kill(process.pid, "SIGKILL");
    process.disconnect();
  });
});
