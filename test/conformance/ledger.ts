// The ledger's rules L1 to L14 (src/ledger/ledger.ts) as checks that any implementation can be put to.
// An implementation brings a harness; ledger-broken.ts proves of each rule that its checks can fail.
import { expect } from "vitest";
import {
  type Claim,
  type ClaimRequest,
  type ClaimResult,
  DIGEST_OCTETS,
  type Ledger,
} from "../../src/ledger/ledger.ts";
import { idOf } from "../support/ids.ts";

export const LEDGER_RULES = [
  "L1",
  "L2",
  "L3",
  "L4",
  "L5",
  "L6",
  "L7",
  "L8",
  "L9",
  "L10",
  "L11",
  "L12",
  "L13",
  "L14",
] as const;

export type LedgerRule = (typeof LEDGER_RULES)[number];

/** A place where a ledger is kept, with one process that uses it. What can't be done is left out. */
export interface LedgerHarness {
  /** The retention that its ledgers are opened with. */
  readonly retentionMs: number;
  now(): number;
  /** Starts the process: opens the ledger of the place. */
  open(): Promise<Ledger>;
  /** The process dies. Nothing of the ledger opened last is called afterwards, but its claims may be used. */
  crash(): Promise<void>;
  /** Lets time pass, and all sweeping that is due meanwhile be done. */
  pass(ms: number): Promise<void>;
  /** From now on the store can't be read or written, until `mendStore`. */
  breakStore?(): void;
  mendStore?(): void;
  /** While the ledger is closed: removes or damages what the filters are saved in. */
  spoilFilters?(how: "removed" | "damaged" | "cut"): Promise<void>;
  /** Removes the place. */
  dispose(): Promise<void>;
  /** How long an answer may take before it counts as never coming; long where others share the machine. */
  readonly patienceMs: number;
}

export interface LedgerCheck {
  readonly rule: LedgerRule;
  readonly title: string;
  readonly needs?: readonly ("breakStore" | "spoilFilters")[];
  readonly run: (harness: LedgerHarness) => Promise<void>;
}

/** A digest that is told from another by its octets. */
export function digestOf(octet: number): Uint8Array {
  return new Uint8Array(DIGEST_OCTETS).fill(octet);
}

const request = (label: string, more: Partial<ClaimRequest> = {}): ClaimRequest => ({
  id: idOf(label),
  digest: digestOf(1),
  ...more,
});

/** Octets compared as values: an implementation may answer with a Buffer. */
function plain(result: ClaimResult | undefined) {
  if (result === undefined) return undefined;
  return "digest" in result ? { ...result, digest: [...result.digest] } : result;
}

async function soon<T>(harness: LedgerHarness, answer: Promise<T>): Promise<T> {
  let timeout: NodeJS.Timeout | undefined;
  const never = new Promise<never>((_, reject) => {
    timeout = setTimeout(() => reject(new Error("no answer came")), harness.patienceMs);
  });
  return await Promise.race([answer, never]).finally(() => clearTimeout(timeout));
}

async function one(harness: LedgerHarness, ledger: Ledger, asked: ClaimRequest): Promise<ClaimResult> {
  const [result] = await soon(harness, ledger.claim([asked]));
  if (result === undefined) throw new Error("a claim without a result");
  return result;
}

async function claimed(harness: LedgerHarness, ledger: Ledger, asked: ClaimRequest): Promise<Claim> {
  const result = await one(harness, ledger, asked);
  expect(result.kind).toBe("claimed");
  return (result as { claim: Claim }).claim;
}

async function relay(harness: LedgerHarness, ledger: Ledger, asked: ClaimRequest): Promise<Claim> {
  const claim = await claimed(harness, ledger, asked);
  ledger.accepted([claim]);
  expect(await soon(harness, ledger.attempt(claim, harness.now()))).toBe("attempted");
  expect(await soon(harness, ledger.settle(claim, "relayed"))).toBe("settled");
  return claim;
}

