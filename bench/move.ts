// What moving the ledger costs: ids relayed through an embedded ledger, exported and imported to PostgreSQL by
// the built command, and then every one of them claimed there, which must be a repeat.
//
//   npm run bench:move [-- ids]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { openEmbeddedLedger } from "../src/ledger/embedded/embedded.ts";
import type { ClaimRequest, ClaimResult, Ledger } from "../src/ledger/ledger.ts";
import { openPostgresEngine } from "../src/ledger/postgres/postgres.ts";
import { LEASE_MS, openSharedLedger } from "../src/ledger/shared/shared.ts";
import { formatDate } from "../src/message/trace.ts";
import { encodeBase32 } from "../src/runtime/base32.ts";
import { systemClock } from "../src/runtime/clock.ts";
import { silentLog } from "../src/runtime/log.ts";
import { createDiskStorage } from "../src/storage/disk.ts";
import { pseudoIds } from "../test/support/ids.ts";
import { residentMemory } from "../test/support/large-mail.ts";
import { startPostgres } from "../test/support/postgres.ts";
import { makeFolder, type Settings } from "../test/support/process.ts";

const RETENTION_MS = 30 * 86_400_000;
/** Ids that are claimed together, as a burst of a large task is. */
const BATCH = 2_000;
const MEMORY_LOOK_MS = 50;

const [, , given = "1000000"] = process.argv;
const ids = Number(given);

const number = (value: number): string => Math.round(value).toLocaleString("en");
const mebibytes = (octets: number): string => `${number(octets / 2 ** 20)} MiB`;

async function timed(what: string, work: () => Promise<string>): Promise<void> {
  const began = performance.now();
  const told = await work();
  const seconds = (performance.now() - began) / 1_000;
  console.log(`${what}: ${seconds.toFixed(1)} s, ${number(ids / seconds)} ids a second; ${told}`);
}

function* batches(): Generator<ClaimRequest[]> {
  let batch: ClaimRequest[] = [];
  for (const key of pseudoIds("move", ids)) {
    batch.push({ id: encodeBase32(key), digest: key.slice(0, 16) });
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function relayAll(ledger: Ledger): Promise<void> {
  const date = formatDate(Date.now());
  for (const batch of batches()) {
    const claims = (await ledger.claim(batch)).map((result) => {
      if (result.kind !== "claimed") throw new Error(`${result.kind} instead of claimed`);
      return result.claim;
    });
    ledger.accepted(claims);
    await Promise.all(claims.map((claim) => ledger.attempt(claim, date)));
    await Promise.all(claims.map((claim) => ledger.settle(claim, "relayed")));
  }
}

/** How many claims came to what. */
async function claimAll(ledger: Ledger): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const nameOf = (result: ClaimResult) =>
    result.kind === "repeat" ? `${result.kind}, ${result.standing}` : result.kind;
  for (const batch of batches()) {
    for (const result of await ledger.claim(batch)) {
      counts.set(nameOf(result), (counts.get(nameOf(result)) ?? 0) + 1);
    }
  }
  return counts;
}

/** Runs a command of the built program, and says the most memory that it had. */
async function command(settings: Settings, ...args: string[]): Promise<string> {
  const set = Object.entries(settings).map(([name, value]) => [`MAILONCE_${name}`, String(value)]);
  const child = spawn(process.execPath, [resolve("dist/main.js"), "ledger", ...args], {
    env: { ...process.env, ...Object.fromEntries(set) },
    stdio: ["ignore", "inherit", "inherit"],
  });
  let peak = 0;
  const looking = setInterval(() => {
    if (child.exitCode === null) peak = Math.max(peak, residentMemory(child.pid as number).peak || 0);
  }, MEMORY_LOOK_MS);
  const [code] = await once(child, "close");
  clearInterval(looking);
  if (code !== 0) throw new Error(`mailonce ledger ${args[0]} ended with ${code}`);
  return `${mebibytes(peak)} resident at most`;
}

const folder = makeFolder();
const postgres = await startPostgres(["-c", "max_wal_size=4GB"]);
const schema = await postgres.schema();
try {
  const data = join(folder.path, "data");
  mkdirSync(data, { mode: 0o700 });
  const file = join(folder.path, "ledger.ndjson");
  const embedded = { DATA_DIR: data };
  const shared = {
    DATA_DIR: join(folder.path, "none"),
    LEDGER_KIND: "postgres",
    LEDGER_POSTGRES_URL: schema.url,
  };

  await timed("relayed through embedded", async () => {
    const storage = createDiskStorage(data);
    const options = { storage, clock: systemClock, log: silentLog, retentionMs: RETENTION_MS };
    const ledger = await openEmbeddedLedger(options);
    await relayAll(ledger);
    await ledger.close();
    return "claim, attempt and settle";
  });
  await command(shared, "migrate");
  await timed("export from embedded", async () => {
    const told = await command(embedded, "export", "--output", file);
    return `${mebibytes(statSync(file).size)} in the file, ${told}`;
  });
  await timed("import to postgres", () => command(shared, "import", "--input", file));
  await timed("the same again", () => command(shared, "import", "--input", file));
  await timed("export from postgres", () => command(shared, "export", "--output", `${file}.again`));
  await timed("claimed through postgres", async () => {
    const limits = { retentionMs: RETENTION_MS, leaseMs: LEASE_MS };
    const ledger = await openSharedLedger({
      ...limits,
      engine: await openPostgresEngine({ url: schema.url, ...limits }),
      gatewayId: "bench",
      clock: systemClock,
      elapsed: () => performance.now(),
      log: silentLog,
    });
    const counts = await claimAll(ledger);
    await ledger.close();
    return [...counts].map(([name, count]) => `${number(count)} ${name}`).join(", ");
  });
} finally {
  await schema.drop();
  await postgres.stop();
  folder.remove();
}
