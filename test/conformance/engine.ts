// The contract of an engine (src/ledger/shared/engine.ts) as checks that every engine is put to. Most of it is
// one property: whatever is asked in whatever order, it answers as the engine in memory does.
import fc from "fast-check";
import { expect } from "vitest";
import {
  BATCH_MAX,
  type Change,
  type Engine,
  type EngineLimits,
  type Insertion,
  type LedgerRecord,
  type RecordState,
} from "../../src/ledger/shared/engine.ts";
import { pseudoIds } from "../support/ids.ts";
import { type EnginePlace, memoryPlace } from "./ledger-shared.ts";
import { digestOf } from "./ledger-steps.ts";

export type CreatePlace = (limits: EngineLimits) => Promise<EnginePlace>;

export interface EngineCheck {
  readonly title: string;
  readonly run: (create: CreatePlace) => Promise<void>;
}

const START = 1_700_000_000_000;
const RETENTION_MS = 60_000;
const LEASE_MS = 30_000;
const BEAT_MS = 5_000;
const LIMITS: EngineLimits = { retentionMs: RETENTION_MS, leaseMs: LEASE_MS };
/** For the property: nobody dies of silence. */
const FOR_EVER_MS = 1e12;

/** With one place of its own, whose time begins at START. */
async function withPlace(
  create: CreatePlace,
  limits: EngineLimits,
  work: (place: EnginePlace) => Promise<void>,
): Promise<void> {
  const place = await create(limits);
  try {
    await place.setTime(START);
    await work(place);
  } finally {
    await place.dispose();
  }
}

const keysOf = (label: string, count: number): Uint8Array[] =>
  [...pseudoIds(label, count)].sort((a, b) => Buffer.compare(a, b));
const insertionOf = (key: Uint8Array): Insertion => ({ key, digest: digestOf(1) });

async function inserted(engine: Engine, incarnation: number, key: Uint8Array): Promise<number> {
  const [result] = await engine.insert(incarnation, [insertionOf(key)]);
  expect(result?.kind).toBe("inserted");
  return (result as { fence: number }).fence;
}

function changeTo(
  key: Uint8Array,
  fence: number,
  step: number,
  to: Change["to"],
  firstDate?: string,
  bound = false,
): Change {
  return { key, fence, step, to, digest: digestOf(2), firstDate, bound };
}

async function openStates(engine: Engine): Promise<RecordState[]> {
  const states: RecordState[] = [];
  for await (const { record } of engine.open()) states.push(record.state);
  return states.sort();
}

const aliveOf = async (engine: Engine, key: Uint8Array) => (await engine.read([key]))[0]?.holder?.alive;

/** Values only, and numbers that engines choose freely replaced by the order in which they came up. */
function plainer() {
  const incarnations: number[] = [];
  return {
    incarnation: (value: number) => void incarnations.push(value),
    record: (record: LedgerRecord | undefined) =>
      record && {
        ...record,
        fence: undefined,
        digest: [...record.digest],
        relayed: record.relayed && { at: record.relayed.at, digest: [...record.relayed.digest] },
        holder: record.holder && {
          alive: record.holder.alive,
          gateway: record.holder.gateway,
          incarnation: incarnations.indexOf(record.holder.incarnation),
        },
      },
  };
}

const KEYS = keysOf("model", 3);
const GATEWAYS = ["a", "b"];
const TARGETS: readonly Change["to"][] = [
  "claimed",
  "queued",
  "attempted",
  "doubtful",
  "reclaimed",
  "remembered",
  "relayed",
  "restored",
  "forgotten",
  "absent",
];

const stepArb = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("insert" as const), key: fc.nat(2), by: fc.nat(1) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("take" as const),
      key: fc.nat(2),
      by: fc.nat(1),
      to: fc.constantFrom("claimed" as const, "reclaimed" as const),
      keepsRelayed: fc.boolean(),
      isWrong: fc.constantFrom(undefined, "fence" as const, "state" as const, "step" as const),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("change" as const),
      key: fc.nat(2),
      to: fc.constantFrom(...TARGETS),
      // 0 is what a record begins with, and no change's.
      step: fc.integer({ min: 1, max: 5 }),
      isStale: fc.boolean(),
      isBound: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1, 700, 40_000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("register" as const), by: fc.nat(1) }) },
);
type Step = typeof stepArb extends fc.Arbitrary<infer T> ? T : never;

