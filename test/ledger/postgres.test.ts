// What a real server adds: the schema, time that passes by itself, and an engine that is away.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Claim, ClaimResult } from "../../src/ledger/ledger.ts";
import { openPostgresEngine, type PostgresOptions } from "../../src/ledger/postgres/postgres.ts";
import { migratePostgres, SCHEMA_VERSION } from "../../src/ledger/postgres/schema.ts";
import { openSharedLedger, type SharedLedger } from "../../src/ledger/shared/shared.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import type { Log } from "../../src/runtime/log.ts";
import { digestOf } from "../conformance/ledger.ts";
import { idOf, pseudoIds } from "../support/ids.ts";
import { proxyTo, startPostgres, type TestPostgres, type TestSchema } from "../support/postgres.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  // Deadlocks are found soon, instead of after a second.
  postgres = await startPostgres(["-c", "deadlock_timeout=10ms"]);
});
afterAll(() => postgres.stop());

const DAY_MS = 86_400_000;

async function newSchema(): Promise<TestSchema> {
  const schema = await postgres.schema();
  onTestFinished(() => schema.drop());
  await migratePostgres(schema.url);
  return schema;
}

function openEngine(url: string, more: Partial<PostgresOptions> = {}) {
  return openPostgresEngine({ url, retentionMs: DAY_MS, leaseMs: 30_000, connections: 4, ...more });
}

async function openLedger(url: string, gatewayId: string, more: Partial<PostgresOptions> = {}) {
  const engine = await openEngine(url, more);
  const events: string[] = [];
  const note = (event: string) => void events.push(event);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const ledger = await openSharedLedger({
    engine,
    gatewayId,
    clock: systemClock,
    elapsed: () => performance.now(),
    log,
    retentionMs: DAY_MS,
    leaseMs: more.leaseMs ?? 30_000,
  });
  onTestFinished(() => ledger.close());
  return { ledger, events };
}

const request = (label: string) => ({ id: idOf(label), digest: digestOf(1) });
const claimsOf = (results: readonly ClaimResult[]) =>
  results.flatMap((result) => ("claim" in result ? [result.claim] : []));

async function claimed(ledger: SharedLedger, label: string): Promise<Claim> {
  const [result] = await ledger.claim([request(label)]);
  expect(result?.kind).toBe("claimed");
  return (result as { claim: Claim }).claim;
}

/** Tries again until it succeeds, as dispatch and clients do. */
async function persistently<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      expect(error).toMatchObject({ name: "StorageError", code: "unavailable" });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

test("without a schema, or with one of another version, it is not opened, and says what to do", async () => {
  const schema = await postgres.schema();
  onTestFinished(() => schema.drop());
  const migrate = { name: "StorageError", message: expect.stringContaining("mailonce ledger migrate") };
  await expect(openEngine(schema.url)).rejects.toMatchObject(migrate);
  expect(await migratePostgres(schema.url)).toMatchObject({ from: 0, to: SCHEMA_VERSION });
  expect(await migratePostgres(schema.url)).toEqual({ from: SCHEMA_VERSION, to: SCHEMA_VERSION, added: 0 });
  await (await openEngine(schema.url)).close();
  await schema.query("UPDATE mailonce_schema SET version = 0");
  await expect(openEngine(schema.url)).rejects.toMatchObject(migrate);
  await schema.query("UPDATE mailonce_schema SET version = $1", [SCHEMA_VERSION + 1]);
  const newer = { message: expect.stringContaining("use a newer mailonce") };
  await expect(openEngine(schema.url)).rejects.toMatchObject(newer);
  await expect(migratePostgres(schema.url)).rejects.toMatchObject(newer);
});

test("migrations that run at the same time all succeed, and one makes the schema", async () => {
  // Whether two meet, and where, is chance: often enough to meet everywhere.
  for (let round = 0; round < 10; round++) {
    const schema = await postgres.schema();
    const all = await Promise.all(Array.from({ length: 8 }, () => migratePostgres(schema.url)));
    expect(all.filter(({ from }) => from === 0).length).toBe(1);
    await (await openEngine(schema.url)).close();
    await schema.drop();
  }
});

