// What the embedded ledger adds to the rules that every ledger keeps.
import { expect, test } from "vitest";
import { openEmbeddedLedger } from "../../src/ledger/embedded/embedded.ts";
import type { Claim, ClaimResult, Ledger } from "../../src/ledger/ledger.ts";
import type { Log } from "../../src/runtime/log.ts";
import { digestOf } from "../conformance/ledger.ts";
import { inOrder } from "../conformance/ledger-steps.ts";
import { idOf } from "../support/ids.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";

const RETENTION_MS = 64_000;

function createPlace() {
  const storage = createMemoryStorage();
  const clock = createManualClock();
  const events: [string, unknown][] = [];
  const note = (event: string, facts?: unknown) => void events.push([event, facts]);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const open = () =>
    openEmbeddedLedger({ storage, clock, log, retentionMs: RETENTION_MS, firstCapacity: 100 });
  return { storage, clock, events, open };
}

const request = (label: string) => ({ id: idOf(label), digest: digestOf(1) });

async function claimed(ledger: Ledger, label: string, since?: number): Promise<Claim> {
  const [result] = await ledger.claim([{ ...request(label), ...(since !== undefined && { since }) }]);
  expect(result?.kind).not.toBe("repeat");
  return (result as Extract<ClaimResult, { claim: Claim }>).claim;
}

test("a claim of an id that the filters deny does no I/O, nor does its release", async () => {
  const { storage, open } = createPlace();
  const ledger = await open();
  await ledger.settle(await claimed(ledger, "relayed"), "relayed");
  storage.fail({ call: "get", times: Number.POSITIVE_INFINITY });
  storage.fail({ call: "commit", times: Number.POSITIVE_INFINITY });
  storage.fail({ call: "write", times: Number.POSITIVE_INFINITY });
  await ledger.release([await claimed(ledger, "absent")]);
  storage.mend();
  await ledger.close();
});

test("closing ends what waits with an error, waits for what is under way, and refuses the rest", async () => {
  const { open } = createPlace();
  const ledger = await open();
  const claim = await claimed(ledger, "a");
  const waiting = expect(ledger.claim([request("a")])).rejects.toMatchObject({ code: "unavailable" });
  const settling = ledger.settle(claim, "relayed");
  await ledger.close();
  expect(await settling).toBe("settled");
  await waiting;
  await expect(ledger.claim([request("b")])).rejects.toMatchObject({ code: "unavailable" });
  await ledger.close();
  const again = await open();
  expect((await again.claim([request("a")]))[0]).toMatchObject({ kind: "repeat", standing: "relayed" });
  await again.close();
});

test("a batch that waited and then fails holds nothing", async () => {
  const { storage, open } = createPlace();
  const ledger = await open();
  await ledger.settle(await claimed(ledger, "relayed"), "relayed");
  const held = await claimed(ledger, "held");
  storage.fail({ call: "get" });
  const batch = ledger.claim([request("free"), request("held"), request("relayed")]);
  const failed = expect(batch).rejects.toMatchObject({ name: "StorageError" });
  await ledger.release([held]);
  await failed;
  expect(ledger.counts().claims).toBe(0);
  await ledger.close();
});

test("a relayed id is a repeat at once, also while a batch that claims it waits for another id", async () => {
  const { open } = createPlace();
  const ledger = await open();
  const [first, second] = inOrder(request("a"), request("b"));
  const [result] = await ledger.claim([first]);
  await ledger.settle((result as Extract<ClaimResult, { claim: Claim }>).claim, "relayed");
  await ledger.claim([second]);
  const waiting = ledger.claim([first, second]);
  expect(await ledger.claim([first])).toMatchObject([{ kind: "repeat", standing: "relayed" }]);
  await Promise.all([expect(waiting).rejects.toMatchObject({ code: "unavailable" }), ledger.close()]);
});

test("doubt about a later mail survives though the clock was set back behind the first one", async () => {
  const { storage, clock, open } = createPlace();
  let ledger = await open();
  await ledger.settle(await claimed(ledger, "a"), "relayed");
  clock.set(clock.now() - 3_600_000);
  const claim = await claimed(ledger, "a", Number.POSITIVE_INFINITY);
  await ledger.attempt(claim, "5");
  storage.crash();
  ledger = await open();
  expect((await ledger.claim([request("a")]))[0]).toMatchObject({ kind: "doubtful", firstDate: "5" });
  await ledger.close();
});

test("an attempt that could not be noted leaves no doubt behind, even if the disk has it", async () => {
  const { storage, open } = createPlace();
  let ledger = await open();
  const claim = await claimed(ledger, "a");
  storage.fail({ call: "commit", name: "ledger/state", takesEffect: true });
  await expect(ledger.attempt(claim, "5")).rejects.toMatchObject({ name: "StorageError" });
  await ledger.release([claim]);
  storage.crash();
  ledger = await open();
  expect((await ledger.claim([request("a")]))[0]?.kind).toBe("claimed");
  await ledger.close();
});

test("doubt older than the retention is swept, and said to be; not while a claim is on it", async () => {
  const { clock, events, open } = createPlace();
  const ledger = await open();
  const [left, held] = [await claimed(ledger, "left"), await claimed(ledger, "held")];
  await ledger.attempt(left, "5");
  await ledger.attempt(held, "6");
  await ledger.release([left]);
  const until = clock.now() + RETENTION_MS + RETENTION_MS / 32;
  while (clock.now() < until) {
    clock.advance(clock.untilNext() ?? 0);
    while (clock.untilNext() === undefined) await new Promise(setImmediate);
  }
  expect(ledger.counts()).toEqual({ claims: 1, open: 1, doubtful: 0 });
  expect(events.filter(([event]) => event === "ledger.doubtful_expired")).toEqual([
    ["ledger.doubtful_expired", { id: idOf("left"), firstDate: "5" }],
  ]);
  await ledger.close();
});

test("doubt that can't be removed stays, and its expiry is announced once, before the removal", async () => {
  const { storage, clock, events, open } = createPlace();
  const ledger = await open();
  for (const label of ["a", "b"]) {
    const claim = await claimed(ledger, label);
    await ledger.attempt(claim, `date of ${label}`);
    await ledger.release([claim]);
  }
  const sweeps = async (until: () => boolean): Promise<void> => {
    while (!until()) {
      clock.advance(clock.untilNext() ?? 0);
      while (clock.untilNext() === undefined) await new Promise(setImmediate);
    }
  };
  const count = (event: string): number => events.filter(([name]) => name === event).length;
  storage.fail({ call: "commit", name: "ledger/state", times: Number.POSITIVE_INFINITY });
  await sweeps(() => count("ledger.sweep_failed") === 3);
  expect(await ledger.doubts()).toHaveLength(2);
  expect(count("ledger.doubtful_expired")).toBe(1);

  storage.mend();
  await sweeps(() => ledger.counts().open === 0);
  const dates = events.flatMap(([event, facts]) => {
    return event === "ledger.doubtful_expired" ? [(facts as { firstDate: string }).firstDate] : [];
  });
  expect(dates.sort()).toEqual(["date of a", "date of b"]);
  await ledger.close();
  const again = await open();
  expect(await again.doubts()).toEqual([]);
  await again.close();
});

test("a second ledger on the same storage is refused, and closes what it had opened", async () => {
  const { open } = createPlace();
  const ledger = await open();
  await expect(open()).rejects.toMatchObject({ code: "locked" });
  await ledger.close();
  await (await open()).close();
});
