// Gateways broken on purpose, each in one way: the proof that the simulation detects. They are made from
// outside, by what the gateway is given, as its code has no switches for tests.
import { createHash } from "node:crypto";
import { serialiseFilter } from "../../src/ledger/embedded/filter-file.ts";
import {
  decodeGeneration,
  FILTER_KEY,
  generationKey,
  MARK_RANGE,
  markKey,
} from "../../src/ledger/embedded/records.ts";
import { createFilter } from "../../src/ledger/filter.ts";
import type { openRelay, Relay, World } from "../../src/relay.ts";
import type { Operation, Range, Storage, Store } from "../../src/storage/storage.ts";
import type { Reply } from "../../src/submission/reply.ts";
import type { Transmission } from "../../src/upstream/upstream.ts";
import type { Promised } from "./facts.ts";
import type { Actors } from "./people.ts";
import type { Plan } from "./plan.ts";
import { type Defect, type SharedLedgers, simulate } from "./simulate.ts";
import { isSpooled, SPOOL, unsynced, watchedSpool, withStore, withTransmit } from "./worlds.ts";

export interface BrokenGateway {
  readonly name: string;
  readonly defect: string;
  /** For each history, as some keep what a broken part would keep. */
  readonly create: () => Defect;
  /** Who has to be there for it to show; nobody when left out. */
  readonly actors?: Actors;
  /** The histories in which to look for it, where it shows in few of the others. */
  readonly plan?: (plan: Plan) => Plan;
}

export interface Caught {
  /** The promise that the first history breaks which the whole gateway keeps. */
  readonly promise: Promised;
  readonly seed: number;
  /** How many histories it took. */
  readonly histories: number;
}

/**
 * Runs histories until one catches the gateway; undefined when none of `most` does.
 *
 * @param shared given: several such gateways share such a ledger
 */
export async function catchBroken(
  { create, actors, plan }: BrokenGateway,
  firstSeed: number,
  most: number,
  shared?: SharedLedgers,
): Promise<Caught | undefined> {
  for (let histories = 1; histories <= most; histories++) {
    const seed = firstSeed + histories - 1;
    const [violation] = (await simulate(seed, { ...create(), plan }, shared, actors)).violations;
    if (violation === undefined) continue;
    // What breaks the whole gateway too says nothing about the defect.
    if ((await simulate(seed, { plan }, shared, actors)).violations.length > 0) continue;
    return { promise: violation.promise, seed, histories };
  }
  return undefined;
}

const STATE = "ledger/state";
const MARK = markKey(new Uint8Array())[0];
const GENERATION = generationKey(0)[0];

const isMark = ({ type, key }: Operation) => type === "put" && key[0] === MARK;
const isPut = ({ type }: Operation) => type === "put";
const keep = () => true;

async function* none(): AsyncGenerator<never> {}

/** Iterations that begin in this range find nothing. */
const hidden = (store: Store, isHidden: (range: Range | undefined) => boolean): Store => ({
  ...store,
  entries: (range) => (isHidden(range) ? none() : store.entries(range)),
});

/** Another data folder in the same storage. */
const folderOf = (storage: Storage, folder: string): Storage => ({
  openStore: (name) => storage.openStore(`${folder}/${name}`),
  removeStore: (name) => storage.removeStore(`${folder}/${name}`),
  createFile: (name) => storage.createFile(`${folder}/${name}`),
  readFile: (name) => storage.readFile(`${folder}/${name}`),
  fileSize: (name) => storage.fileSize(`${folder}/${name}`),
  removeFile: (name) => storage.removeFile(`${folder}/${name}`),
  list: (name) => storage.list(`${folder}/${name}`),
});

