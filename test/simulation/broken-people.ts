// Gateways broken on purpose in what they do by an operator's decision or by changed settings; see broken.ts.
import type { Config } from "../../src/config/config.ts";
import type { DoubtfulDesk, Resolution } from "../../src/operator/doubtful.ts";
import type { openRelay, World } from "../../src/relay.ts";
import { submissionKey } from "../../src/spool/record.ts";
import type { Operation, Store } from "../../src/storage/storage.ts";
import type { BrokenGateway } from "./broken.ts";
import { CHANGED_SETTINGS, EVERYONE } from "./people.ts";
import { withChangingReply } from "./plan.ts";
import type { Defect } from "./simulate.ts";
import { isSpooled, SPOOL, watchedSpool, withStore } from "./worlds.ts";

type Resolve = DoubtfulDesk["resolve"];

/** A gateway whose operators are answered otherwise. */
const withResolve =
  (change: (resolve: Resolve, desk: DoubtfulDesk) => Resolve) =>
  (open: typeof openRelay): typeof openRelay =>
  async (config, world) => {
    const relay = await open(config, world);
    const { doubtful } = relay;
    return { ...relay, doubtful: { ...doubtful, resolve: change(doubtful.resolve, doubtful) } };
  };

/** Once an operator has said that one recipient's mail is relayed, the others' has no content any more. */
const decisionTakesContent = (): Defect => {
  const contents = new Map<string, Uint8Array>();
  let spool: Store | undefined;
  return {
    world: (world) =>
      watchedSpool(
        world,
        (key, id) => {
          const [submission = ""] = Buffer.from(key.subarray(1)).toString().split("/");
          contents.set(id, submissionKey(submission));
        },
        (store) => {
          spool = store;
        },
      ),
    open: withResolve((resolve) => async (id, decision) => {
      const answer = await resolve(id, decision);
      const key = contents.get(id);
      if (answer.ok && answer.next === "relayed" && key !== undefined) {
        await spool?.commit([{ type: "del", key }]).catch(() => {});
      }
      return answer;
    }),
  };
};

/** A start that finds what a client has waited for leaves it so on the disk, whatever it has said since. */
const startDoesNotBind = (world: World): World => {
  const awaited = new Set<string>();
  const note = (key: Uint8Array, value: Uint8Array): void => {
    if (isSpooled(key) && isAwaited(value)) awaited.add(textOf(key));
  };
  const changed = (operation: Operation): Operation => {
    if (operation.type !== "put" || !awaited.has(textOf(operation.key)) || isAwaited(operation.value))
      return operation;
    const transmission = JSON.parse(Buffer.from(operation.value).toString()) as object;
    return { ...operation, value: Buffer.from(JSON.stringify({ ...transmission, awaited: true })) };
  };
  return withStore(SPOOL, (store) => ({
    ...store,
    async *entries(range) {
      for await (const entry of store.entries(range)) {
        note(...entry);
        yield entry;
      }
    },
    commit: (operations) => store.commit(operations.map(changed)),
    write: (operations) => store.write(operations.map(changed)),
  }))(world);
};

const textOf = (octets: Uint8Array): string => Buffer.from(octets).toString("latin1");
const isAwaited = (value: Uint8Array): boolean => textOf(value).includes('"awaited":true');

/** What an operator has heard of a decision is heard of every later one about the same id. */
const decidedTwice = (): Defect => {
  const answers = new Map<string, Resolution>();
  return {
    open: withResolve((resolve) => async (id, decision) => {
      const answer = answers.get(`${id} ${decision}`) ?? (await resolve(id, decision));
      if (answer.ok) answers.set(`${id} ${decision}`, answer);
      return answer;
    }),
  };
};

/** An id about which a decision has failed once is held by nobody knows whom. */
const decidedNeverAgain = (): Defect => {
  const failed = new Set<string>();
  return {
    open: withResolve((resolve) => async (id, decision) => {
      if (failed.has(id)) return { ok: false, fault: "held by another gateway" };
      try {
        return await resolve(id, decision);
      } catch (error) {
        failed.add(id);
        throw error;
      }
    }),
  };
};

/** A start goes by the policy of the first. */
const firstPolicy = (): Defect => {
  let first: Config["ledger"]["doubtful"] | undefined;
  return {
    open: (open) => (config, world) => {
      first ??= config.ledger.doubtful;
      return open({ ...config, ledger: { ...config.ledger, doubtful: first } }, world);
    },
  };
};

export const BROKEN_BY_PEOPLE: readonly BrokenGateway[] = [
  {
    name: "decision-takes-content",
    defect: "a decision about one recipient takes the content from the others",
    create: decisionTakesContent,
    actors: EVERYONE,
  },
  {
    name: "decision-for-all",
    defect: "a decision about one recipient counts for all that is doubtful",
    create: () => ({
      open: withResolve((resolve, desk) => async (id, decision) => {
        const answer = await resolve(id, decision);
        if (!answer.ok) return answer;
        for (const other of await desk.list()) await resolve(other.id, decision);
        return answer;
      }),
    }),
    actors: EVERYONE,
  },
  {
    name: "decision-before-durable",
    defect: "a decision is answered before it is durable",
    create: () => ({
      open: withResolve((resolve, desk) => async (id, decision) => {
        if (!(await desk.list()).some((one) => one.id === id)) return { ok: false, fault: "not doubtful" };
        void resolve(id, decision).catch(() => {});
        return { ok: true, id, next: decision === "relayed" ? "relayed" : "queued" };
      }),
    }),
    actors: EVERYONE,
  },
  {
    name: "decided-twice",
    defect: "the second of two identical decisions is taken too",
    create: decidedTwice,
    actors: EVERYONE,
  },
  {
    name: "decided-never-again",
    defect: "an id about which a decision has failed once can't be decided any more",
    create: decidedNeverAgain,
    actors: EVERYONE,
  },
  {
    name: "start-does-not-bind",
    defect: "what a client waited for before the start may be given up after a copy has heard 250",
    create: () => ({ world: startDoesNotBind }),
    actors: CHANGED_SETTINGS,
    plan: withChangingReply,
  },
  {
    name: "policy-of-the-first-start",
    defect: "a start goes by the policy for doubt of the first one",
    create: firstPolicy,
    actors: CHANGED_SETTINGS,
  },
];