async function expectRelayed(
  harness: LedgerHarness,
  ledger: Ledger,
  asked: ClaimRequest,
  digest = asked.digest,
): Promise<void> {
  expect(plain(await one(harness, ledger, asked))).toEqual({
    kind: "repeat",
    standing: "relayed",
    digest: [...digest],
  });
}

async function expectDoubtful(
  harness: LedgerHarness,
  ledger: Ledger,
  asked: ClaimRequest,
  firstDate: number,
): Promise<Claim> {
  const result = await one(harness, ledger, asked);
  expect(plain(result)).toMatchObject({ kind: "doubtful", firstDate });
  return (result as { claim: Claim }).claim;
}

/** Many turns of the event loop and of the ledger: what has not come by then waits for something else. */
async function settleDown(harness: LedgerHarness, ledger: Ledger): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    const claim = await claimed(harness, ledger, request(`unrelated ${turn}`));
    await soon(harness, ledger.attempt(claim, harness.now()));
    await soon(harness, ledger.settle(claim, "refused"));
    await soon(harness, ledger.release([claim]));
    await new Promise(setImmediate);
  }
}

/** The kinds of those that have answered by now. */
function watch(answers: readonly Promise<readonly ClaimResult[]>[]): ClaimResult[] {
  const come: ClaimResult[] = [];
  for (const answer of answers) {
    answer.then(
      (results) => come.push(...results),
      () => {},
    );
  }
  return come;
}

async function atMostOneHolder(harness: LedgerHarness, ledger: Ledger, asked: ClaimRequest): Promise<void> {
  const rivals = 12;
  const answers = Array.from({ length: rivals }, () => ledger.claim([asked]));
  const come = watch(answers);
  await soon(harness, Promise.race(answers));
  const ended = new Set<number>();
  for (let round = 0; round < rivals; round++) {
    await settleDown(harness, ledger);
    const holders = come.flatMap((result) =>
      "claim" in result && !ended.has(result.claim.fence) ? [result.claim] : [],
    );
    expect(holders.length).toBeLessThanOrEqual(1);
    if (round === 0) expect(holders.length).toBe(1);
    const fences = come.flatMap((result) => ("claim" in result ? [result.claim.fence] : []));
    expect(new Set(fences).size).toBe(fences.length);
    for (const holder of holders) ended.add(holder.fence);
    await soon(harness, ledger.release(holders));
  }
}