/** What a place answers to the steps, and all records after each of them. */
async function answersOf(place: EnginePlace, steps: readonly Step[]): Promise<unknown[]> {
  const engine = await place.connect();
  const { incarnation: name, record: plain } = plainer();
  const lives: number[] = [];
  for (const [i, gateway] of GATEWAYS.entries()) {
    lives[i] = await engine.register(gateway);
    name(lives[i]);
  }
  let now = START;
  await place.setTime(now);
  const answers: unknown[] = [];
  for (const step of steps) {
    const records = await engine.read(KEYS);
    answers.push(records.map(plain));
    const key = KEYS["key" in step ? step.key : 0] as Uint8Array;
    const record = "key" in step ? records[step.key] : undefined;
    if (step.do === "insert") {
      const [answer] = await engine.insert(lives[step.by] as number, [insertionOf(key)]);
      answers.push(answer?.kind === "found" ? plain(answer.record) : answer?.kind);
    } else if (step.do === "register") {
      lives[step.by] = await engine.register(GATEWAYS[step.by] as string);
      name(lives[step.by] as number);
    } else if (step.do === "pass") {
      now += step.ms;
      await place.setTime(now);
    } else if (step.do === "take" && record !== undefined) {
      const state = record.state === "claimed" ? "queued" : "claimed";
      const from = {
        fence: step.isWrong === "fence" ? record.fence - 1 : record.fence,
        state: step.isWrong === "state" ? state : record.state,
        step: step.isWrong === "step" ? record.step + 1 : record.step,
      };
      const firstDate = step.to === "reclaimed" ? "a date" : undefined;
      const relayed = step.keepsRelayed ? record.relayed : undefined;
      const taking = { key, from, to: step.to, digest: digestOf(3), firstDate, relayed };
      const [fence] = await engine.take(lives[step.by] as number, [taking]);
      if (fence !== undefined) expect(fence).toBeGreaterThan(record.fence);
      answers.push(fence !== undefined);
    } else if (step.do === "change" && record !== undefined) {
      if (["restored", "forgotten"].includes(step.to) && record.relayed === undefined) continue;
      // What nobody holds is forgotten, and not changed otherwise.
      if (record.holder === undefined && step.to !== "forgotten") continue;
      const fence = step.isStale ? record.fence - 1 : record.fence;
      const hasDate = ["attempted", "doubtful", "reclaimed", "remembered"].includes(step.to);
      const [answer] = await engine.change([
        changeTo(key, fence, step.step, step.to, hasDate ? "a date" : undefined, step.isBound),
      ]);
      answers.push(answer);
    }
  }
  return answers;
}