/** Two gateways behind one listener, each with a ledger and a spool of its own. */
const twoApart = (open: typeof openRelay): typeof openRelay => {
  return async (config, world) => {
    const [one, other]: Relay[] = [
      await open(config, world),
      await open(config, { ...world, storage: folderOf(world.storage, "second") }),
    ];
    if (one === undefined || other === undefined) throw new Error("two were opened");
    let turns = 0;
    return {
      ...one,
      submit: (...args): Promise<Reply> => (turns++ % 2 === 0 ? one : other).submit(...args),
      drain: async () => void (await Promise.all([one.drain(), other.drain()])),
      close: async () => void (await Promise.all([one.close(), other.close()])),
    };
  };
};

/** Filters that begin empty after each start and are believed. */
const coldFilters = (world: World): World => {
  const capacities = new Map<string, number>();
  const learn = (key: Uint8Array, value: Uint8Array) => {
    if (key[0] !== GENERATION || key.length !== generationKey(0).length) return;
    const { number, capacity } = decodeGeneration(key, value);
    capacities.set(`ledger/generation-${String(number).padStart(6, "0")}.filter`, capacity);
  };
  const watched = withStore(STATE, (store) => ({
    ...store,
    async *entries(range) {
      for await (const entry of store.entries(range)) {
        learn(...entry);
        yield entry;
      }
    },
  }))(world);
  const emptyFilter = (capacity: number) => Buffer.concat([...serialiseFilter(createFilter(capacity))]);
  return {
    ...watched,
    storage: {
      ...watched.storage,
      async openStore(name) {
        const store = await watched.storage.openStore(name);
        const capacity = capacities.get(`${name}.filter`);
        if (capacity === undefined) return store;
        const digest = createHash("sha256").update(emptyFilter(capacity)).digest();
        const isProof = (key: Uint8Array) => Buffer.compare(key, FILTER_KEY) === 0;
        return { ...store, get: async (key) => (isProof(key) ? digest : await store.get(key)) };
      },
      async list(folder) {
        const names = await watched.storage.list(folder);
        if (folder !== "ledger") return names;
        return [
          ...new Set([...names, ...[...capacities.keys()].map((name) => name.slice("ledger/".length))]),
        ];
      },
      async *readFile(name) {
        const capacity = capacities.get(name);
        if (capacity === undefined) yield* watched.storage.readFile(name);
        else yield emptyFilter(capacity);
      },
    },
  };
};

/** Takes a transmission out of the spool as soon as the upstream is called. */
const removedEarly = (world: World): World => {
  const keys = new Map<string, Uint8Array>();
  let spool: Store | undefined;
  const seen = watchedSpool(
    world,
    (key, id) => keys.set(id, key),
    (store) => {
      spool = store;
    },
  );
  return withTransmit((inner) => async (transmission, signal) => {
    const key = keys.get(transmission.id);
    if (key !== undefined) await spool?.commit([{ type: "del", key }]).catch(() => {});
    return await inner(transmission, signal);
  })(seen);
};

/** Stores stay open when their process is given up, and its successor uses them too. */
const sharedStores = (): Defect => {
  const opened = new Map<string, Store>();
  return {
    outlivesDeath: true,
    onEnd: () => opened.clear(),
    world: (world) => ({
      ...world,
      storage: {
        ...world.storage,
        async openStore(name) {
          const store = opened.get(name) ?? {
            ...(await world.storage.openStore(name)),
            close: async () => {},
          };
          opened.set(name, store);
          return store;
        },
      },
    }),
  };
};

const datedNow = (transmission: Transmission, now: number): Transmission => ({
  ...transmission,
  async *content() {
    const chunks: Uint8Array[] = [];
    for await (const chunk of transmission.content()) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("latin1");
    const date = `Date: ${new Date(now).toUTCString().replace("GMT", "+0000")}\r\n`;
    yield Buffer.from(text.replace(/^Date: .*\r\n/m, date), "latin1");
  },
});

