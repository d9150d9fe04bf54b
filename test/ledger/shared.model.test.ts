// Random histories of a few ids at three gateways, against the plainest model of what a ledger is: gateways
// that are killed and start again, and gateways that are stopped for longer than the lease.
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Id } from "../../src/identity/message-id.ts";
import type { Claim } from "../../src/ledger/ledger.ts";
import { digestOf } from "../conformance/ledger.ts";
import { postgresSharingHarness } from "../conformance/ledger-postgres.ts";
import type { SharingHarness, TestGateway } from "../conformance/sharing.ts";
import { memorySharingHarness } from "../conformance/sharing-harness.ts";
import { idOf } from "../support/ids.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

interface Live {
  readonly gateway: number;
  readonly claim: Claim;
  readonly digest: number;
  isAccepted: boolean;
}

interface Known {
  relayed: { time: number; digest: number; isForgotten: boolean } | undefined;
  /** Certain: no later refusal ends it. */
  doubt: { firstDate: string; digest: number; certain: boolean } | undefined;
  live: Live | undefined;
}

const LABELS = ["a", "b"] as const;
const GATEWAYS = [0, 1, 2] as const;

const aLabel = fc.constantFrom(...LABELS);
const aGateway = fc.constantFrom(...GATEWAYS);
const does = <Name extends string>(name: Name) => fc.constant(name);
const aStep = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      does: does("claim"),
      label: aLabel,
      gateway: aGateway,
      digest: fc.nat(255),
      isFresh: fc.boolean(),
      again: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ does: does("forget"), label: aLabel, gateway: aGateway }) },
  { weight: 4, arbitrary: fc.record({ does: does("accept"), label: aLabel }) },
  { weight: 5, arbitrary: fc.record({ does: does("attempt"), label: aLabel }) },
  {
    weight: 5,
    arbitrary: fc.record({
      does: does("settle"),
      label: aLabel,
      settlement: fc.constantFrom("relayed" as const, "refused" as const, "doubtful" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: does("release"), label: aLabel }) },
  { weight: 2, arbitrary: fc.record({ does: does("restart"), gateway: aGateway }) },
  { weight: 2, arbitrary: fc.record({ does: does("stop"), gateway: aGateway }) },
  { weight: 3, arbitrary: fc.record({ does: does("goOn"), gateway: aGateway }) },
);

type Step = typeof aStep extends fc.Arbitrary<infer T> ? T : never;

