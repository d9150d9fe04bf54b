// The rules S1 to S21 of several gateways on one engine, as checks that every engine is put to; what one
// gateway sees of its ledger is in ledger.ts. sharing-broken.ts proves of each rule that its checks can fail.
//
// S1  Of any number of gateways that claim an id at the same time one has it.
// S2  A claim waits for another gateway's that is not accepted: then it is a repeat, or succeeds once that
//     was released. It does not wait for ever.
// S3  What a live gateway has accepted is a repeat, `underway`, however its attempts go.
// S4  A gateway whose heartbeat is older than the lease is dead, and no earlier: what it never attempted is
//     claimed as if absent, what it attempted is doubtful, with its first date and digest.
// S5  What the old holder does under a claim that was taken over changes nothing and is "stale".
// S6  attempt does not say "attempted" later than the lease allows, though it was noted in time.
// S7  If nobody has the mail any more, since who had taken it over gave it up, the old claim goes on.
// S8  A gateway that starts again ends all its earlier claims at once.
// S9  Of two processes under one name the first is told, and claims and attempts nothing any more.
// S10 A claim whose answer was lost blocks its id for nobody.
// S11 A change that arrives after later ones changes nothing.
// S12 Batches of several gateways that overlap in any order come to an end.
// S13 Every gateway knows of all doubt, and whether a live gateway has it.
// S14 An id that one gateway has relayed is a repeat at all of them.
// S15 An outage of the engine is nobody's death: after it nothing is taken over until who is alive could be heard.
// S16 What a live gateway has accepted for a client that waits for the verdict is `awaited` at the others, whatever
//     becomes of its attempts; `underway` only where its gateway has said, under this fence, that it is bound.
// S17 What a live gateway holds in doubt is decided there and nowhere else; what a dead one held, or none, anywhere.
// S18 The first gateway writes lease, retention and digests of what ids are derived from; one that has others does not
//     start, and says which.
// S19 Of a change both values are in force, each time the safer one, until every live gateway has confirmed it; then
//     the new ones are, at all of them.
// S20 What is forgotten at one gateway is at all of them. To a gateway that had the mail before, and was away, it is
//     relayed; what a live gateway holds is forgotten nowhere else.
// S21 Evidence settles what is in doubt, whichever gateway holds it, and nothing that is queued or attempted for the first
//     time. The holder can look it up, and whatever it does about the id after that is stale.
import type { SharedLedger } from "../../src/ledger/shared/shared.ts";
import type { WatchedEngine } from "../support/watched-engine.ts";
import { SHARING_CHECKS as CHECKS } from "./sharing-checks.ts";
import { SHARED_EVIDENCE_CHECKS } from "./sharing-evidence.ts";
import { SHARED_FORGET_CHECKS } from "./sharing-forgetting.ts";

export const SHARING_RULES = [
  "S1",
  "S2",
  "S3",
  "S4",
  "S5",
  "S6",
  "S7",
  "S8",
  "S9",
  "S10",
  "S11",
  "S12",
  "S13",
  "S14",
  "S15",
  "S16",
  "S17",
  "S18",
  "S19",
  "S20",
  "S21",
] as const;

export const SHARING_CHECKS: readonly SharingCheck[] = [
  ...CHECKS,
  ...SHARED_FORGET_CHECKS,
  ...SHARED_EVIDENCE_CHECKS,
];

export type SharingRule = (typeof SHARING_RULES)[number];

/** A process that is a gateway, as far as its ledger goes. */
export interface TestGateway {
  readonly ledger: SharedLedger;
  readonly engine: WatchedEngine;
  /** What it has logged. */
  readonly events: readonly string[];
  /** SIGSTOP: no time passes for it until it goes on; then all of it at once. */
  stop(): void;
  goOn(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** What a gateway is configured with, where it is not as all others. */
export interface OwnLimits {
  readonly leaseMs?: number;
  readonly retentionMs?: number;
  readonly secret?: string;
}

export interface SharingHarness {
  readonly leaseMs: number;
  now(): number;
  /** @param name of the gateway; who has it already is its earlier life, or a copy of it */
  start(name: string, own?: OwnLimits): Promise<TestGateway>;
  pass(ms: number): Promise<void>;
  /** Lets time pass until the answer is there. */
  during<T>(answer: Promise<T>): Promise<T>;
  dispose(): Promise<void>;
}

export interface SharingCheck {
  readonly rule: SharingRule;
  readonly title: string;
  readonly run: (harness: SharingHarness) => Promise<void>;
}

/** For sorting out which rules an engine breaks; nothing here is reported as a failed test. */
export async function brokenSharingRules(
  createHarness: () => Promise<SharingHarness>,
): Promise<Map<SharingRule, string[]>> {
  const broken = new Map<SharingRule, string[]>();
  for (const check of SHARING_CHECKS) {
    const harness = await createHarness();
    try {
      await check.run(harness);
    } catch (error) {
      const said = `${check.title}: ${error instanceof Error ? error.message : String(error)}`;
      broken.set(check.rule, [...(broken.get(check.rule) ?? []), said]);
    } finally {
      await harness.dispose();
    }
  }
  return broken;
}
