import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Generations, openGenerations } from "../../src/ledger/embedded/generations.ts";
import { openState, type State } from "../../src/ledger/embedded/state.ts";
import type { Log } from "../../src/runtime/log.ts";
import { digestOf } from "../conformance/ledger.ts";
import { pseudoIds } from "../support/ids.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryStorage, type MemoryStorageOptions } from "../support/memory-storage.ts";

const RETENTION_MS = 80_000;
const SPAN_MS = RETENTION_MS / 8;

function createPlace(storageOptions?: MemoryStorageOptions) {
  const storage = createMemoryStorage(storageOptions);
  const clock = createManualClock();
  const events: [string, unknown][] = [];
  const note = (event: string, facts?: unknown) => void events.push([event, facts]);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  let open: { state: State; generations: Generations } | undefined;
  return {
    storage,
    clock,
    events,
    names: async () => (await storage.list("ledger")).filter((name) => name.startsWith("generation-")),
    async open(firstCapacity = 100): Promise<Generations> {
      const state = await openState(storage);
      const options = {
        storage,
        list: state.generations,
        clock,
        log,
        retentionMs: RETENTION_MS,
        firstCapacity,
      };
      try {
        open = { state, generations: await openGenerations(options) };
      } catch (error) {
        await state.close();
        throw error;
      }
      return open.generations;
    },
    async close() {
      await open?.generations.close();
      await open?.state.close();
    },
  };
}

const relayed = (time: number) => ({ time, digest: digestOf(3) });

