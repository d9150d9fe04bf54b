// Tests in groups, each with a name, a command and a place on one page: docs/tests.md. What a newcomer runs is
// "promises", and ends in minutes; the others prove the same promises under crashes, chance and real engines.
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const CORES = availableParallelism();

const GROUPS = {
  /** PostgreSQL and DynamoDB, and several gateways that share one of them. */
  engines: [
    "test/several/**",
    "test/ledger/{archive-moving,dynamodb*,postgres*,shared*}.test.ts",
    "test/system/{ledger-archive,ledger-set,pgbouncer,postgres-read-only}.test.ts",
    "test/system/{reply-changed,settings-changed,several-gateways}.test.ts",
  ],
  /** Kills, power cuts, disks that fail, damaged files, older builds. */
  crash: ["test/crash/**", "test/damage/**", "test/disk-errors/**", "test/upgrade/**"],
  /** Seeded histories and fuzzing, each with defects that they have to find. */
  simulation: ["test/simulation/**", "test/fuzz/**"],
  /** What is shipped, and what measures. */
  release: ["test/packaging/**", "test/bench/**"],
};

/**
 * Files at once. Most tests wait for processes, sockets and the disk. Leases and kills are measured in real time, so
 * those files run alone. The groups run one after the other.
 */
const WORKERS = { promises: CORES + 1, engines: 1, crash: 1, simulation: CORES, release: CORES };

const common = {
  // The system tests start real processes; a machine under load must not turn that into a failure.
  testTimeout: 120_000,
  hookTimeout: 120_000,
};

const tests = (paths: readonly string[]) =>
  paths.map((path) => (path.endsWith(".ts") ? path : `${path}/*.test.ts`));

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: "promises",
          maxWorkers: WORKERS.promises,
          include: ["test/**/*.test.ts"],
          exclude: Object.values(GROUPS).flatMap(tests),
        },
      },
      ...Object.entries(GROUPS).map(([name, paths], order) => ({
        test: {
          ...common,
          name,
          include: tests(paths),
          maxWorkers: WORKERS[name as keyof typeof GROUPS],
          sequence: { groupOrder: order + 1 },
        },
      })),
    ],
  },
});
