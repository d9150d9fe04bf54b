// Gateways broken on purpose in what they make of an operator's pause; see broken.ts.
import type { openRelay, World } from "../../src/relay.ts";
import { PAUSES_KEY } from "../../src/spool/record.ts";
import type { BrokenGateway } from "./broken.ts";
import { PAUSING } from "./people.ts";
import type { Plan } from "./plan.ts";
import { SPOOL, unsynced, withStore } from "./worlds.ts";

const isPauses = (key: Uint8Array): boolean => key.length === 1 && key[0] === PAUSES_KEY[0];

/** A start does not read what is paused. */
const forgetful = (world: World): World =>
  withStore(SPOOL, (store) => ({
    ...store,
    get: async (key) => (isPauses(key) ? undefined : await store.get(key)),
  }))(world);

const answeredEarly =
  (open: typeof openRelay): typeof openRelay =>
  async (config, world) => {
    const relay = await open(config, world);
    const { pausing } = relay;
    return {
      ...relay,
      pausing: {
        ...pausing,
        async pause(upstream, order) {
          void pausing.pause(upstream, order).catch(() => {});
          return { ok: true, upstreams: [] };
        },
      },
    };
  };

/** What a lane has taken up is attempted, whatever an operator has heard meanwhile. */
const takenUpGoesOn =
  (open: typeof openRelay): typeof openRelay =>
  async (config, world) => {
    return await open(config, {
      ...world,
      upstreams: new Map(
        [...world.upstreams].map(([name, upstream]) => [
          name,
          {
            ...upstream,
            // As if the last look at the pause were made earlier.
            async transmit(transmission, signal) {
              await new Promise<void>((resolve) => void world.clock.after(20, resolve));
              return await upstream.transmit(transmission, signal);
            },
          },
        ]),
      ),
    });
  };

const neverResumed =
  (open: typeof openRelay): typeof openRelay =>
  async (config, world) => {
    const relay = await open(config, world);
    const { pausing } = relay;
    return {
      ...relay,
      pausing: {
        ...pausing,
        resume: async () => ({ ok: true, upstreams: [] }),
      },
    };
  };

/** Most lives end by a loss of power, which takes what is not synced. */
const withPowerCuts = (plan: Plan): Plan => ({
  ...plan,
  faults: { ...plan.faults, crash: 0.9, crash_loses_unsynced: 1 },
});

export const BROKEN_PAUSES: readonly BrokenGateway[] = [
  {
    name: "pause-forgotten",
    defect: "a start does not know what is paused",
    create: () => ({ world: forgetful }),
    actors: PAUSING,
  },
  {
    name: "pause-unsynced",
    defect: "a pause is not durable when it is answered",
    create: () => ({ world: unsynced(SPOOL, ({ key }) => isPauses(key)) }),
    actors: PAUSING,
    plan: withPowerCuts,
  },
  {
    name: "pause-before-durable",
    defect: "a pause is answered before it is noted",
    create: () => ({ open: answeredEarly }),
    actors: PAUSING,
  },
  {
    name: "taken-up-goes-on",
    defect: "what a lane took up before the pause is attempted after its answer",
    create: () => ({ open: takenUpGoesOn }),
    actors: PAUSING,
  },
  {
    name: "never-resumed",
    defect: "to resume is answered, and changes nothing",
    create: () => ({ open: neverResumed }),
    actors: PAUSING,
  },
];
