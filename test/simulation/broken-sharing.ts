// Gateways that share a ledger, or the ledger that they share, broken on purpose, each in one way: the proof
// that the simulation detects. They are made from outside, by what each gateway sees of the engine.

import type { Change, Engine, InsertResult, LedgerRecord, Taking } from "../../src/ledger/shared/engine.ts";
import { encodeBase32 } from "../../src/runtime/base32.ts";
import type { BrokenGateway } from "./broken.ts";
import type { Machine } from "./machine.ts";
import { CHANGED_SETTINGS, EVERYONE, FORGETFUL } from "./people.ts";
import { withChangingReply, withLostDoubt } from "./plan.ts";
import type { Defect } from "./simulate.ts";
import { watchedSpool } from "./worlds.ts";

type Make = (engine: Engine) => Partial<Engine>;

/** An engine of which some calls are others. */
const withCalls =
  (make: Make) =>
  (engine: Engine): Engine => ({ ...engine, ...make(engine) });

/**
 * Records look different to a gateway, by its own incarnation; what it takes by them is taken whatever their
 * true state is.
 */
const seenAs = (change: (record: LedgerRecord, own: number) => LedgerRecord) =>
  withCalls((engine) => {
    let own = 0;
    return {
      async register(gateway) {
        own = await engine.register(gateway);
        return own;
      },
      async insert(...input) {
        const results = await engine.insert(...input);
        return results.map(
          (result): InsertResult =>
            result.kind === "found" ? { ...result, record: change(result.record, own) } : result,
        );
      },
      async read(...input) {
        const records = await engine.read(...input);
        return records.map((record) => (record === undefined ? undefined : change(record, own)));
      },
      async take(incarnation, batch) {
        const records = await engine.read(batch.map(({ key }) => key));
        return await engine.take(
          incarnation,
          batch.map((one, at): Taking => {
            const { state, fence, step } = records[at] ?? one.from;
            return fence === one.from.fence ? { ...one, from: { state, fence, step } } : one;
          }),
        );
      },
    };
  });

/** What another gateway holds, and is taken for alive or not. */
const alive = (record: LedgerRecord, isAlive: boolean): LedgerRecord =>
  record.holder === undefined ? record : { ...record, holder: { ...record.holder, alive: isAlive } };

const changedTo = (change: (one: Change) => Change) =>
  withCalls((engine) => ({ change: (batch) => engine.change(batch.map(change)) }));

/** As the record is now. */
const withCurrentFence = withCalls((engine) => ({
  async change(batch) {
    const records = await engine.read(batch.map(({ key }) => key));
    return await engine.change(
      batch.map((one, at) => ({ ...one, fence: records[at]?.fence ?? one.fence, step: STEP_MAX })),
    );
  },
}));

/** Greater than that of any change. */
const STEP_MAX = 2 ** 31 - 1;

/** An engine that is away counts as one that has agreed. */
const failingOpen = withCalls((engine) => ({
  insert: (incarnation, batch) =>
    engine
      .insert(incarnation, batch)
      .catch(() => batch.map((): InsertResult => ({ kind: "inserted", fence: 1 }))),
  change: (batch) => engine.change(batch).catch(() => batch.map(() => true)),
}));

const notNoted = withCalls((engine) => ({
  async change(batch) {
    const noted = batch.filter(({ to }) => to !== "attempted");
    const answers = (await engine.change(noted)).values();
    return batch.map(({ to }) => to === "attempted" || answers.next().value === true);
  },
}));

/** What is settled as relayed under a claim that is another's counts as recorded. */
const lostClaimSettles = withCalls((engine) => ({
  async change(batch) {
    const answers = await engine.change(batch);
    return answers.map((answer, at) => answer || batch[at]?.to === "relayed");
  },
}));

/** Lives of a gateway that has begun another since. */
const earlierLives = () => {
  const ended = new Set<number>();
  const current = new Map<string, number>();
  const see = seenAs((record) => (ended.has(record.holder?.incarnation ?? 0) ? alive(record, true) : record));
  return (engine: Engine): Engine =>
    see({
      ...engine,
      async register(gateway) {
        const before = current.get(gateway);
        if (before !== undefined) ended.add(before);
        const incarnation = await engine.register(gateway);
        current.set(gateway, incarnation);
        return incarnation;
      },
    });
};

/** That of another gateway never grows old. */
const neverOld = () => {
  const owners = new Map<number, Machine>();
  return (engine: Engine, machine: Machine): Engine =>
    seenAs((record) => {
      const owner = owners.get(record.holder?.incarnation ?? 0);
      return owner === undefined || owner === machine ? record : alive(record, true);
    })({
      ...engine,
      async register(gateway) {
        const incarnation = await engine.register(gateway);
        owners.set(incarnation, machine);
        return incarnation;
      },
    });
};

