// Gateways broken on purpose in what they make of evidence; see broken.ts.
import { type Evidence, isToAskAgain } from "../../src/evidence/evidence.ts";
import { EVIDENCE_STEP } from "../../src/ledger/shared/engine.ts";
import type { openRelay, Relay } from "../../src/relay.ts";
import type { BrokenGateway } from "./broken.ts";
import { WITNESSED } from "./people.ts";

type Take = Evidence["take"];

const withTake =
  (change: (take: Take, relay: Relay) => Take) =>
  (open: typeof openRelay): typeof openRelay =>
  async (config, world) => {
    const relay = await open(config, world);
    return { ...relay, evidence: { take: change(relay.evidence.take, relay) } };
  };

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
