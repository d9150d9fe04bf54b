// What the shared ledger costs beside the embedded one: durable claims, whole lives of ids, repeats, and the
// engine's calls for each, with the filter and without. A PostgreSQL of its own on this machine.
//
//     npx tsc -p bench/tsconfig.json && node build/bench/bench/ledger-shared.js [ids]

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbeddedLedger } from "../src/ledger/embedded/embedded.ts";
import type { Claim, ClaimRequest, Ledger } from "../src/ledger/ledger.ts";
import { openPostgresEngine } from "../src/ledger/postgres/postgres.ts";
import { migratePostgres } from "../src/ledger/postgres/schema.ts";
import type { CallCounts } from "../src/ledger/shared/calls.ts";
import { openSharedLedger, type SharedLedger } from "../src/ledger/shared/shared.ts";
import { encodeBase32 } from "../src/runtime/base32.ts";
import { systemClock } from "../src/runtime/clock.ts";
import { silentLog } from "../src/runtime/log.ts";
import { createDiskStorage } from "../src/storage/disk.ts";
import { pseudoIds } from "../test/support/ids.ts";
import { startPostgres } from "../test/support/postgres.ts";

const IDS = Number(process.argv[2] ?? 20_000);
/** Submissions at once, one id each, as fifty to a few hundred connections make them. */
const AT_ONCE = 200;
const RETENTION_MS = 86_400_000;
const DIGEST = new Uint8Array(16);

const requests: ClaimRequest[] = [...pseudoIds("bench", IDS)].map((key) => ({
  id: encodeBase32(key),
  digest: DIGEST,
}));

/** Runs `work` for every request, so many at once; seconds. */
async function timed(work: (request: ClaimRequest) => Promise<void>): Promise<number> {
  const since = performance.now();
  let next = 0;
  const worker = async () => {
    for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
      await work(request);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return (performance.now() - since) / 1000;
}

function difference(before: CallCounts | undefined, after: CallCounts | undefined): string {
  if (before === undefined || after === undefined) return "";
  const kinds = ["insert", "read", "take", "change"] as const;
  const records = kinds.map(
    (kind) => `${kind} ${((after[kind].records - before[kind].records) / IDS).toFixed(2)}`,
  );
  const calls = kinds.reduce((sum, kind) => sum + after[kind].calls - before[kind].calls, 0);
  return `   a mail: ${records.join(", ")}; ${(IDS / calls).toFixed(0)} records a call`;
}

async function measure(name: string, ledger: Ledger & Partial<SharedLedger>): Promise<void> {
  const claims = new Map<string, Claim>();
  const parts: readonly [string, (request: ClaimRequest) => Promise<void>][] = [
    [
      "claims of new ids",
      async (request) => {
        const [result] = await ledger.claim([request]);
        if (result?.kind === "claimed") claims.set(request.id, result.claim);
      },
    ],
    [
      "accept, attempt, settle",
      async ({ id }) => {
        const claim = claims.get(id);
        if (claim === undefined) throw new Error("not claimed");
        ledger.accepted([claim]);
        await ledger.attempt(claim, "Mon, 1 Jan 2024 00:00:00 +0000");
        await ledger.settle(claim, "relayed");
      },
    ],
    ["repeats", async (request) => void (await ledger.claim([request]))],
  ];
  for (const [what, work] of parts) {
    const before = structuredClone(ledger.calls?.());
    const seconds = await timed(work);
    const calls = difference(before, ledger.calls?.());
    console.log(`${name}: ${what}: ${Math.round(IDS / seconds)} a second${calls}`);
  }
  await ledger.close();
}

const folder = await mkdtemp(join(tmpdir(), "mailonce-bench-"));
await measure(
  "embedded",
  await openEmbeddedLedger({
    storage: createDiskStorage(folder),
    clock: systemClock,
    log: silentLog,
    retentionMs: RETENTION_MS,
  }),
);

await rm(folder, { recursive: true });

const postgres = await startPostgres();
try {
  for (const [name, knownCapacity] of [
    ["postgres", undefined],
    ["postgres without filter", 0],
  ] as const) {
    const { url, query, drop } = await postgres.schema();
    await migratePostgres(url);
    const limits = { retentionMs: RETENTION_MS, leaseMs: 30_000 };
    const ledger = await openSharedLedger({
      engine: await openPostgresEngine({ url, ...limits }),
      gatewayId: "bench",
      clock: systemClock,
      elapsed: () => performance.now(),
      log: silentLog,
      ...limits,
      ...(knownCapacity === undefined ? {} : { knownCapacity }),
    });
    await measure(name, ledger);
    await query("VACUUM ANALYZE mailonce_ids");
    const { rows } = await query(
      "SELECT sum(pg_column_size(r.*)) AS rows, pg_table_size('mailonce_ids') AS table, " +
        "pg_indexes_size('mailonce_ids') AS indices FROM mailonce_ids AS r",
    );
    const [size] = rows;
    const perId = (octets: unknown) => Math.round(Number(octets) / IDS);
    const octets = `${perId(size.rows)} in its row, ${perId(size.table)} in the table as the run left it`;
    console.log(`${name}: octets an id: ${octets}, ${perId(size.indices)} in indices`);
    await drop();
  }
} finally {
  await postgres.stop();
}