test("three gateways claim the same ids at the same instant, again and again: one has each", async () => {
  const { url } = await newSchema();
  const gateways = await Promise.all(["a", "b", "c"].map((name) => openLedger(url, name)));
  for (let round = 0; round < 20; round++) {
    const labels = Array.from({ length: 100 }, (_, i) => `${round} ${i}`);
    const holders = await Promise.all(
      gateways.map(async ({ ledger }, g) => {
        const order = g === 1 ? [...labels].reverse() : labels;
        const batches = [order.slice(0, 30), order.slice(30, 31), order.slice(31)];
        const results = await Promise.all(batches.map((batch) => ledger.claim(batch.map(request))));
        const own = claimsOf(results.flat());
        ledger.accepted(own);
        await Promise.all(
          own.map(async (claim) => {
            expect(await ledger.attempt(claim, "5")).toBe("attempted");
            expect(await ledger.settle(claim, "relayed")).toBe("settled");
          }),
        );
        return own.map(({ id }) => id);
      }),
    );
    expect(holders.flat().sort()).toEqual(labels.map(idOf).sort());
  }
});

test("a server that does not answer is given up in time, nothing is claimed, and all recovers", async () => {
  const schema = await newSchema();
  const proxy = await proxyTo(postgres);
  onTestFinished(() => proxy.close());
  const { ledger, events } = await openLedger(schema.urlThrough(proxy), "a", {
    statementTimeoutMs: 200,
    leaseMs: 3_000,
  });
  const held = await claimed(ledger, "held");
  ledger.accepted([held]);
  void proxy.blackHole({ swallows: ["to-server", "to-client"] });
  const since = performance.now();
  await expect(ledger.claim([request("x"), request("y")])).rejects.toMatchObject({ code: "unavailable" });
  await expect(ledger.attempt(held, "5")).rejects.toMatchObject({ code: "unavailable" });
  expect(performance.now() - since).toBeLessThan(10_000);
  expect(ledger.counts().claims).toBe(1);
  while (!events.includes("ledger.unreachable")) await new Promise((resolve) => setTimeout(resolve, 20));
  proxy.heal();
  expect(await persistently(() => ledger.attempt(held, "5"))).toBe("attempted");
  const [x] = await persistently(() => ledger.claim([request("x")]));
  expect(x?.kind).toBe("claimed");
  while (!events.includes("ledger.reached")) await new Promise((resolve) => setTimeout(resolve, 20));
});

test("a claim whose commit was not heard of does not block its id for the other gateways", async () => {
  const schema = await newSchema();
  const proxy = await proxyTo(postgres);
  onTestFinished(() => proxy.close());
  const a = await openLedger(schema.urlThrough(proxy), "a", { statementTimeoutMs: 200 });
  const b = await openLedger(schema.url, "b");
  void proxy.blackHole({ swallows: ["to-client"] });
  await expect(a.ledger.claim([request("x")])).rejects.toMatchObject({ code: "unavailable" });
  const { rows } = await schema.query("SELECT state FROM mailonce_ids");
  expect(rows.length).toBe(1);
  proxy.heal();
  expect((await b.ledger.claim([request("x")]))[0]?.kind).toBe("claimed");
});

test("a statement that waits for a lock is ended in time, and succeeds later", async () => {
  const schema = await newSchema();
  const { ledger } = await openLedger(schema.url, "a", { statementTimeoutMs: 300 });
  await schema.query("BEGIN");
  await schema.query("LOCK TABLE mailonce_ids IN ACCESS EXCLUSIVE MODE");
  await expect(ledger.claim([request("x")])).rejects.toMatchObject({ code: "unavailable" });
  await schema.query("ROLLBACK");
  await persistently(() => claimed(ledger, "x"));
});

// A server that was given can't be restarted by a test.
test.skipIf(process.env.MAILONCE_TEST_POSTGRES !== undefined)(
  "a server that dies and comes back loses nothing that was said, and needs no restart of ours",
  async () => {
    const { url } = await newSchema();
    const gateways = await Promise.all(["a", "b"].map((name) => openLedger(url, name)));
    const relayed = new Map<string, number>();
    let isOver = false;
    const work = gateways.map(async ({ ledger }) => {
      for (let i = 0; !isOver || i < 200; i++) {
        const [result] = await persistently(() => ledger.claim([request(`mail ${i}`)]));
        if (result?.kind !== "claimed") continue;
        ledger.accepted([result.claim]);
        if ((await persistently(() => ledger.attempt(result.claim, "5"))) === "stale") continue;
        const settled = await persistently(() => ledger.settle(result.claim, "relayed"));
        if (settled === "settled") relayed.set(result.claim.id, (relayed.get(result.claim.id) ?? 0) + 1);
      }
    });
    for (let times = 0; times < 3; times++) {
      const before = relayed.size;
      while (relayed.size < before + 20) await new Promise((resolve) => setTimeout(resolve, 5));
      await postgres.restart();
    }
    isOver = true;
    await Promise.all(work);
    expect([...relayed.values()].every((times) => times === 1)).toBe(true);
    for (const { ledger } of gateways) {
      const results = await ledger.claim([...relayed.keys()].map((id) => ({ id, digest: digestOf(1) })));
      expect(new Set(results.map((result) => result.kind === "repeat" && result.standing))).toEqual(
        new Set(["relayed"]),
      );
    }
  },
);

