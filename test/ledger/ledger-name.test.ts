// The name that a ledger has at SES: the same for ever, for every gateway that shares it, and for no other ledger.
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { exportArchive } from "../../src/ledger/archive/export.ts";
import { importArchive } from "../../src/ledger/archive/import.ts";
import { openEmbeddedArchive } from "../../src/ledger/embedded/archive.ts";
import { openEmbeddedLedger } from "../../src/ledger/embedded/embedded.ts";
import { findLedger } from "../../src/ledger/open.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryEngines } from "../support/memory-engine.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";
import { collect } from "../support/storage.ts";

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

test("an export and an import keep the name, unless the ledger has one", async () => {
  const retentionMs = 86_400_000;
  const archiveOf = (storage: Storage) =>
    openEmbeddedArchive({ storage, clock, log: silentLog, retentionMs });
  const exported = async (storage: Storage): Promise<Uint8Array> => {
    const archive = await archiveOf(storage);
    const chunks = await collect(exportArchive(archive, () => {}));
    await archive.close();
    return Buffer.concat(chunks);
  };
  const imported = async (storage: Storage, octets: Uint8Array): Promise<void> => {
    const archive = await archiveOf(storage);
    async function* source() {
      yield octets;
    }
    await importArchive(archive, { source: source(), retentionMs, onProgress: () => {} });
    await archive.close();
  };
  const [first, second, unnamed] = [createMemoryStorage(), createMemoryStorage(), createMemoryStorage()];
  const name = await nameOf(first);
  await imported(second, await exported(first));
  expect(await nameOf(second)).toBe(name);

  const other = createMemoryStorage();
  const own = await nameOf(other);
  await imported(other, await exported(first));
  expect(await nameOf(other)).toBe(own);

  const without = await exported(unnamed);
  expect(Buffer.from(without).toString()).not.toContain('ledger":');
  const bad = Buffer.from(
    Buffer.from(await exported(first))
      .toString()
      .replace(name, "Nobody"),
  );
  await expect(imported(createMemoryStorage(), bad)).rejects.toThrow("line 1: ledger: not a name");
});

test("what is no name there refuses the start", async () => {
  const storage = createMemoryStorage();
  await nameOf(storage);
  const store = await storage.openStore("ledger/state", "short");
  await store.commit([{ type: "put", key: Uint8Array.of(0x6e), value: Buffer.from("../elsewhere") }]);
  await store.close();
  await expect(nameOf(storage)).rejects.toMatchObject({ code: "damaged" });
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
