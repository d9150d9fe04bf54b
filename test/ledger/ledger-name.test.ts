// The name that a ledger has at SES: the same for ever, for every gateway that shares it, and for no other ledger.
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { openEmbeddedLedger } from "../../src/ledger/embedded/embedded.ts";
import { findLedger } from "../../src/ledger/open.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryEngines } from "../support/memory-engine.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";

const NAME = /^[a-z2-7]{16}$/;
const clock = createManualClock();
const open = (storage: Storage) =>
  openEmbeddedLedger({ storage, clock, log: silentLog, retentionMs: 86_400_000 });

async function nameOf(storage: Storage): Promise<string> {
  const ledger = await open(storage);
  try {
    return await ledger.publicName(systemRandom);
  } finally {
    await ledger.close();
  }
}

test("an embedded ledger keeps its name, across a loss of power too, and no other has it", async () => {
  const storage = createMemoryStorage();
  const ledger = await open(storage);
  const name = await ledger.publicName(systemRandom);
  expect(name).toMatch(NAME);
  expect(await ledger.publicName(systemRandom)).toBe(name);
  storage.crash();
  expect(await nameOf(storage)).toBe(name);
  expect(await nameOf(createMemoryStorage())).not.toBe(name);
});

test("it has none until somebody asks: nothing is written for upstreams other than SES", async () => {
  for (const [kind, isNamed] of [
    ["ses", true],
    ["maildir", false],
  ] as const) {
    const storage = createMemoryStorage();
    const config = loadConfig({ environment: { MAILONCE_UPSTREAM_KIND: kind } });
    const found = await findLedger(config, { storage, clock, random: systemRandom, log: silentLog });
    const { publicName, ledger } = await found.open();
    expect(publicName !== undefined).toBe(isNamed);
    await ledger.close();
  }
});

test("gateways that open the same new ledger at once agree on its name, and find it again", async () => {
  const config = loadConfig({
    environment: {
      MAILONCE_UPSTREAM_KIND: "ses",
      MAILONCE_LEDGER_KIND: "postgres",
      MAILONCE_LEDGER_POSTGRES_URL: "postgres://127.0.0.1/none",
    },
  });
  const { retention: retentionMs, lease: leaseMs } = config.ledger;
  const engines = createMemoryEngines(() => clock.now(), { retentionMs, leaseMs });
  const storages = [createMemoryStorage(), createMemoryStorage(), createMemoryStorage()];
  const openAll = async (): Promise<(string | undefined)[]> => {
    const opened = await Promise.all(
      storages.map(async (storage) => {
        const world = { storage, clock, random: systemRandom, log: silentLog };
        const found = await findLedger(config, { ...world, openEngine: async () => engines.connect() });
        return await found.open();
      }),
    );
    await Promise.all(opened.map(({ ledger }) => ledger.close()));
    return opened.map(({ publicName }) => publicName);
  };
  const [first, ...others] = await openAll();
  expect(first).toMatch(NAME);
  expect(others).toEqual([first, first]);
  expect(await openAll()).toEqual([first, first, first]);
});