export const LEDGER_CHECKS: readonly LedgerCheck[] = [
  {
    rule: "L1",
    title: "of many concurrent claims one succeeds, and one more after each release",
    run: async (harness) => await atMostOneHolder(harness, await harness.open(), request("a")),
  },
  {
    rule: "L1",
    title: "so too when the id was relayed long before and the store has to be asked",
    async run(harness) {
      const ledger = await harness.open();
      await relay(harness, ledger, request("a"));
      await harness.pass(10);
      await atMostOneHolder(harness, ledger, request("a", { since: harness.now() }));
    },
  },
  {
    rule: "L2",
    title: "a claim waits for the one before it, and is a repeat once that is accepted",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a", { digest: digestOf(7) }));
      const waiting = ledger.claim([request("a")]);
      const come = watch([waiting]);
      await settleDown(harness, ledger);
      expect(come).toEqual([]);
      ledger.accepted([claim]);
      const [result] = await soon(harness, waiting);
      expect(plain(result)).toEqual({ kind: "repeat", standing: "underway", digest: [...digestOf(7)] });
    },
  },
  {
    rule: "L2",
    title: "a waiting claim succeeds once the one before it is released, under a greater fence",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      const waiting = ledger.claim([request("a")]);
      const come = watch([waiting]);
      await settleDown(harness, ledger);
      expect(come).toEqual([]);
      await soon(harness, ledger.release([claim]));
      const [result] = await soon(harness, waiting);
      expect(result?.kind).toBe("claimed");
      expect((result as { claim: Claim }).claim.fence).toBeGreaterThan(claim.fence);
    },
  },
  {
    rule: "L2",
    title: "a claim waits through attempts of one never accepted, and is a repeat once that is relayed",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      const waiting = ledger.claim([request("a")]);
      const come = watch([waiting]);
      await soon(harness, ledger.attempt(claim, 5));
      await soon(harness, ledger.settle(claim, "refused"));
      await soon(harness, ledger.attempt(claim, 6));
      await settleDown(harness, ledger);
      expect(come).toEqual([]);
      await soon(harness, ledger.settle(claim, "relayed"));
      const [result] = await soon(harness, waiting);
      expect(result).toMatchObject({ kind: "repeat", standing: "relayed" });
    },
  },
  {
    rule: "L3",
    title: "a claim of an accepted id is a repeat at once, underway, however its attempts go",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a", { digest: digestOf(7) }));
      ledger.accepted([claim]);
      const underway = { kind: "repeat", standing: "underway", digest: [...digestOf(7)] };
      expect(plain(await one(harness, ledger, request("a")))).toEqual(underway);
      await soon(harness, ledger.attempt(claim, 5));
      expect(plain(await one(harness, ledger, request("a")))).toEqual(underway);
      await soon(harness, ledger.settle(claim, "doubtful"));
      expect(plain(await one(harness, ledger, request("a")))).toEqual(underway);
      await soon(harness, ledger.attempt(claim, 6));
      await soon(harness, ledger.settle(claim, "refused"));
      expect(plain(await one(harness, ledger, request("a")))).toEqual(underway);
    },
  },
  {
    rule: "L4",
    title: "an id attempted before a crash is doubtful, with the date of its first attempt and its digest",
    async run(harness) {
      let ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a", { digest: digestOf(7) }));
      ledger.accepted([claim]);
      await soon(harness, ledger.attempt(claim, 12_345));
      await harness.crash();
      ledger = await harness.open();
      const again = await one(harness, ledger, request("a"));
      expect(plain(again)).toMatchObject({ kind: "doubtful", firstDate: 12_345, digest: [...digestOf(7)] });
      // A second process changes nothing by looking, and a second attempt nothing of the first date.
      await harness.crash();
      ledger = await harness.open();
      const third = await expectDoubtful(harness, ledger, request("a"), 12_345);
      await soon(harness, ledger.attempt(third, 99_999));
      await harness.crash();
      await expectDoubtful(harness, await harness.open(), request("a"), 12_345);
    },
  },
  {
    rule: "L4",
    title: "an id settled as doubtful before a crash is so after it",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(claim, 12_345));
      expect(await soon(harness, ledger.settle(claim, "doubtful"))).toBe("settled");
      await harness.crash();
      await expectDoubtful(harness, await harness.open(), request("a"), 12_345);
    },
  },
  {
    rule: "L5",
    title: "an id relayed before a crash is a repeat, with the digest of its claim",
    async run(harness) {
      let ledger = await harness.open();
      const asked = Array.from({ length: 50 }, (_, i) => request(`relayed ${i}`, { digest: digestOf(i) }));
      await Promise.all(asked.map((each) => relay(harness, ledger, each)));
      for (const each of asked) await expectRelayed(harness, ledger, each);
      await harness.crash();
      ledger = await harness.open();
      for (const each of asked) {
        await expectRelayed(harness, ledger, { ...each, digest: digestOf(99) }, each.digest);
      }
      expect(ledger.counts().open).toBe(0);
    },
  },
  {
    rule: "L5",
    title: "a doubtful id that is settled as relayed without another attempt is a repeat after a crash",
    async run(harness) {
      let ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(claim, 5));
      await soon(harness, ledger.settle(claim, "doubtful"));
      await soon(harness, ledger.release([claim]));
      const second = await expectDoubtful(harness, ledger, request("a"), 5);
      expect(await soon(harness, ledger.settle(second, "relayed"))).toBe("settled");
      await expectRelayed(harness, ledger, request("a"));
      await harness.crash();
      ledger = await harness.open();
      await expectRelayed(harness, ledger, request("a"));
    },
  },
  {
    rule: "L6",
    title: "an id refused before a crash is claimed after it as if never attempted",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      ledger.accepted([claim]);
      await soon(harness, ledger.attempt(claim, 12_345));
      expect(await soon(harness, ledger.settle(claim, "refused"))).toBe("settled");
      expect(ledger.counts()).toEqual({ claims: 1, open: 0 });
      await harness.crash();
      await claimed(harness, await harness.open(), request("a"));
    },
  },
  {
    rule: "L6",
    title: "the claim goes on after a refusal",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(claim, 5));
      await soon(harness, ledger.settle(claim, "refused"));
      expect(await soon(harness, ledger.attempt(claim, 6))).toBe("attempted");
      expect(await soon(harness, ledger.settle(claim, "relayed"))).toBe("settled");
      await expectRelayed(harness, ledger, request("a"));
    },
  },
  {
    rule: "L7",
    title: "a claim that was never attempted ends with its process, accepted or not",
    async run(harness) {
      const ledger = await harness.open();
      const before = await claimed(harness, ledger, request("a"));
      ledger.accepted([await claimed(harness, ledger, request("b"))]);
      await harness.crash();
      const after = await harness.open();
      expect(after.counts()).toEqual({ claims: 0, open: 0 });
      expect((await claimed(harness, after, request("a"))).fence).toBeGreaterThan(before.fence);
      await claimed(harness, after, request("b"));
    },
  },
  {
    rule: "L8",
    title: "a released id is absent",
    async run(harness) {
      const ledger = await harness.open();
      const claims = [
        await claimed(harness, ledger, request("a")),
        await claimed(harness, ledger, request("b")),
      ];
      ledger.accepted(claims);
      await soon(harness, ledger.release(claims));
      expect(ledger.counts()).toEqual({ claims: 0, open: 0 });
      await claimed(harness, ledger, request("a"));
      await claimed(harness, ledger, request("b"));
    },
  },
  {
    rule: "L8",
    title: "a released id in doubt stays doubtful, without a claim",
    async run(harness) {
      const ledger = await harness.open();
      const settled = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(settled, 5));
      await soon(harness, ledger.settle(settled, "doubtful"));
      const attempted = await claimed(harness, ledger, request("b"));
      await soon(harness, ledger.attempt(attempted, 6));
      await soon(harness, ledger.release([settled, attempted]));
      expect(ledger.counts()).toEqual({ claims: 0, open: 2 });
      await expectDoubtful(harness, ledger, request("a"), 5);
      await expectDoubtful(harness, ledger, request("b"), 6);
    },
  },
  {
    rule: "L9",
    title: "what a released claim says changes nothing for the next",
    async run(harness) {
      const ledger = await harness.open();
      const old = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.release([old]));
      const live = await claimed(harness, ledger, request("a"));
      expect(live.fence).toBeGreaterThan(old.fence);
      expect(await soon(harness, ledger.attempt(old, 5))).toBe("stale");
      for (const settlement of ["relayed", "refused", "doubtful"] as const) {
        expect(await soon(harness, ledger.settle(old, settlement))).toBe("stale");
      }
      await soon(harness, ledger.release([old]));
      ledger.accepted([old]);
      expect(ledger.counts()).toEqual({ claims: 1, open: 0 });
      const come = watch([ledger.claim([request("a")])]);
      await settleDown(harness, ledger);
      expect(come).toEqual([]);
      expect(await soon(harness, ledger.attempt(live, 5))).toBe("attempted");
    },
  },
  {
    rule: "L9",
    title: "a claim that was settled as relayed is stale",
    async run(harness) {
      const ledger = await harness.open();
      const claim = await relay(harness, ledger, request("a"));
      expect(await soon(harness, ledger.settle(claim, "refused"))).toBe("stale");
      expect(await soon(harness, ledger.attempt(claim, 5))).toBe("stale");
      await soon(harness, ledger.release([claim]));
      await expectRelayed(harness, ledger, request("a"));
    },
  },
  {
    rule: "L9",
    title: "a claim of a dead process is stale to the next",
    async run(harness) {
      const ledger = await harness.open();
      const dead = await claimed(harness, ledger, request("a"));
      await soon(harness, ledger.attempt(dead, 5));
      await harness.crash();
      const after = await harness.open();
      expect(await soon(harness, after.settle(dead, "relayed"))).toBe("stale");
      const live = await expectDoubtful(harness, after, request("a"), 5);
      expect(live.fence).toBeGreaterThan(dead.fence);
      expect(await soon(harness, after.settle(dead, "relayed"))).toBe("stale");
      expect(await soon(harness, after.settle(live, "refused"))).toBe("settled");
    },
  },
  {
    rule: "L10",
    title: "relayed ids stay for the retention while others come, and are absent once all that is over",
    async run(harness) {
      const ledger = await harness.open();
      const steps = 16;
      await relay(harness, ledger, request("first"));
      for (let step = 0; step < steps; step++) {
        for (let i = 0; i < 10; i++) await relay(harness, ledger, request(`other ${step} ${i}`));
        await expectRelayed(harness, ledger, request("first"));
        await harness.pass(Math.floor(harness.retentionMs / steps) - 1);
      }
      await expectRelayed(harness, ledger, request("first"));
      await expectRelayed(harness, ledger, request("other 0 0"));
      // Expired, with room for an implementation that expires coarsely or late.
      await harness.pass(harness.retentionMs / 2);
      await harness.pass(harness.retentionMs / 2);
      await claimed(harness, ledger, request("first"));
    },
  },
  {
    rule: "L10",
    title: "relayed ids stay for the retention across restarts",
    async run(harness) {
      let ledger = await harness.open();
      await relay(harness, ledger, request("a"));
      for (let restart = 0; restart < 4; restart++) {
        await harness.pass(Math.floor(harness.retentionMs / 5));
        if (restart % 2 === 0) await ledger.close();
        else await harness.crash();
        ledger = await harness.open();
        await relay(harness, ledger, request(`other ${restart}`));
        await expectRelayed(harness, ledger, request("a"));
      }
    },
  },
  {
    rule: "L11",
    title: "batches that overlap in any order all come to an end",
    async run(harness) {
      const ledger = await harness.open();
      const labels = ["a", "b", "c", "d", "e"];
      const orders = Array.from({ length: 20 }, (_, i) => {
        const turned = [...labels.slice(i % 5), ...labels.slice(0, i % 5)];
        return i % 2 === 0 ? turned : turned.reverse();
      });
      const ends = orders.map(async (order) => {
        const results = await ledger.claim(order.map((label) => request(label)));
        expect(results.length).toBe(order.length);
        results.forEach((result, i) => {
          if ("claim" in result) expect(result.claim.id).toBe(idOf(order[i] as string));
        });
        await ledger.release(results.flatMap((result) => ("claim" in result ? [result.claim] : [])));
      });
      await soon(harness, Promise.all(ends));
      expect(ledger.counts()).toEqual({ claims: 0, open: 0 });
    },
  },
  ...(["removed", "damaged", "cut"] as const).map(
    (how): LedgerCheck => ({
      rule: "L12",
      title: `a filter whose file was ${how} changes no result`,
      needs: ["spoilFilters"],
      async run(harness) {
        let ledger = await harness.open();
        const relayed = Array.from({ length: 20 }, (_, i) => request(`relayed ${i}`));
        for (const each of relayed) await relay(harness, ledger, each);
        await ledger.close();
        await harness.spoilFilters?.(how);
        ledger = await harness.open();
        for (const each of relayed) await expectRelayed(harness, ledger, each);
        await relay(harness, ledger, request("new"));
        await harness.crash();
        ledger = await harness.open();
        for (const each of [...relayed, request("new")]) await expectRelayed(harness, ledger, each);
        await claimed(harness, ledger, request("absent"));
      },
    }),
  ),
  {
    rule: "L13",
    title: "while the store fails claims reject and claim nothing, and then succeed",
    needs: ["breakStore"],
    async run(harness) {
      const ledger = await harness.open();
      await relay(harness, ledger, request("relayed"));
      const batch = ["absent", "relayed", "absent too"].map((label) => request(label));
      harness.breakStore?.();
      await expect(soon(harness, ledger.claim(batch))).rejects.toMatchObject({ name: "StorageError" });
      expect(ledger.counts()).toEqual({ claims: 0, open: 0 });
      harness.mendStore?.();
      const results = await soon(harness, ledger.claim(batch));
      expect(results.map((result) => result.kind)).toEqual(["claimed", "repeat", "claimed"]);
    },
  },
  {
    rule: "L13",
    title: "while the store fails attempts and settlements reject, and then succeed under the same claim",
    needs: ["breakStore"],
    async run(harness) {
      const ledger = await harness.open();
      const claim = await claimed(harness, ledger, request("a"));
      const failing = async (call: () => Promise<unknown>) => {
        harness.breakStore?.();
        await expect(soon(harness, call())).rejects.toMatchObject({ name: "StorageError" });
        harness.mendStore?.();
        return await soon(harness, call());
      };
      expect(await failing(() => ledger.attempt(claim, 5))).toBe("attempted");
      expect(await failing(() => ledger.settle(claim, "doubtful"))).toBe("settled");
      expect(await failing(() => ledger.settle(claim, "refused"))).toBe("settled");
      expect(await failing(() => ledger.settle(claim, "relayed"))).toBe("settled");
      await expectRelayed(harness, ledger, request("a"));
    },
  },
  {
    rule: "L14",
    title: "a relayed id is absent to a claim that counts from a later time",
    async run(harness) {
      const ledger = await harness.open();
      const before = harness.now();
      await relay(harness, ledger, request("a"));
      await expectRelayed(harness, ledger, request("a", { since: before }));
      await harness.pass(1000);
      const later = harness.now();
      await expectRelayed(harness, ledger, request("a"));
      const claim = await claimed(harness, ledger, request("a", { since: later, digest: digestOf(2) }));
      await soon(harness, ledger.attempt(claim, later));
      await soon(harness, ledger.settle(claim, "relayed"));
      await expectRelayed(harness, ledger, request("a", { since: later }), digestOf(2));
    },
  },
  {
    rule: "L14",
    title: "the doubt about a later mail of an id is not hidden by the relaying of an earlier one",
    async run(harness) {
      let ledger = await harness.open();
      await relay(harness, ledger, request("a"));
      await harness.pass(1);
      const claim = await claimed(harness, ledger, request("a", { since: harness.now() }));
      await soon(harness, ledger.attempt(claim, 777));
      await soon(harness, ledger.release([claim]));
      await expectDoubtful(harness, ledger, request("a"), 777);
      await harness.crash();
      ledger = await harness.open();
      await expectDoubtful(harness, ledger, request("a"), 777);
    },
  },
];

/** For sorting out which rules a ledger breaks; nothing here is reported as a failed test. */
export async function brokenRules(
  createHarness: () => Promise<LedgerHarness>,
): Promise<Map<LedgerRule, string[]>> {
  const broken = new Map<LedgerRule, string[]>();
  for (const check of LEDGER_CHECKS) {
    const harness = await createHarness();
    try {
      await check.run(harness);
    } catch (error) {
      const said = `${check.title}: ${error instanceof Error ? error.message : String(error)}`;
      broken.set(check.rule, [...(broken.get(check.rule) ?? []), said]);
    } finally {
      await harness.dispose();
    }
  }
  return broken;
}
