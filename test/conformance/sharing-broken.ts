// One defect for each rule of several gateways that breaks this rule: the proof that the checks detect.
import type { ClaimResult } from "../../src/ledger/ledger.ts";
import type { Engine, EngineLimits, InsertResult, LedgerRecord } from "../../src/ledger/shared/engine.ts";
import { HARNESS_LEASE_MS } from "./ledger-shared.ts";
import type { SharingRule } from "./sharing.ts";
import type { SharingDefect } from "./sharing-harness.ts";

export interface BrokenSharing {
  readonly rule: SharingRule;
  readonly defect: string;
  /** Rules that fall with it, and why they must. */
  readonly alsoFails?: readonly { readonly rule: SharingRule; readonly reason: string }[];
  readonly create: () => SharingDefect;
}

/** Records that are found look different. */
const seenAs = (change: (record: LedgerRecord) => LedgerRecord) => (engine: Engine) => ({
  ...engine,
  async insert(...input: Parameters<Engine["insert"]>) {
    const results = await engine.insert(...input);
    return results.map(
      (result): InsertResult =>
        result.kind === "found" ? { ...result, record: change(result.record) } : result,
    );
  },
  async read(...input: Parameters<Engine["read"]>) {
    const records = await engine.read(...input);
    return records.map((record) => (record === undefined ? undefined : change(record)));
  },
});

/** So does what one gateway finds, by its incarnation. */
const seenWith =
  (change: (own: number) => (record: LedgerRecord) => LedgerRecord) =>
  (engine: Engine): Engine => {
    let own = 0;
    return {
      ...engine,
      ...seenAs((record) => change(own)(record))(engine),
      async register(gateway) {
        own = await engine.register(gateway);
        return own;
      },
    };
  };

/** The engine goes by other limits than the gateways have agreed on. */
const limitedTo =
  (own: Partial<EngineLimits>) =>
  (engine: Engine): Engine => ({ ...engine, limit: (limits) => engine.limit({ ...limits, ...own }) });

const nameOf = (key: Uint8Array) => Buffer.from(key).toString("hex");

