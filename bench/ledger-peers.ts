// Durable claims a second of the embedded ledger beside what people build by hand: Redis SET NX, PostgreSQL
// and SQLite INSERT … ON CONFLICT DO NOTHING. The same callers, in turns, each beginning empty.
//
//   npm run bench:ledger-peers [-- --seconds 4 --turns 3]
//
// Redis is Debian's redis-server; its client and SQLite come by
//   npm install --no-save better-sqlite3@12.11.1 @redis/client@6.3.1
// What is not installed is left out, and the result says so.
import { join } from "node:path";
import { openEmbeddedLedger } from "../src/ledger/embedded/embedded.ts";
import { DIGEST_OCTETS } from "../src/ledger/ledger.ts";
import { encodeBase32 } from "../src/runtime/base32.ts";
import { systemClock } from "../src/runtime/clock.ts";
import { silentLog } from "../src/runtime/log.ts";
import { createDiskStorage } from "../src/storage/disk.ts";
import { makeFolder } from "../test/support/process.ts";
import {
  type Inserts,
  openPostgres,
  openRedis,
  openRedisClient,
  openSqlite,
  redisVersion,
} from "./ledger-peers-stores.ts";
import { keyStream } from "./ledger-scale-ids.ts";
import { atLeast, publish, type Target } from "./support/result.ts";
import { median, percentile } from "./support/statistics.ts";
import { inTurns, timing } from "./support/turns.ts";

const CALLERS = [64, 1000];
const WARM_UP_MS = 1_000;
/** Claims after which a caller whose store answers at once lets the others go on. */
const YIELD_EVERY = 16;
const DATE = "Mon, 1 Jan 2024 00:00:00 +0000";

interface Store {
  readonly name: string;
  /** Undefined when it is not installed. */
  open(folder: string): Promise<Inserts | undefined>;
}

interface Measured {
  /** Durable claims a second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p99: number;
}

async function openLedger(folder: string, withAttempt: boolean): Promise<Inserts> {
  const storage = createDiskStorage(folder);
  const ledger = await openEmbeddedLedger({
    storage,
    clock: systemClock,
    log: silentLog,
    retentionMs: 86_400_000,
  });
  return {
    async insert(key, digest) {
      const [result] = await ledger.claim([{ id: encodeBase32(key), digest }]);
      if (result?.kind !== "claimed") return false;
      ledger.accepted([result.claim]);
      if (withAttempt) await ledger.attempt(result.claim, DATE);
      await ledger.settle(result.claim, "relayed");
      return true;
    },
    close: () => ledger.close(),
  };
}

const versions: Record<string, string> = {};

const ledger: Store = { name: "mailonce: claim and settle", open: (folder) => openLedger(folder, false) };
const attempting: Store = {
  name: "mailonce: claim, attempt and settle",
  open: (folder) => openLedger(folder, true),
};
const peers: readonly Store[] = [
  {
    name: "Redis: SET NX, by its client for Node",
    open: async (folder) => (redisVersion() === undefined ? undefined : await openRedisClient(folder)),
  },
  {
    name: "Redis: SET NX, without a client",
    async open(folder) {
      const version = redisVersion();
      if (version === undefined) return undefined;
      versions.Redis = version;
      return await openRedis(folder);
    },
  },
  {
    name: "PostgreSQL: INSERT … ON CONFLICT DO NOTHING",
    async open() {
      const opened = await openPostgres();
      versions.PostgreSQL = opened.version;
      return opened;
    },
  },
  {
    name: "SQLite: INSERT … ON CONFLICT DO NOTHING",
    async open(folder) {
      const opened = await openSqlite(folder);
      if (opened !== undefined) versions.SQLite = opened.version;
      return opened;
    },
  },
];

async function load(
  inserts: Inserts,
  callers: number,
  ms: number,
  next: () => Uint8Array,
  nextDigest: () => Uint8Array,
) {
  const latencies: number[] = [];
  const began = performance.now();
  const until = began + ms;
  const caller = async (): Promise<void> => {
    for (let since = performance.now(); since < until; ) {
      if (!(await inserts.insert(next(), nextDigest().subarray(0, DIGEST_OCTETS))))
        throw new Error("a new id was there");
      const now = performance.now();
      if (latencies.push(now - since) % YIELD_EVERY === 0) await new Promise(setImmediate);
      since = performance.now();
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { rate: (latencies.length / (performance.now() - began)) * 1000, latencies };
}

async function measure(store: Store, callers: number, seconds: number): Promise<Measured | undefined> {
  const folder = makeFolder();
  const inserts = await store.open(join(folder.path, "store"));
  if (inserts === undefined) return undefined;
  try {
    const streams = [keyStream("present", 0), keyStream("digest", 0)] as const;
    await load(inserts, callers, WARM_UP_MS, ...streams);
    const { rate, latencies } = await load(inserts, callers, seconds * 1000, ...streams);
    return { rate, p99: percentile(Float64Array.from(latencies).sort(), 99) };
  } finally {
    await inserts.close();
    folder.remove();
  }
}

const { seconds, turns } = timing({ seconds: 4, turns: 3 });
const runs = [ledger, attempting, ...peers].flatMap((store) =>
  CALLERS.map((callers) => ({ store, callers })),
);
const measured = await inTurns(turns, runs, ({ store, callers }) => measure(store, callers, seconds));

function found(store: Store, callers: number): Measured | undefined {
  const run = runs.find((one) => one.store === store && one.callers === callers);
  const all = (run === undefined ? undefined : measured.get(run))?.filter((one) => one !== undefined) ?? [];
  if (all.length === 0) return undefined;
  return { rate: median(all.map(({ rate }) => rate)), p99: median(all.map(({ p99 }) => p99)) };
}

const wholeOf = (value: number): string => Math.round(value).toLocaleString("en");
const cells = (one: Measured | undefined): string[] =>
  one === undefined ? ["not installed", ""] : [wholeOf(one.rate), `${one.p99.toFixed(1)} ms`];
const times = (ratio: number): string => `${ratio.toFixed(2)} times`;

const targets: Target[] = peers.flatMap((peer) =>
  CALLERS.flatMap((callers) => {
    const [ours, theirs] = [found(ledger, callers), found(peer, callers)];
    if (ours === undefined || theirs === undefined) return [];
    return [atLeast(`ledger beside ${peer.name}, ${callers} callers`, 1, ours.rate / theirs.rate, times)];
  }),
);

publish({
  name: "ledger-peers",
  question: "The ledger beside other stores",
  method: `Each caller records one new id at a time, durably, before it goes on;
${seconds} s, ${turns} turns, each beginning empty. mailonce runs in the callers' process, as SQLite does. Its claim and settle are
one durable record, like the insert of the others. With the attempt there are two records, and an id whose holder died is
known to be doubtful. Redis: \`appendfsync always\`, one connection, all ids in its memory; with its own client, and with
octets put together by hand. PostgreSQL: \`synchronous_commit\` on, a prepared statement a claim, 64 connections. SQLite: WAL, \`synchronous = FULL\`, a transaction a claim; its calls block the process.`,
  tables: [
    {
      columns: ["durable claims a second", ...CALLERS.flatMap((callers) => [`${callers} callers`, "p99"])],
      rows: [ledger, attempting, ...peers].map((store) => [
        store.name,
        ...CALLERS.flatMap((callers) => cells(found(store, callers))),
      ]),
    },
  ],
  targets,
  versions,
});