/** What a gateway has in its spool it leaves to another as soon as that relays it, whatever the clients heard. */
const leftToOthers = (): Defect => {
  const spooled = new Map<Machine, Set<string>>();
  const seen = (machine: Machine, key: Uint8Array, record: LedgerRecord): LedgerRecord =>
    spooled.get(machine)?.has(encodeBase32(key)) === true ? { ...record, bound: true } : record;
  return {
    world(world, machine) {
      const ids = spooled.get(machine) ?? new Set();
      spooled.set(machine, ids);
      return watchedSpool(
        world,
        (_, id) => ids.add(id),
        () => {},
      );
    },
    engine: (engine, machine) => ({
      ...engine,
      async insert(incarnation, batch) {
        const results = await engine.insert(incarnation, batch);
        return results.map((result, at): InsertResult => {
          const key = batch[at]?.key;
          if (result.kind !== "found" || key === undefined) return result;
          return { ...result, record: seen(machine, key, result.record) };
        });
      },
      async read(keys) {
        const records = await engine.read(keys);
        return records.map((record, at) => {
          const key = keys[at];
          return record === undefined || key === undefined ? record : seen(machine, key, record);
        });
      },
    }),
  };
};

export const BROKEN_SHARINGS: readonly BrokenGateway[] = [
  {
    name: "lease-not-looked-at",
    defect: "a claim is taken over whether its holder is alive or not",
    create: () => ({ engine: seenAs((record) => alive(record, false)) }),
  },
  {
    name: "attempted-as-new",
    defect: "what a dead gateway attempted is taken over as if it never had",
    create: () => ({
      engine: seenAs((record) => {
        const isTried = record.state === "attempted" || record.state === "doubtful";
        return isTried && record.holder?.alive === false ? { ...record, state: "queued" } : record;
      }),
    }),
  },
  {
    name: "repeat-of-the-unspooled",
    defect: "a claim that is not yet in another's spool counts as a repeat",
    create: () => ({
      engine: seenAs((record, own) => {
        const isOthers = record.holder?.alive === true && record.holder.incarnation !== own;
        return record.state === "claimed" && isOthers ? { ...record, state: "queued", bound: true } : record;
      }),
    }),
  },
  {
    name: "fence-not-compared",
    defect: "attempt, settle and release change the record whatever its fence",
    create: () => ({ engine: withCurrentFence }),
  },
  {
    name: "pause-not-seen",
    defect: "no time passes while the process is paused: its lease looks fresh after it",
    create: () => ({
      world: (world, machine) => ({ ...world, elapsed: () => machine.elapsed() - machine.pausedMs }),
    }),
  },
  {
    name: "earlier-life-alive",
    defect: "what an earlier life of a gateway held counts as held after a restart",
    create: () => ({ engine: earlierLives() }),
  },
  {
    name: "dead-for-ever-alive",
    defect: "the heartbeat of another gateway never grows old",
    create: () => ({ engine: neverOld() }),
  },
  {
    name: "attempt-not-written",
    defect: "the attempt is not written into the ledger",
    create: () => ({ engine: notNoted }),
  },
  {
    name: "doubt-released",
    defect: "a doubtful id that is given up is forgotten",
    create: () => ({
      engine: changedTo((one) => (one.to === "remembered" ? { ...one, to: "absent" } : one)),
    }),
  },
  {
    name: "date-not-kept",
    defect: "who takes over an attempt does not learn its Date",
    create: () => ({
      engine: seenAs((record) =>
        record.firstDate === undefined ? record : { ...record, firstDate: "Thu, 01 Jan 1970 00:00:00 +0000" },
      ),
    }),
  },
  {
    name: "relayed-under-lost-claim",
    defect: "what is settled as relayed under a claim that was lost counts as recorded",
    create: () => ({ engine: lostClaimSettles }),
    actors: EVERYONE,
    plan: withLostDoubt,
  },
  {
    name: "fails-open",
    defect: "an engine that is away counts as one that has agreed",
    create: () => ({ engine: failingOpen }),
  },
  {
    name: "bound-not-seen",
    defect: "what another gateway's client waits for counts as a repeat",
    create: () => ({ engine: seenAs((record) => ({ ...record, bound: true })) }),
    actors: CHANGED_SETTINGS,
  },
  {
    name: "left-to-the-other",
    defect: "a mail whose client has heard 250 is left to a gateway that relays it for a client that waits",
    create: leftToOthers,
    actors: CHANGED_SETTINGS,
    plan: withChangingReply,
  },
  {
    name: "forget-deletes",
    defect: "what is forgotten counts as never relayed, also at a gateway that had the mail before",
    create: () => ({
      engine: seenAs((record) =>
        record.forgotten ? { ...record, relayed: undefined, forgotten: false } : record,
      ),
    }),
    actors: FORGETFUL,
  },
];
