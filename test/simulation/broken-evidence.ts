// Gateways broken on purpose in what they make of evidence; see broken.ts.
import { type Evidence, isToAskAgain } from "../../src/evidence/evidence.ts";
import { EVIDENCE_STEP } from "../../src/ledger/shared/engine.ts";
import type { openRelay, Relay } from "../../src/relay.ts";
import type { BrokenGateway } from "./broken.ts";
import type { Machine } from "./machine.ts";
import { WITNESSED } from "./people.ts";
import type { Plan } from "./plan.ts";
import type { Defect } from "./simulate.ts";

type Take = Evidence["take"];

const withTake =
  (change: (take: Take, relay: Relay) => Take) =>
  (open: typeof openRelay): typeof openRelay =>
  async (config, world) => {
    const relay = await open(config, world);
    return { ...relay, evidence: { take: change(relay.evidence.take, relay) } };
  };

/** In which processes are away for longer than the wait, as they are for half a minute at most. */
const withShortWait = (plan: Plan): Plan => ({
  ...plan,
  witness: plan.witness && { ...plan.witness, waitMs: 10_000 },
  faults: { ...plan.faults, crash: 0.9 },
});

/** Where a gateway was away for longer than the wait, its start does not let what is doubtful wait. */
function createActsAtStart(): Defect {
  const endedAt = new Map<Machine, number>();
  return {
    world(world, machine) {
      const { life, elapsed } = machine;
      const awayMs = elapsed() - (endedAt.get(machine) ?? Number.POSITIVE_INFINITY);
      life.onEnd.add(() => endedAt.set(machine, elapsed()));
      const waitMsOf = world.evidenceWaitMs ?? (() => 0);
      const wasAway = awayMs > waitMsOf(undefined);
      return {
        ...world,
        // Of a doubt of this life the upstream is known.
        evidenceWaitMs: (upstream) => (upstream === undefined && wasAway ? 0 : waitMsOf(upstream)),
      };
    },
  };
}

/** Between two look-ups of a holder: no other timer of a gateway has it. */
const LOOK_UP_MS = 30_000;

export const BROKEN_EVIDENCE: readonly BrokenGateway[] = [
  {
    name: "evidence-dropped",
    defect: "evidence that comes during an attempt is taken for known, and lost",
    create: () => ({
      open: withTake((take) => async (id, proof) => {
        const said = await take(id, proof);
        return isToAskAgain(said) ? "known" : said;
      }),
    }),
    actors: WITNESSED,
  },
  {
    name: "evidence-before-durable",
    defect: "evidence is answered before it is durable",
    create: () => ({
      open: withTake((take) => async (id, proof) => {
        void take(id, proof).catch(() => {});
        return "settled";
      }),
    }),
    actors: WITNESSED,
  },
  {
    name: "evidence-for-all",
    defect: "evidence of one id settles all that is doubtful",
    create: () => ({
      open: withTake((take, { doubtful }) => async (id, proof) => {
        const said = await take(id, proof);
        for (const other of await doubtful.list()) await take(other.id, proof);
        return said;
      }),
    }),
    actors: WITNESSED,
  },
  {
    name: "no-wait",
    defect: "policy acts at once, though evidence may come",
    create: () => ({ world: (world) => ({ ...world, evidenceWaitMs: () => 0 }) }),
    actors: WITNESSED,
  },
  {
    name: "acts-at-start",
    defect: "a start has policy act at once where the wait is over, though evidence may have come meanwhile",
    create: createActsAtStart,
    actors: WITNESSED,
    plan: withShortWait,
  },
];

export const BROKEN_SHARED_EVIDENCE: readonly BrokenGateway[] = [
  {
    name: "evidence-elsewhere",
    defect: "what another gateway holds is said to be settled, and is not",
    create: () => ({
      engine: (engine) => ({
        ...engine,
        async change(batch) {
          const real = batch.filter(({ step }) => step !== EVIDENCE_STEP);
          const changed = await engine.change(real);
          return batch.map((one) =>
            one.step === EVIDENCE_STEP ? true : (changed[real.indexOf(one)] ?? false),
          );
        },
      }),
    }),
    actors: WITNESSED,
  },
  {
    name: "no-look-ups",
    defect: "a holder does not look up what others have settled",
    create: () => ({
      world: (world) => ({
        ...world,
        clock: {
          ...world.clock,
          after: (ms, fire) => world.clock.after(ms, ms === LOOK_UP_MS ? () => {} : fire),
        },
      }),
    }),
    actors: WITNESSED,
  },
];
