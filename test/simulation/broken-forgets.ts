// Gateways broken on purpose in what they make of an id that an operator has forgotten; see broken.ts.
import { decodeForgotten, decodeRelayed, forgottenKey } from "../../src/ledger/embedded/records.ts";
import type { openRelay, World } from "../../src/relay.ts";
import type { Operation, Store } from "../../src/storage/storage.ts";
import type { BrokenGateway } from "./broken.ts";
import { FORGETFUL } from "./people.ts";
import type { Defect } from "./simulate.ts";
import { isSpooled, SPOOL, withStore } from "./worlds.ts";

const FORGOTTEN = forgottenKey(new Uint8Array())[0];
const nameOf = (key: Uint8Array): string => Buffer.from(key).toString("hex");

/** Of an embedded ledger: the relaying is gone, for whoever claims. */
const deleting = (): Defect => {
  const forgotten = new Map<string, number>();
  const ofState = withStore("ledger/state", (store) => ({
    ...store,
    async commit(operations) {
      await store.commit(operations);
      for (const one of operations) {
        if (one.type !== "put" || one.key[0] !== FORGOTTEN) continue;
        forgotten.set(nameOf(one.key.slice(1)), decodeForgotten(one.value).relayedAt);
      }
    },
  }));
  const ofGenerations = withStore(/^ledger\/generation-/, (store) => ({
    ...store,
    async get(key) {
      const value = await store.get(key);
      const isGone = value !== undefined && forgotten.get(nameOf(key)) === decodeRelayed(value).time;
      return isGone ? undefined : value;
    },
  }));
  return { world: (world) => ofGenerations(ofState(world)) };
};

interface Since {
  readonly since?: number;
  readonly unkeyed?: true;
}

/** The spool does not keep from when on a relaying counts. */
const withoutSince = (world: World): World =>
  withStore(SPOOL, (store: Store) => {
    const changed = (operation: Operation): Operation => {
      if (operation.type !== "put" || !isSpooled(operation.key)) return operation;
      const { since, ...rest } = JSON.parse(Buffer.from(operation.value).toString()) as Since;
      // Of mail without a task it has always been kept.
      const isForgotten = since !== undefined && rest.unkeyed !== true;
      return isForgotten ? { ...operation, value: Buffer.from(JSON.stringify(rest)) } : operation;
    };
    return {
      ...store,
      commit: (operations) => store.commit(operations.map(changed)),
      write: (operations) => store.write(operations.map(changed)),
    };
  })(world);

const answeredEarly =
  (open: typeof openRelay): typeof openRelay =>
  async (config, world) => {
    const relay = await open(config, world);
    const { forget } = relay;
    return {
      ...relay,
      forget: {
        async forget(name, order) {
          const made = await forget.forget(name, { ...order, dryRun: true });
          if (made.ok) void forget.forget(name, order).catch(() => {});
          return made;
        },
      },
    };
  };

export const BROKEN_FORGETS: readonly BrokenGateway[] = [
  {
    name: "forget-deletes",
    defect: "what is forgotten counts as never relayed, also for a mail that the spool had before",
    create: deleting,
    actors: FORGETFUL,
  },
  {
    name: "new-mail-is-old",
    defect: "a new mail that got what was forgotten is taken for one that the spool had before",
    create: () => ({ world: withoutSince }),
    actors: FORGETFUL,
  },
  {
    name: "forget-before-durable",
    defect: "that an id is forgotten is answered before it is durable",
    create: () => ({ open: answeredEarly }),
    actors: FORGETFUL,
  },
];