export const BROKEN_GATEWAYS: readonly BrokenGateway[] = [
  {
    name: "250-before-durable",
    defect: "the spool is not synced before 250",
    create: () => ({ world: unsynced(SPOOL, isPut) }),
  },
  {
    name: "250-on-full-disk",
    defect: "a failed commit of the spool is taken for a good one",
    create: () => ({
      world: withStore(SPOOL, (store) => ({
        ...store,
        commit: (operations) => store.commit(operations).catch(() => {}),
      })),
    }),
  },
  {
    name: "no-attempt-mark",
    defect: "the attempt is not noted",
    create: () => ({
      world: withStore(STATE, (store) => ({
        ...store,
        commit: (operations) => store.commit(operations.filter((operation) => !isMark(operation))),
      })),
    }),
  },
  {
    name: "attempt-mark-unsynced",
    defect: "the attempt's note is not synced before the upstream is called",
    create: () => ({ world: unsynced(STATE, isMark) }),
  },
  {
    name: "settled-before-answer",
    defect: "settled as relayed as soon as the upstream is called",
    create: () => ({
      world: withTransmit((inner) => async (transmission, signal) => {
        void inner(transmission, signal);
        return { kind: "accepted", upstreamId: "not heard yet" };
      }),
    }),
  },
  {
    name: "relayed-unsynced",
    defect: "the relaying is recorded without a sync",
    create: () => ({ world: unsynced(/^ledger\/generation-/, keep) }),
  },
  {
    name: "claims-apart",
    defect: "two workers take submissions in turn, each with claims of its own",
    create: () => ({ open: twoApart }),
  },
  {
    name: "claim-not-fenced",
    defect: "a process that was taken for dead goes on beside the next one",
    create: sharedStores,
  },
  {
    name: "cold-filter-trusted",
    defect: "a filter that is empty after a start is believed",
    create: () => ({ world: coldFilters }),
  },
  {
    name: "removed-before-settle",
    defect: "the spool forgets a transmission before its attempt is settled",
    create: () => ({ world: removedEarly }),
  },
  {
    name: "doubt-as-refusal",
    defect: "no answer is taken for a refusal for now",
    create: () => ({
      world: withTransmit((inner) => async (transmission, signal) => {
        const outcome = await inner(transmission, signal);
        if (outcome.kind !== "doubtful") return outcome;
        return { kind: "later", reply: outcome.cause };
      }),
    }),
  },
  {
    name: "doubt-as-relayed",
    defect: "no answer is taken for an acceptance",
    create: () => ({
      world: withTransmit((inner) => async (transmission, signal) => {
        const outcome = await inner(transmission, signal);
        return outcome.kind === "doubtful" ? { kind: "accepted", upstreamId: outcome.cause } : outcome;
      }),
    }),
  },
  {
    name: "doubt-forgotten",
    defect: "a start does not ask what was attempted",
    create: () => ({
      world: withStore(STATE, (store) => hidden(store, (range) => range?.gte?.[0] === MARK_RANGE.gte[0])),
    }),
  },
  {
    name: "policy-ignored",
    defect: "what is doubtful is sent again whatever the policy",
    create: () => ({
      open: (open) => (config, world) =>
        open({ ...config, ledger: { ...config.ledger, doubtful: "resend" } }, world),
    }),
  },
  {
    name: "spool-not-recovered",
    defect: "a start does not claim again what is in the spool",
    create: () => ({
      world: withStore(SPOOL, (store) =>
        hidden(store, (range) => range?.gte !== undefined && isSpooled(range.gte)),
      ),
    }),
  },
  {
    name: "no-report",
    defect: "what is refused for good leaves the spool without a report",
    create: () => ({
      world: withStore(SPOOL, (store) => ({
        ...store,
        commit(operations) {
          const isExchange = operations.some(isPut) && !operations.every(isPut);
          return store.commit(isExchange ? operations.filter((one) => !isPut(one)) : operations);
        },
      })),
    }),
  },
  {
    name: "date-of-each-attempt",
    defect: "every attempt carries its own Date",
    create: () => ({
      world: withTransmit(
        (inner, { clock }) =>
          (transmission, signal) =>
            inner(datedNow(transmission, clock.now()), signal),
      ),
    }),
  },
];
