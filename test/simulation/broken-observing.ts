// Gateways whose observing is broken on purpose, each in one way.
import type { Config } from "../../src/config/config.ts";
import type { World } from "../../src/relay.ts";
import type { BrokenGateway } from "./broken.ts";
import { OBSERVED } from "./people.ts";
import { isSpooled, SPOOL, withStore } from "./worlds.ts";

const withIdentity = (config: Config, identity: Partial<Config["identity"]>): Config => ({
  ...config,
  identity: { ...config.identity, ...identity },
});

const observes = ({ identity }: Config): boolean => identity.mode === "observe";

/** The spool has each further mail to a recipient under the id of the first. */
const underTheFirstId = (firsts: Map<string, string>): ((world: World) => World) =>
  withStore(SPOOL, (store) => ({
    ...store,
    commit: (operations) =>
      store.commit(
        operations.map((operation) => {
          if (operation.type !== "put" || !isSpooled(operation.key)) return operation;
          const record = JSON.parse(Buffer.from(operation.value).toString()) as {
            id: string;
            recipient: string;
          };
          // Not of a report.
          if (!record.recipient.endsWith("@example.net")) return operation;
          const id = firsts.get(record.recipient) ?? record.id;
          firsts.set(record.recipient, id);
          return { ...operation, value: Buffer.from(JSON.stringify({ ...record, id })) };
        }),
      ),
  }));

export const BROKEN_OBSERVING: readonly BrokenGateway[] = [
  {
    name: "observer-drops",
    defect: "a gateway that observes drops repeats",
    actors: OBSERVED,
    create: () => ({
      open: (open) => (config, world) => open(withIdentity(config, { mode: "enforce" }), world),
    }),
  },
  {
    name: "observer-forgets",
    defect: "a gateway that observes relays all mail under ids of chance, also first copies",
    actors: OBSERVED,
    create: () => ({
      open: (open) => (config, world) =>
        open(
          observes(config)
            ? withIdentity(config, { headers: ["X-Nothing"], envid: "off", unkeyed: "relay" })
            : config,
          world,
        ),
    }),
  },
  {
    name: "copy-under-the-first-id",
    defect: "what is relayed beside the first copy is in the spool under its id",
    actors: OBSERVED,
    create() {
      const firsts = new Map<string, string>();
      return {
        open: (open) => (config, world) =>
          open(config, observes(config) ? underTheFirstId(firsts)(world) : world),
      };
    },
  },
];