export const BROKEN_SHARINGS: readonly BrokenSharing[] = [
  {
    rule: "S1",
    defect: "of a large batch everything counts as inserted",
    create: () => ({
      engine: (engine) => ({
        ...engine,
        async insert(incarnation, batch) {
          const results = await engine.insert(incarnation, batch);
          if (batch.length < 20) return results;
          return results.map((result) =>
            result.kind === "found" ? { kind: "inserted", fence: result.record.fence + 1 } : result,
          );
        },
      }),
    }),
  },
  {
    rule: "S2",
    defect: "what is merely claimed elsewhere counts as accepted",
    create: () => ({
      engine: seenWith((own) => (record) => {
        const isOthers = record.holder?.alive === true && record.holder.incarnation !== own;
        return record.state === "claimed" && isOthers ? { ...record, state: "queued" } : record;
      }),
    }),
    alsoFails: [
      { rule: "S4", reason: "a claim waits there until the gateway is dead" },
      { rule: "S10", reason: "what blocks an id there is such a claim" },
    ],
  },
  {
    rule: "S3",
    defect: "whoever holds a doubtful id counts as dead",
    create: () => ({
      engine: seenAs((record) =>
        record.state === "doubtful" && record.holder !== undefined
          ? { ...record, holder: { ...record.holder, alive: false } }
          : record,
      ),
    }),
    alsoFails: [
      { rule: "S1", reason: "what was taken over in doubt and accepted is such an id" },
      { rule: "S4", reason: "the holder of what is attempted again is at work on such an id" },
      { rule: "S13", reason: "whether a live gateway has it is part of what is known of a doubt" },
      { rule: "S16", reason: "so is what is awaited and in doubt" },
      { rule: "S17", reason: "whose holder is dead is decided anywhere" },
    ],
  },
  {
    rule: "S4",
    defect: "a gateway counts as dead after half a lease",
    create: () => ({ engine: limitedTo({ leaseMs: HARNESS_LEASE_MS / 2 }) }),
    alsoFails: [{ rule: "S19", reason: "so it does while a change is under way" }],
  },
  {
    rule: "S5",
    defect: "the relaying is recorded whatever the fence",
    create: () => ({
      engine: (engine) => ({
        ...engine,
        async change(batch) {
          const records = await engine.read(batch.map(({ key }) => key));
          return await engine.change(
            batch.map((one, i) =>
              one.to === "relayed" ? { ...one, fence: records[i]?.fence ?? one.fence } : one,
            ),
          );
        },
      }),
    }),
  },
  {
    rule: "S6",
    defect: "no time passes while the process is stopped",
    create: () => ({ elapsed: () => 0 }),
    alsoFails: [
      { rule: "S2", reason: "how long a claim has waited is known by the same clock" },
      { rule: "S15", reason: "and how long the engine was away" },
    ],
  },
  {
    rule: "S7",
    defect: "what was taken over once is never had again",
    create() {
      const lost = new Set<string>();
      return {
        engine: (engine) => ({
          ...engine,
          async change(batch) {
            const changed = await engine.change(batch);
            batch.forEach(({ key }, i) => void (changed[i] || lost.add(nameOf(key))));
            return changed;
          },
          async insert(incarnation, batch) {
            const results = await engine.insert(incarnation, batch);
            return results.map((result, i): InsertResult => {
              const { key, digest } = batch[i] as (typeof batch)[number];
              if (!lost.has(nameOf(key)) || result.kind !== "inserted") return result;
              const relayed = { at: Number.MAX_SAFE_INTEGER, digest };
              const record: LedgerRecord = {
                ...{ state: "relayed", fence: result.fence, digest, firstDate: undefined, relayed },
                ...{
                  step: 0,
                  changedAt: 0,
                  holder: undefined,
                  bound: false,
                  expired: false,
                  forgotten: false,
                },
              };
              return { kind: "found", record };
            });
          },
        }),
      };
    },
    alsoFails: [
      { rule: "S10", reason: "a release that is not answered is asked for again, and changes nothing then" },
    ],
  },
  {
    rule: "S8",
    defect: "an earlier life of a gateway counts as alive",
    create() {
      const ended = new Set<number>();
      const current = new Map<string, number>();
      return {
        engine: (engine) => ({
          ...engine,
          ...seenAs((record) =>
            record.holder !== undefined && ended.has(record.holder.incarnation)
              ? { ...record, holder: { ...record.holder, alive: true } }
              : record,
          )(engine),
          async register(gateway) {
            const before = current.get(gateway);
            if (before !== undefined) ended.add(before);
            const incarnation = await engine.register(gateway);
            current.set(gateway, incarnation);
            return incarnation;
          },
        }),
      };
    },
    alsoFails: [
      { rule: "S9", reason: "the second process claims what the first held, as after any restart" },
      { rule: "S20", reason: "in one of its checks a gateway starts again" },
    ],
  },
  {
    rule: "S9",
    defect: "every heartbeat is that of a current incarnation",
    create: () => ({
      engine: (engine) => ({
        ...engine,
        beat: async (gateway, incarnation, confirmed) => ({
          ...(await engine.beat(gateway, incarnation, confirmed)),
          current: true,
        }),
      }),
    }),
  },
  {
    rule: "S10",
    defect: "a gateway does not know its own claims again",
    create: () => ({
      engine: seenWith(
        (own) => (record) =>
          record.holder?.incarnation === own
            ? { ...record, holder: { incarnation: own + 0.5, alive: true } }
            : record,
      ),
    }),
    alsoFails: [{ rule: "S21", reason: "whose id it is tells how evidence settles it" }],
  },
  {
    rule: "S11",
    defect: "changes under one fence are not numbered",
    create: () => ({
      engine: (engine) => ({
        ...engine,
        change: (batch) => engine.change(batch.map((one) => ({ ...one, step: 2 ** 31 - 1 }))),
      }),
    }),
    alsoFails: [
      { rule: "S4", reason: "the number tells that what is in doubt is attempted again" },
      { rule: "S20", reason: "what is forgotten is such a change" },
      { rule: "S21", reason: "a settlement under the fence of another gateway is such a change" },
    ],
  },
  {
    rule: "S12",
    defect: "a batch is claimed in the order of its requests",
    create: () => ({
      ledger: (inner) => ({
        ...inner,
        async claim(requests) {
          const results: ClaimResult[] = [];
          try {
            for (const request of requests) results.push(...(await inner.claim([request])));
            return results;
          } catch (error) {
            await inner.release(results.flatMap((result) => ("claim" in result ? [result.claim] : [])));
            throw error;
          }
        },
      }),
    }),
    alsoFails: [{ rule: "S4", reason: "the wait of one id is none of the others'" }],
  },
  {
    rule: "S13",
    defect: "a gateway sees only the doubt that nobody has",
    create: () => ({
      engine: (engine) => ({
        ...engine,
        async *open() {
          for await (const one of engine.open()) if (one.record.holder === undefined) yield one;
        },
      }),
    }),
  },
  {
    rule: "S14",
    defect: "what was relayed expires too early",
    create: () => ({ engine: limitedTo({ retentionMs: HARNESS_LEASE_MS / 20 }) }),
    alsoFails: [
      { rule: "S19", reason: "so it does while a change is under way" },
      { rule: "S20", reason: "so does what is forgotten" },
      { rule: "S21", reason: "so does what evidence has settled" },
    ],
  },
  {
    rule: "S15",
    defect: "who is not heard of counts as gone, whatever the reason",
    create: () => ({
      engine: seenAs((record) =>
        record.holder?.alive === false ? { ...record, holder: undefined } : record,
      ),
    }),
    alsoFails: [{ rule: "S4", reason: "the log does not say that it is taken over from somebody" }],
  },
  {
    rule: "S16",
    defect: "whatever is accepted elsewhere counts as bound",
    create: () => ({ engine: seenAs((record) => ({ ...record, bound: true })) }),
  },
  {
    rule: "S17",
    defect: "whoever decides takes the id over, also from a gateway that lives",
    create: () => ({
      ledger: (inner) => ({
        ...inner,
        async decide(id, decision) {
          const said = await inner.decide(id, decision);
          return said === "elsewhere" ? (decision === "relayed" ? "relayed" : "absent") : said;
        },
      }),
    }),
  },
  {
    rule: "S18",
    defect: "each gateway goes by its own settings",
    create: () => ({
      engine: (engine) => ({ ...engine, settings: async () => undefined, putSettings: async () => true }),
    }),
    alsoFails: [{ rule: "S19", reason: "there is nothing to change" }],
  },
  {
    rule: "S19",
    defect: "a change is in force for each gateway that has heard of it",
    create: () => ({
      engine: (engine) => ({
        ...engine,
        async beat(...input) {
          const { settings, ...beat } = await engine.beat(...input);
          if (settings === undefined) return { ...beat, settings };
          const { before: _, ...now } = JSON.parse(settings.text);
          return { ...beat, settings: { ...settings, text: JSON.stringify(now) } };
        },
      }),
    }),
  },
  {
    rule: "S20",
    defect: "what is forgotten counts as never relayed, whoever claims it",
    create: () => ({
      engine: seenAs((record) => (record.forgotten ? { ...record, relayed: undefined } : record)),
    }),
    alsoFails: [{ rule: "S21", reason: "one of its checks is that evidence does not undo it" }],
  },
  {
    rule: "S21",
    defect: "evidence says that it has settled what another gateway holds, and does not",
    create: () => ({
      ledger: (inner) => ({
        ...inner,
        async prove(id, at) {
          const { state, ...looked } = await inner.look(id);
          const isElsewhere = "holder" in looked && looked.holder === "elsewhere";
          return isElsewhere && state === "doubtful" ? "relayed" : await inner.prove(id, at);
        },
      }),
    }),
  },
];