async function follow(harness: SharingHarness, steps: readonly Step[]): Promise<void> {
  const gateways: TestGateway[] = [];
  for (const name of GATEWAYS) gateways.push(await harness.start(`gateway-${name}`));
  const stopped = new Set<number>();
  const model = new Map<Id, Known>();
  for (const label of LABELS) {
    model.set(idOf(label), { relayed: undefined, doubt: undefined, live: undefined });
  }
  /** Claims that were taken over from a gateway that is stopped, and does not know. */
  let ghosts: { gateway: number; claim: Claim }[] = [];
  const stale: { gateway: number; claim: Claim }[] = [];
  const at = (gateway: number) => gateways[gateway] as TestGateway;
  const knownOf = (label: string) => model.get(idOf(label)) as Known;
  function end(known: Known): void {
    if (known.live !== undefined) stale.push(known.live);
    known.live = undefined;
  }

  for (const step of steps) {
    const known = "label" in step ? knownOf(step.label) : undefined;
    const gateway = "gateway" in step ? step.gateway : (known?.live?.gateway ?? 0);
    if (stopped.has(gateway) && step.does !== "goOn") continue;
    const { ledger } = at(gateway);
    switch (step.does) {
      case "claim": {
        const id = idOf(step.label);
        const { live, doubt, relayed } = knownOf(step.label);
        const isLive = live !== undefined && !stopped.has(live.gateway);
        // It would wait; S2 is about that.
        if (isLive && !live.isAccepted) break;
        const since = step.isFresh ? harness.now() : undefined;
        const { again } = step;
        const asked = { id, digest: digestOf(step.digest), again, ...(since !== undefined && { since }) };
        const [result] = await harness.during(ledger.claim([asked]));
        if (isLive) {
          expect(result).toEqual({ kind: "repeat", standing: "underway", digest: digestOf(live.digest) });
        } else if (doubt !== undefined) {
          doubt.certain = true;
          const { firstDate, digest } = doubt;
          expect(result).toMatchObject({ kind: "doubtful", firstDate, digest: digestOf(digest) });
        } else if (relayed !== undefined && relayed.time >= (since ?? 0) && (again || !relayed.isForgotten)) {
          const digest = digestOf(relayed.digest);
          expect(result).toEqual({ kind: "repeat", standing: "relayed", digest, at: expect.any(Number) });
        } else expect(result?.kind).toBe("claimed");
        if (result !== undefined && "claim" in result) {
          const before = knownOf(step.label);
          if (before.live !== undefined) ghosts.push(before.live);
          before.live = { gateway, claim: result.claim, digest: step.digest, isAccepted: false };
        }
        break;
      }
      case "accept": {
        if (known?.live === undefined) break;
        ledger.accepted([known.live.claim]);
        known.live.isAccepted = true;
        // Until the others have heard.
        await harness.pass(100);
        if (known.doubt !== undefined) known.doubt.digest = known.live.digest;
        break;
      }
      case "attempt": {
        if (known?.live?.isAccepted !== true) break;
        const date = String(harness.now());
        expect(await harness.during(ledger.attempt(known.live.claim, date))).toBe("attempted");
        const { firstDate = date, certain = false } = known.doubt ?? {};
        known.doubt = { firstDate, digest: known.live.digest, certain };
        break;
      }
      case "settle": {
        if (known?.live === undefined) break;
        const { claim, digest } = known.live;
        const time = harness.now();
        const { settlement } = step;
        expect(await harness.during(ledger.settle(claim, settlement))).toBe("settled");
        if (settlement === "doubtful" || (settlement === "refused" && known.doubt?.certain === true)) {
          const now = new Date(time).toUTCString().replace("GMT", "+0000");
          known.doubt = { firstDate: known.doubt?.firstDate ?? now, digest, certain: true };
        } else known.doubt = undefined;
        if (settlement === "relayed") {
          known.relayed = { time, digest, isForgotten: false };
          end(known);
        }
        break;
      }
      case "forget": {
        const { live, doubt, relayed } = knownOf(step.label);
        const isLive = live !== undefined && !stopped.has(live.gateway);
        const said = await harness.during(ledger.forget(idOf(step.label)));
        if (isLive && live.gateway !== gateway) expect(said).toBe("elsewhere");
        else if (isLive && doubt === undefined) expect(said).toBe("busy");
        else if (isLive) expect(["busy", "undecided"]).toContain(said);
        else if (doubt !== undefined) expect(said).toBe("undecided");
        else expect(said).toBe(relayed === undefined ? "nothing" : "forgotten");
        if (said !== "forgotten" || relayed === undefined) break;
        // The claim of a gateway that was taken for dead ends with it.
        if (live !== undefined && !relayed.isForgotten) {
          ghosts.push(live);
          (known as Known).live = undefined;
        }
        relayed.isForgotten = true;
        break;
      }
      case "release":
        if (known?.live === undefined) break;
        await harness.during(ledger.release([known.live.claim]));
        end(known);
        break;
      case "restart":
        await at(gateway).kill();
        gateways[gateway] = await harness.start(`gateway-${gateway}`);
        for (const one of model.values()) if (one.live?.gateway === gateway) end(one);
        break;
      case "stop":
        at(gateway).stop();
        stopped.add(gateway);
        await harness.pass(harness.leaseMs * 1.2);
        break;
      case "goOn":
        if (!stopped.delete(gateway)) break;
        at(gateway).goOn();
        await harness.pass(1);
        for (const ghost of ghosts.filter((one) => one.gateway === gateway)) {
          expect(await harness.during(ledger.settle(ghost.claim, "relayed"))).toBe("stale");
        }
        ghosts = ghosts.filter((one) => one.gateway !== gateway);
        // Until it takes over from the dead again (S15).
        await harness.pass(harness.leaseMs / 2);
        break;
    }
    // Each step takes place at a time of its own.
    await harness.pass(1);
    for (const { gateway: whose, claim } of stale.slice(-3)) {
      if (!stopped.has(whose))
        expect(await harness.during(at(whose).ledger.settle(claim, "relayed"))).toBe("stale");
    }
  }
}

const history = (createHarness: () => Promise<SharingHarness>, numRuns: number) =>
  fc.assert(
    fc.asyncProperty(fc.array(aStep, { minLength: 30, maxLength: 80, size: "max" }), async (steps) => {
      const harness = await createHarness();
      try {
        await follow(harness, steps);
      } finally {
        await harness.dispose();
      }
    }),
    { numRuns },
  );

test("three gateways on an engine in memory answer as the model does", () =>
  history(() => memorySharingHarness(), 300));

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

test("three gateways on PostgreSQL answer as the model does", () =>
  history(() => postgresSharingHarness(postgres), 15));
