// The ledger's contract (src/ledger/ledger.ts) as checks that any implementation can be put to: its rules by their
// names, and cells of its table that are worth more than a look at the next state (ledger-protocol.ts has that of every
// cell). An implementation brings a harness; ledger-broken.ts proves of each rule that its checks can fail.
import type { Ledger } from "../../src/ledger/ledger.ts";
import type { Change, RecordState } from "../../src/ledger/shared/engine.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { CLAIM_CHECKS } from "./ledger-claims.ts";
import { DECISION_CHECKS } from "./ledger-decisions.ts";
import { EVIDENCE_CHECKS } from "./ledger-evidence.ts";
import { FORGET_CHECKS } from "./ledger-forgetting.ts";
import { RECORD_CHECKS } from "./ledger-records.ts";

export { digestOf } from "./ledger-steps.ts";

export const LEDGER_RULES = [
  "exclusive",
  "cell: waits",
  "cell: repeat",
  "durable: attempt",
  "durable: relayed",
  "durable: refused",
  "cell: crash",
  "cell: release",
  "stale",
  "retention",
  "no deadlock",
  "filter",
  "storage error",
  "since",
  "awaited",
  "cell: decided",
  "cell: not decided",
  "doubts",
  "cell: forgotten",
  "again",
  "look",
  "evidence",
] as const;

export type LedgerRule = (typeof LEDGER_RULES)[number];

/** A place where a ledger is kept, with one process that uses it. What can't be done is left out. */
export interface LedgerHarness {
  /** The retention that its ledgers are opened with. */
  readonly retentionMs: number;
  now(): number;
  /** Starts the process: opens the ledger of the place. */
  open(): Promise<Ledger>;
  /** The process dies. Nothing of the ledger opened last is called afterwards, but its claims may be used. */
  crash(): Promise<void>;
  /** Lets time pass, and all sweeping that is due meanwhile be done. */
  pass(ms: number): Promise<void>;
  /** From now on the store can't be read or written, until `mendStore`. */
  breakStore?(): void;
  mendStore?(): void;
  /** While the ledger is closed: removes or damages what the filters are saved in. */
  spoilFilters?(how: "removed" | "damaged" | "cut"): Promise<void>;
  /** Removes the place. */
  dispose(): Promise<void>;
  /** How long an answer may take before it counts as never coming; long where others share the machine. */
  readonly patienceMs: number;
}

/** The retention of the harnesses. */
export const HARNESS_RETENTION_MS = 64_000;

/** What a broken ledger changes; nothing for the real one. */
export interface Defect {
  readonly retentionMs?: number;
  readonly ledger?: (ledger: Ledger) => Ledger;
  /** Of the embedded ledger. */
  readonly storage?: (storage: Storage) => Storage;
  /** Of a shared one: the changes that a crash undoes. */
  readonly isForgotten?: (change: Change, before: RecordState) => boolean;
  readonly onSpoil?: () => void;
}

export interface LedgerCheck {
  readonly rule: LedgerRule;
  readonly title: string;
  readonly needs?: readonly ("breakStore" | "spoilFilters")[];
  readonly run: (harness: LedgerHarness) => Promise<void>;
}

export const LEDGER_CHECKS: readonly LedgerCheck[] = [
  ...CLAIM_CHECKS,
  ...RECORD_CHECKS,
  ...DECISION_CHECKS,
  ...FORGET_CHECKS,
  ...EVIDENCE_CHECKS,
];

/** For sorting out which rules a ledger breaks; nothing here is reported as a failed test. */
export async function brokenRules(
  createHarness: () => Promise<LedgerHarness>,
): Promise<Map<LedgerRule, string[]>> {
  const broken = new Map<LedgerRule, string[]>();
  for (const check of LEDGER_CHECKS) {
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