/** Resolves when the filters that were cold have been made ready: nothing in memory takes longer. */
async function warmed(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

function flipped(content: Uint8Array, at: number): Uint8Array {
  const changed = content.slice();
  changed[at] = (changed[at] as number) ^ 1;
  return changed;
}

describe("generations", () => {
  test("end by time, and by being full, and the next is made for a tenth of the ids there are", async () => {
    const place = createPlace();
    const generations = await place.open(10);
    const keys = [...pseudoIds("k", 122)];
    for (const key of keys) await generations.add(key, relayed(place.clock.now()));
    const numbers = Array.from({ length: 13 }, (_, i) => `generation-${String(i + 1).padStart(6, "0")}`);
    // Of the last, which is open, there is no filter file.
    const files = numbers.flatMap((name) => [name, `${name}.filter`]).slice(0, -1);
    expect(await place.names()).toEqual(files);
    place.clock.advance(SPAN_MS);
    await generations.add(new Uint8Array(20), relayed(place.clock.now()));
    const opened = place.events.filter(([event]) => event === "ledger.generation_opened");
    const capacities = opened.map(([, facts]) => (facts as { capacity: number }).capacity);
    expect(capacities).toEqual([...Array(11).fill(10), 11, 13, 13]);
    for (const key of keys) expect(await generations.find(key)).toBeDefined();
    await place.close();
  });

  test("give back what writing took once they are over", async () => {
    const place = createPlace();
    const rested: string[] = [];
    const { openStore } = place.storage;
    place.storage.openStore = async (name) => {
      const store = await openStore(name);
      return { ...store, rest: async () => void rested.push(name) };
    };
    const generations = await place.open(2);
    for (const key of pseudoIds("k", 5)) await generations.add(key, relayed(1));
    await warmed();
    expect(rested).toEqual(["ledger/generation-000001", "ledger/generation-000002"]);
    await place.close();
  });

  test("go as a whole once all in them is older than the retention, and not before", async () => {
    const place = createPlace();
    const generations = await place.open();
    const [early, late, last] = [...pseudoIds("k", 3)] as [Uint8Array, Uint8Array, Uint8Array];
    await generations.add(early, relayed(place.clock.now()));
    place.clock.advance(SPAN_MS - 1);
    await generations.add(late, relayed(place.clock.now()));
    place.clock.advance(1);
    await generations.sweep();
    await generations.add(last, relayed(place.clock.now()));
    place.clock.advance(RETENTION_MS);
    await generations.sweep();
    expect(await generations.find(late)).toBeDefined();
    place.clock.advance(1);
    await generations.sweep();
    expect(await generations.find(early)).toBeUndefined();
    expect(await generations.find(late)).toBeUndefined();
    expect(await generations.find(last)).toBeDefined();
    await warmed();
    expect(await place.names()).toEqual(["generation-000002", "generation-000002.filter"]);
    expect(place.events).toContainEqual(["ledger.generation_expired", { generation: 1, ids: 2 }]);
    await place.close();
  });

  test("after a clean close need no rebuilding, and have no filter file once an id was added", async () => {
    const place = createPlace();
    const [first, second] = [...pseudoIds("k", 2)] as [Uint8Array, Uint8Array];
    await (await place.open()).add(first, relayed(1));
    expect(await place.names()).toEqual(["generation-000001"]);
    await place.close();
    expect(await place.names()).toEqual(["generation-000001", "generation-000001.filter"]);
    const generations = await place.open();
    await warmed();
    expect(generations.maybe(second)).toBe(false);
    expect(generations.maybe(first)).toBe(true);
    expect(place.events.filter(([event]) => event === "ledger.filter_rebuilt")).toEqual([]);
    await generations.add(second, relayed(2));
    expect(await place.names()).toEqual(["generation-000001"]);
    await place.close();
  });

  test("after a crash answer maybe until the filter has been rebuilt, with what is added meanwhile", async () => {
    const place = createPlace();
    const before = [...pseudoIds("before", 30)];
    const after = [...pseudoIds("after", 30)];
    const absent = [...pseudoIds("absent", 30)];
    const first = await place.open();
    for (const key of before) await first.add(key, relayed(1));
    place.storage.crash();
    const generations = await place.open();
    expect(absent.every((key) => generations.maybe(key))).toBe(true);
    await Promise.all(after.map((key) => generations.add(key, relayed(2))));
    await warmed();
    expect(absent.every((key) => generations.maybe(key))).toBe(false);
    for (const key of [...before, ...after]) expect(await generations.find(key)).toBeDefined();
    expect(place.events.filter(([event]) => event === "ledger.filter_rebuilt").length).toBe(1);
    await place.close();
  });

  test.each<[string, string, (content: Uint8Array, earlier: Uint8Array) => Uint8Array | undefined]>([
    ["deleted", "is missing", () => undefined],
    ["emptied", "is damaged", () => new Uint8Array(0)],
    ["cut by an octet", "is damaged", (content) => content.subarray(0, -1)],
    ["changed by one bit", "is damaged", (content) => flipped(content, content.length >> 1)],
    ["put back from earlier", "is of another state", (_, earlier) => earlier],
  ])(
    "with a filter file that is %s use it not, and say so before anything is asked",
    async (_, fault, change) => {
      const place = createPlace();
      const keys = [...pseudoIds("k", 60)];
      let earlier = new Uint8Array(0);
      for (const [index, key] of keys.entries()) {
        const generations = await place.open();
        await generations.add(key, relayed(1));
        await place.close();
        if (index > 1) continue;
        place.storage.damage("ledger/generation-000001.filter", (content) => {
          earlier = content.slice();
          return content;
        });
      }
      place.storage.damage("ledger/generation-000001.filter", (content) => change(content, earlier));
      place.events.length = 0;
      const generations = await place.open();
      expect(place.events).toEqual([
        [
          "ledger.filter_unused",
          expect.objectContaining({ generation: 1, fault: expect.stringContaining(fault) }),
        ],
      ]);
      for (const key of keys) expect(await generations.find(key)).toBeDefined();
      await warmed();
      expect(place.events).toContainEqual(["ledger.filter_rebuilt", { generation: 1, ids: keys.length }]);
      for (const key of keys) expect(generations.maybe(key)).toBe(true);
      await place.close();
    },
  );

  test("do not reuse a filter file that is older than what is in the store, wherever the power is lost", async () => {
    const aStep = fc.constantFrom("add", "crash", "close", "span", "add", "add");
    await fc.assert(
      fc.asyncProperty(
        fc.array(aStep, { maxLength: 25 }),
        fc.infiniteStream(fc.nat(6)),
        async (steps, left) => {
          // The power goes at the n-th call of the storage after a step "crash", acknowledged or not.
          let until = Number.POSITIVE_INFINITY;
          const place = createPlace({
            async pause() {
              if (until-- <= 0) {
                until = Number.POSITIVE_INFINITY;
                place.storage.crash();
              }
            },
          });
          let generations = await place.open(4);
          const added: Uint8Array[] = [];
          let number = 0;
          for (const step of steps) {
            try {
              if (step === "crash") until = left.next().value ?? 0;
              else if (step === "span") place.clock.advance(SPAN_MS);
              else if (step === "add") {
                const [key] = [...pseudoIds(`n ${number++}`, 1)] as [Uint8Array];
                await generations.add(key, relayed(1));
                added.push(key);
              } else {
                await place.close();
                generations = await place.open(4);
              }
            } catch {
              until = Number.POSITIVE_INFINITY;
              place.storage.crash();
              generations = await place.open(4);
            }
          }
          until = Number.POSITIVE_INFINITY;
          place.storage.crash();
          generations = await place.open(4);
          await warmed();
          for (const key of added) expect(await generations.find(key)).toBeDefined();
          await place.close();
        },
      ),
      { numRuns: 150 },
    );
  });

  test("whose record was lost are taken in again rather than forgotten", async () => {
    const place = createPlace();
    const [key] = [...pseudoIds("k", 1)] as [Uint8Array];
    await (await place.open()).add(key, relayed(1));
    await place.close();
    await place.storage.removeStore("ledger/state");
    // What somebody makes there by hand says that all but the ids may be forgotten.
    await (await place.storage.openStore("ledger/state")).close();
    const generations = await place.open();
    expect(await generations.find(key)).toBeDefined();
    expect(place.events).toContainEqual(["ledger.generation_adopted", { generation: 1 }]);
    await place.close();
  });

  test("whose store is gone are an error that says what to do, unless somebody put an empty one there", async () => {
    const place = createPlace();
    const generations = await place.open(1);
    for (const key of pseudoIds("k", 2)) await generations.add(key, relayed(1));
    await place.close();
    for (const name of ["ledger/generation-000001", "ledger/generation-000002", "ledger/state"]) {
      await place.storage.removeStore(name);
      await expect(place.open(1)).rejects.toMatchObject({
        code: "damaged",
        message: expect.stringContaining(`${name} is missing from the data folder; restore the whole`),
      });
      await (await place.storage.openStore(name)).close();
      await place.open(1);
      await place.close();
    }
  });

  test("being made or removed when the power went are made or removed at the next start", async () => {
    for (const call of ["commit", "openStore", "removeStore", "removeFile", "write"] as const) {
      for (let nth = 0; nth < 8; nth++) {
        let until = Number.POSITIVE_INFINITY;
        const place = createPlace({
          async pause(paused) {
            if (paused === call && until-- === 0) place.storage.crash();
          },
        });
        const [first, second] = [...pseudoIds("k", 2)] as [Uint8Array, Uint8Array];
        const generations = await place.open(1);
        await generations.add(first, relayed(1));
        place.clock.advance(RETENTION_MS * 2);
        await generations.sweep();
        place.clock.advance(RETENTION_MS * 2);
        until = nth;
        const cut = await generations
          .sweep()
          .then(() => generations.add(second, relayed(2)))
          .then(() => false)
          .catch(() => true);
        until = Number.POSITIVE_INFINITY;
        place.storage.crash();
        const again = await place.open(1);
        if (!cut) expect(await again.find(second)).toBeDefined();
        await again.add(second, relayed(2));
        await place.close();
        await place.open(1);
        await place.close();
      }
    }
  });

  test("work again after the store of a new one could not be opened", async () => {
    const place = createPlace();
    const generations = await place.open();
    const [key] = [...pseudoIds("k", 1)] as [Uint8Array];
    place.storage.fail({ call: "openStore", code: "full" });
    await expect(generations.add(key, relayed(1))).rejects.toMatchObject({ code: "full" });
    await generations.add(key, relayed(1));
    expect(await generations.find(key)).toEqual(relayed(1));
    await place.close();
  });
});

describe("generations that have expired", () => {
  for (const call of ["removeFile", "removeStore"] as const) {
    test(`and can't be removed (${call}) go with the next sweep, and hold up no other`, async () => {
      const place = createPlace();
      const generations = await place.open(1);
      for (const key of pseudoIds("k", 3)) await generations.add(key, relayed(place.clock.now()));
      place.clock.advance(SPAN_MS + 1);
      await generations.sweep();
      place.clock.advance(RETENTION_MS + 1);
      await warmed();
      place.storage.fail({ call, name: /generation-000002/, times: 2 });
      const sweep = () =>
        generations.sweep().then(
          () => "done",
          () => "failed",
        );
      expect([await sweep(), await sweep(), await sweep()]).toEqual(["failed", "failed", "done"]);
      expect(await place.names()).toEqual([]);
      const expired = place.events.filter(([event]) => event === "ledger.generation_expired");
      expect(expired.map(([, facts]) => (facts as { generation: number }).generation)).toEqual([1, 3, 2]);
      await place.close();
    });
  }
});

describe("the state", () => {
  test("of a later format is refused", async () => {
    const place = createPlace();
    await place.open();
    await place.close();
    const store = await place.storage.openStore("ledger/state");
    await store.commit([{ type: "put", key: Uint8Array.of(0x76), value: Uint8Array.of(3) }]);
    await store.close();
    await expect(place.open()).rejects.toMatchObject({
      code: "unavailable",
      message: "ledger/state has format 3; this version of mailonce knows only format 2",
    });
  });

  test("never gives out a fence twice, whatever ends the process", async () => {
    const place = createPlace();
    let highest = 0;
    for (const end of ["close", "crash", "crash", "close"]) {
      const state = await openState(place.storage);
      for (let i = 0; i < 3; i++) {
        const fence = state.fences.next();
        expect(fence).toBeGreaterThan(highest);
        highest = fence;
      }
      if (end === "close") await state.close();
      else place.storage.crash();
    }
  });
});
