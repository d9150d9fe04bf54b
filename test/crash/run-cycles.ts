// Many cycles over all steps, several to a folder, and the table of what came of them.
import { type Chance, createChance } from "./chance.ts";
import { type CycleResult, createCycles } from "./cycles.ts";
import type { Build } from "./gateway-process.ts";
import type { CycledLedger } from "./ledgers.ts";
import { allSteps } from "./shared-steps.ts";
import { type Step, steps } from "./steps.ts";
import type { Policy, Reply } from "./tally.ts";

/** Cycles over one data folder. */
const CYCLES_OF_FOLDER = 20;

/** Half of all crashes lose what was not synced too. */
const CUT_SHARE = 0.5;

export interface RunOptions {
  readonly build: Build;
  readonly seed: number;
  readonly cycles: number;
  /** Taken in turn, a folder each. */
  readonly policies: readonly Policy[];
  readonly reply?: Reply | undefined;
  readonly cyclesOfFolder?: number;
  /** For each folder one of its own; the embedded one unless given. */
  readonly ledger?: (() => Promise<CycledLedger>) | undefined;
  /** All steps unless given. */
  readonly only?: readonly Step[];
  readonly heard?: (done: number, result: CycleResult) => void;
}

export interface RunResult {
  readonly results: readonly CycleResult[];
  /** Everything that did not agree, with policy and cycle. */
  readonly faults: readonly string[];
}

export async function runCycles(options: RunOptions): Promise<RunResult> {
  const { build, seed, cycles, policies, cyclesOfFolder = CYCLES_OF_FOLDER, heard } = options;
  const chance = createChance(seed);
  const order = orderOf(chance, cycles, options.only ?? steps);
  const results: CycleResult[] = [];
  const faults: string[] = [];
  for (let folder = 0; order.length > 0; folder++) {
    const policy = policies[folder % policies.length] as Policy;
    const ledger = await options.ledger?.();
    const series = await createCycles({
      ...{ build, policy, reply: options.reply, chance, cutShare: CUT_SHARE, ledger: ledger?.settings },
    });
    try {
      for (const step of order.splice(0, cyclesOfFolder)) {
        const result = await series.run(step);
        results.push(result);
        faults.push(
          ...result.faults.map((fault) => `${policy}, cycle ${results.length}, ${step.name}: ${fault}`),
        );
        heard?.(results.length, result);
      }
    } finally {
      faults.push(...(await series.finish()).map((fault) => `${policy}, after ${results.length}: ${fault}`));
      await ledger?.remove();
    }
  }
  return { results, faults };
}

/** All steps, shuffled anew each time round. */
function orderOf(chance: Chance, cycles: number, from: readonly Step[]): Step[] {
  const order: Step[] = [];
  while (order.length < cycles) order.push(...chance.shuffled(from));
  return order.slice(0, cycles);
}

/** One line a step: cycles, how many died at the step itself, and what was counted. */
export function tableOf(results: readonly CycleResult[]): string {
  const met = allSteps.filter(({ name }) => results.some(({ step }) => step === name));
  const rows = met.map(({ name }) => {
    const own = results.filter(({ step }) => step === name);
    const sum = (count: (result: CycleResult) => number) =>
      own.reduce((total, result) => total + count(result), 0);
    return [
      name,
      own.length,
      sum(({ reached }) => (reached ? 1 : 0)),
      sum(({ cut }) => (cut > 0 ? 1 : 0)),
      sum(({ mails }) => mails),
      sum(({ copies }) => copies),
      sum(({ doubtful }) => doubtful),
      sum(({ faults }) => faults.length),
    ];
  });
  const totals = rows.reduce<number[]>(
    (sums, row) => row.slice(1).map((cell, column) => (sums[column] ?? 0) + Number(cell)),
    [],
  );
  const head = ["step", "cycles", "reached", "writes lost", "mails", "taken", "doubtful", "faults"];
  const line = (cells: readonly unknown[]) => `| ${cells.join(" | ")} |`;
  const rule = `|---|${"---:|".repeat(head.length - 1)}`;
  return [line(head), rule, ...rows.map(line), line(["all", ...totals])].join("\n");
}