export const ENGINE_CHECKS: readonly EngineCheck[] = [
  {
    title: "it answers as the engine in memory does, whatever is asked",
    async run(create) {
      const limits = { retentionMs: RETENTION_MS, leaseMs: FOR_EVER_MS };
      await fc.assert(
        fc.asyncProperty(fc.array(stepArb, { minLength: 5, maxLength: 30 }), async (steps) => {
          await withPlace(create, limits, async (place) => {
            const model = memoryPlace(limits);
            await model.setTime(START);
            expect(await answersOf(place, steps)).toEqual(await answersOf(model, steps));
          });
        }),
        { numRuns: 40 },
      );
    },
  },
  {
    title: "fences of an id only grow, also when it was gone in between",
    run: (create) =>
      withPlace(create, LIMITS, async (place) => {
        const [key] = KEYS as [Uint8Array];
        const engine = await place.connect();
        const life = await engine.register("a");
        let last = 0;
        for (let round = 0; round < 20; round++) {
          const fence = await inserted(engine, life, key);
          expect(fence).toBeGreaterThan(last);
          expect(fence).toBeLessThan(2 ** 53);
          last = fence;
          expect(await engine.change([changeTo(key, fence, 1, "absent")])).toEqual([true]);
          expect(await engine.change([changeTo(key, fence, 2, "queued")])).toEqual([false]);
        }
      }),
  },
  {
    title: "the largest batch is answered in its order, and none without a request",
    run: (create) =>
      withPlace(create, LIMITS, async (place) => {
        const engine = await place.connect();
        const life = await engine.register("a");
        const keys = keysOf("batch", BATCH_MAX);
        const half = keys.filter((_, i) => i % 2 === 0);
        await engine.insert(life, half.map(insertionOf));
        const kinds = (await engine.insert(life, keys.map(insertionOf))).map(({ kind }) => kind);
        expect(kinds).toEqual(keys.map((_, i) => (i % 2 === 0 ? "found" : "inserted")));
        const fences = (await engine.read(keys)).map((record) => record?.fence ?? 0);
        const changes = keys.map((key, i) =>
          changeTo(key, (fences[i] as number) - (i % 3 === 0 ? 1 : 0), 1, i % 2 === 0 ? "absent" : "relayed"),
        );
        expect(await engine.change(changes)).toEqual(keys.map((_, i) => i % 3 !== 0));
        const states = (await engine.read(keys)).map((record) => record?.state);
        expect(states).toEqual(
          keys.map((_, i) => (i % 3 === 0 ? "claimed" : i % 2 === 0 ? undefined : "relayed")),
        );
        expect(await engine.insert(life, [])).toEqual([]);
        expect(await engine.read([])).toEqual([]);
        expect(await engine.take(life, [])).toEqual([]);
        expect(await engine.change([])).toEqual([]);
      }),
  },
  {
    title: "of many engines that insert one id one succeeds, and of many that take it",
    run: (create) =>
      withPlace(create, LIMITS, async (place) => {
        const [key] = KEYS as [Uint8Array];
        const engines = await Promise.all(Array.from({ length: 4 }, () => place.connect()));
        const lives = await Promise.all(engines.map((engine, i) => engine.register(`gateway-${i}`)));
        expect(new Set(lives).size).toBe(engines.length);
        const results = await Promise.all(
          engines.map((engine, i) => engine.insert(lives[i] as number, [insertionOf(key)])),
        );
        expect(results.flat().filter(({ kind }) => kind === "inserted")).toHaveLength(1);
        const [from] = (await (engines[0] as Engine).read([key])) as [LedgerRecord];
        const taking = {
          key,
          from,
          to: "claimed",
          digest: digestOf(1),
          firstDate: undefined,
          relayed: undefined,
        };
        const taken = await Promise.all(
          engines.map((engine, i) => engine.take(lives[i] as number, [{ ...taking, to: "claimed" }])),
        );
        expect(taken.flat().filter((fence) => fence !== undefined)).toHaveLength(1);
      }),
  },
  {
    title:
      "a holder is dead when its gateway registers again or retires at once, and when silent after a lease",
    run: (create) =>
      withPlace(create, LIMITS, async (place) => {
        const [first, second, third] = KEYS as [Uint8Array, Uint8Array, Uint8Array];
        const [a, b] = [await place.connect(), await place.connect()];
        const [early, other] = [await a.register("a"), await b.register("b")];
        await inserted(a, early, first);
        expect(await aliveOf(b, first)).toBe(true);
        expect(await b.beat("b", other, 0)).toMatchObject({ current: true, gateways: 2 });
        const again = await place.connect();
        const late = await again.register("a");
        expect(late).toBeGreaterThan(early);
        expect(await aliveOf(b, first)).toBe(false);
        expect(await a.beat("a", early, 0)).toMatchObject({ current: false });
        await a.retire("a", early);
        await inserted(again, late, second);
        expect(await aliveOf(b, second)).toBe(true);
        await again.retire("a", late);
        expect(await aliveOf(b, second)).toBe(false);
        expect(await b.beat("b", other, 0)).toMatchObject({ current: true, gateways: 1 });
        const silent = await again.register("a");
        await inserted(again, silent, third);
        await b.beat("b", other, 0);
        let now = START;
        for (const end = now + LEASE_MS - 1; now < end; ) {
          now = Math.min(now + BEAT_MS, end);
          await place.setTime(now);
          await b.beat("b", other, 0);
        }
        expect(await aliveOf(b, third)).toBe(true);
        await place.setTime(now + BEAT_MS);
        expect(await b.beat("b", other, 0)).toMatchObject({ current: true, gateways: 1 });
        expect(await aliveOf(b, third)).toBe(false);
        expect(await again.beat("a", silent, 0)).toMatchObject({ current: true });
        expect(await aliveOf(b, third)).toBe(true);
      }),
  },
  {
    title:
      "settings are written once for each version, and a beat brings them, and what all that live have confirmed",
    run: (create) =>
      withPlace(create, LIMITS, async (place) => {
        const [a, b] = [await place.connect(), await place.connect()];
        expect(await a.settings()).toBeUndefined();
        const first = await Promise.all([
          a.putSettings(0, { version: 1, text: "one" }),
          b.putSettings(0, { version: 1, text: "other" }),
        ]);
        expect(first.filter((isWritten) => isWritten)).toHaveLength(1);
        const text = first[0] ? "one" : "other";
        for (const engine of [a, b]) expect(await engine.settings()).toEqual({ version: 1, text });
        const [one, other] = [await a.register("a"), await b.register("b")];
        // The other has confirmed nothing yet.
        expect(await a.beat("a", one, 1)).toMatchObject({ settings: { version: 1, text }, confirmed: 0 });
        expect(await b.beat("b", other, 1)).toMatchObject({ confirmed: 1 });
        expect(await b.putSettings(2, { version: 3, text: "too late" })).toBe(false);
        expect(await b.putSettings(1, { version: 2, text: "two" })).toBe(true);
        expect(await a.putSettings(1, { version: 2, text: "two too" })).toBe(false);
        const settings = { version: 2, text: "two" };
        expect(await a.beat("a", one, 1)).toMatchObject({ settings, confirmed: 1 });
        expect(await a.beat("a", one, 2)).toMatchObject({ settings, confirmed: 1 });
        expect(await b.beat("b", other, 2)).toMatchObject({ confirmed: 2 });
        // What an earlier life has confirmed does not count for the next one.
        const again = await b.register("b");
        expect(await a.beat("a", one, 2)).toMatchObject({ confirmed: 0 });
        await b.retire("b", again);
        expect(await a.beat("a", one, 2)).toMatchObject({ confirmed: 2 });
      }),
  },
  {
    title: "its limits are those that it was given last",
    run: (create) =>
      withPlace(create, LIMITS, async (place) => {
        const [key, other] = KEYS as [Uint8Array, Uint8Array];
        const [a, b] = [await place.connect(), await place.connect()];
        const [life, watching] = [await a.register("a"), await b.register("b")];
        await inserted(a, life, key);
        const fence = await inserted(a, life, other);
        await a.change([changeTo(other, fence, 1, "relayed")]);
        expect(await aliveOf(b, key)).toBe(true);
        const wait = async (ms: number) => {
          for (const end = now + ms; now < end; ) {
            now = Math.min(now + BEAT_MS, end);
            await place.setTime(now);
            await b.beat("b", watching, 0);
          }
        };
        let now = START;
        await wait(LEASE_MS - BEAT_MS);
        expect(await aliveOf(b, key)).toBe(true);
        b.limit({ leaseMs: LEASE_MS / 2, retentionMs: LEASE_MS / 2 });
        expect(await aliveOf(b, key)).toBe(false);
        expect((await b.read([other]))[0]?.expired).toBe(true);
        b.limit({ leaseMs: LEASE_MS * 4, retentionMs: LEASE_MS * 4 });
        await wait(LEASE_MS * 2);
        expect(await aliveOf(b, key)).toBe(true);
        expect((await b.read([other]))[0]?.expired).toBe(false);
      }),
  },
  {
    title: "what is open is found whole, and swept after the retention unless a live holder has it",
    run: (create) =>
      withPlace(create, LIMITS, async (place) => {
        const states = [
          "claimed",
          "queued",
          "attempted",
          "doubtful",
          "reclaimed",
          "remembered",
          "relayed",
        ] as const;
        const keys = keysOf("open", states.length);
        const engine = await place.connect();
        const life = await engine.register("a");
        for (const [i, state] of states.entries()) {
          const key = keys[i] as Uint8Array;
          const fence = await inserted(engine, life, key);
          const isOpen = !["claimed", "queued", "relayed"].includes(state);
          await engine.change([changeTo(key, fence, 1, state, isOpen ? `date of ${state}` : undefined)]);
        }
        const open = ["attempted", "doubtful", "reclaimed", "remembered"];
        expect(await openStates(engine)).toEqual(open);
        await place.setTime(START + RETENTION_MS);
        await engine.beat("a", life, 0);
        expect(await sweptDates(engine)).toEqual([]);
        await place.setTime(START + RETENTION_MS + 1);
        await engine.beat("a", life, 0);
        expect(await sweptDates(engine)).toEqual(["date of remembered"]);
        expect(await openStates(engine)).toEqual(open.slice(0, -1));
        await engine.retire("a", life);
        expect(await sweptDates(engine)).toEqual([
          "date of attempted",
          "date of doubtful",
          "date of reclaimed",
        ]);
        expect(await openStates(engine)).toEqual([]);
        expect((await engine.read(keys)).every((record) => record === undefined || !record.firstDate)).toBe(
          true,
        );
      }),
  },
];

async function sweptDates(engine: Engine): Promise<string[]> {
  const dates: string[] = [];
  for (let more = true; more; ) {
    const announced: string[] = [];
    const swept = await engine.sweep(({ firstDate }) => announced.push(firstDate));
    const gone = swept.doubts.map(({ firstDate }) => firstDate);
    expect(announced.sort()).toEqual([...gone].sort());
    dates.push(...gone);
    more = swept.more;
  }
  return dates.sort();
}