test("calls that lock the same rows crosswise end by themselves", async () => {
  const { url } = await newSchema();
  const [one, other] = [await openEngine(url), await openEngine(url)];
  onTestFinished(() => Promise.all([one.close(), other.close()]).then(() => {}));
  const keys = [...pseudoIds("crosswise", 300)];
  const inserted = await one.insert(
    1,
    keys.map((key) => ({ key, digest: digestOf(1) })),
  );
  for (let step = 1; step <= 20; step++) {
    const changes = keys.map((key, i) => {
      const result = inserted[i];
      if (result?.kind !== "inserted") throw new Error("not inserted");
      return {
        key,
        fence: result.fence,
        step,
        to: "queued",
        digest: digestOf(1),
        firstDate: undefined,
        bound: true,
      } as const;
    });
    const answers = await Promise.all([one.change(changes), other.change([...changes].reverse())]);
    expect(answers.flat().every((isChanged) => isChanged)).toBe(true);
  }
});

test("an attempt stays within its page: neither index is touched", async () => {
  const schema = await newSchema();
  const { ledger } = await openLedger(schema.url, "a");
  const mails = 400;
  const results = await ledger.claim(Array.from({ length: mails }, (_, i) => request(`mail ${i}`)));
  const claims = claimsOf(results);
  // As they come: a few at a time, so that a page can be tidied in between.
  for (let at = 0; at < mails; at += 20) {
    const some = claims.slice(at, at + 20);
    await Promise.all(some.map((claim) => ledger.attempt(claim, "Mon, 1 Jan 2024 00:00:00 +0000")));
  }
  await ledger.close();
  const read = async () => {
    const { rows } = await schema.query(
      "SELECT n_tup_upd AS updates, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = 'mailonce_ids' AND schemaname = current_schema()",
    );
    return { updates: Number(rows[0].updates), hot: Number(rows[0].hot) };
  };
  // Statistics come a little later.
  let seen = await read();
  while (seen.updates < mails) seen = await read();
  expect(seen.hot).toBeGreaterThan(mails * 0.8);
});

test("what has expired goes in bounded steps", async () => {
  const schema = await newSchema();
  const engine = await openEngine(schema.url);
  onTestFinished(() => engine.close());
  await schema.query(
    `INSERT INTO mailonce_ids (id, state, fence, step, incarnation, digest, changed_at, relayed_at)
     SELECT decode(lpad(to_hex(i), 40, '0'), 'hex'), 7, 1, 0, NULL, decode(repeat('00', 16), 'hex'),
            now() - interval '2 days', now() - interval '2 days'
     FROM generate_series(1, 2500) AS i`,
  );
  await schema.query(
    `INSERT INTO mailonce_ids (id, state, fence, step, incarnation, digest, changed_at, first_date)
     SELECT decode(lpad(to_hex(i), 40, '0'), 'hex'), 6, 1, 0, 0, decode(repeat('00', 16), 'hex'),
            now() - interval '2 days', 'a date'
     FROM generate_series(3001, 4500) AS i`,
  );
  const steps: number[] = [];
  let doubts = 0;
  let announced = 0;
  for (let more = true; more; ) {
    const swept = await engine.sweep(() => announced++);
    steps.push(swept.removed);
    doubts += swept.doubts.length;
    more = swept.more;
  }
  expect(Math.max(...steps)).toBeLessThanOrEqual(2_000);
  expect(steps.reduce((sum, step) => sum + step)).toBe(4_000);
  expect(doubts).toBe(1_500);
  expect(announced).toBe(1_500);
  const { rows } = await schema.query("SELECT count(*)::integer AS left FROM mailonce_ids");
  expect(rows[0].left).toBe(0);
});
