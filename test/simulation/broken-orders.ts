// Gateways broken on purpose in what they make of an operator's order about the queue; see broken.ts.
import type { openRelay, Relay } from "../../src/relay.ts";
import type { BrokenGateway } from "./broken.ts";
import { ORDERING } from "./people.ts";
import type { Defect } from "./simulate.ts";
import { isSpooled, SPOOL, withStore } from "./worlds.ts";

type Order = Relay["queue"]["order"];

/** A gateway that runs whose operators are answered otherwise. */
const withOrder =
  (change: (order: Order, relay: Relay) => Order) =>
  (open: typeof openRelay): typeof openRelay =>
  async (config, world) => {
    const relay = await open(config, world);
    return { ...relay, queue: { ...relay.queue, order: change(relay.queue.order, relay) } };
  };

/** The start finds nothing of what an operator holds but the mail. */
const holdIsForgotten = (): Defect => ({
  world: withStore(SPOOL, (store) => ({
    ...store,
    async *entries(range) {
      for await (const [key, value] of store.entries(range)) {
        const text = Buffer.from(value).toString();
        if (!isSpooled(key) || !text.includes('"hold":"operator"')) yield [key, value];
        else {
          const { held: _, hold: __, ...free } = JSON.parse(text) as Record<string, unknown>;
          yield [key, Buffer.from(JSON.stringify(free))];
        }
      }
    },
  })),
});

export const BROKEN_ORDERS: readonly BrokenGateway[] = [
  {
    name: "hold-is-forgotten",
    defect: "a start attempts what an operator holds",
    create: holdIsForgotten,
    actors: ORDERING,
  },
  {
    name: "hold-is-said-only",
    defect: "a hold is answered, and nothing is held",
    create: () => ({
      open: withOrder((order) => async (one, selection, page) => {
        if (one.kind !== "hold") return await order(one, selection, page);
        const [name = ""] = "names" in selection ? selection.names : [];
        return { kind: "given", items: [{ name, ok: true, next: "held" }] };
      }),
    }),
    actors: ORDERING,
  },
  {
    name: "bounce-without-report",
    defect: "what is bounced is removed, and nobody gets a report",
    create: () => ({
      open: withOrder((order) => async (one, selection, page) => {
        if (one.kind !== "bounce") return await order(one, selection, page);
        const given = await order({ ...one, kind: "remove" }, selection, page);
        if (given.kind !== "given") return given;
        return { ...given, items: given.items.map((item) => (item.ok ? { ...item, next: "ended" } : item)) };
      }),
    }),
    actors: ORDERING,
  },
  {
    name: "remove-forgets-doubt",
    defect: "what is removed is not in doubt any more",
    create: () => ({
      open: withOrder((order, { doubtful }) => async (one, selection, page) => {
        const given = await order(one, selection, page);
        const [name = ""] = "names" in selection ? selection.names : [];
        if (one.kind === "remove") await doubtful.resolve(name, "not-relayed").catch(() => {});
        return given;
      }),
    }),
    actors: ORDERING,
  },
  {
    name: "retry-always-resends",
    defect: "a retry attempts what is in doubt without a word about it",
    create: () => ({
      open: withOrder((order) => (one, selection, page) => order({ ...one, resend: true }, selection, page)),
    }),
    actors: ORDERING,
  },
  {
    name: "remove-before-durable",
    defect: "that a mail is removed is answered before it is durable",
    create: () => ({
      open: withOrder((order) => async (one, selection, page) => {
        const [name = ""] = "names" in selection ? selection.names : [];
        if (one.kind !== "remove") return await order(one, selection, page);
        void order(one, selection, page).catch(() => {});
        return { kind: "given", items: [{ name, ok: true, next: "removed" }] };
      }),
    }),
    actors: ORDERING,
  },
];
