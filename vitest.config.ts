// Tests in groups, each with a name, a command and a place on one page: docs/tests.md. What a newcomer runs is
// "promises", and ends in minutes; the others prove the same promises under crashes, chance and real engines.
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

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

const common = {
  // The system tests start real processes; a machine under load must not turn that into a failure.
  testTimeout: 120_000,
  hookTimeout: 120_000,
};

const tests = (paths: readonly string[]) =>
  paths.map((path) => (path.endsWith(".ts") ? path : `${path}/*.test.ts`));

export default defineConfig({
  test: {
    // Most of them wait for processes, sockets and the disk.
    maxWorkers: availableParallelism() + 1,
    projects: [
      {
        test: {
          ...common,
          name: "promises",
          include: ["test/**/*.test.ts"],
          exclude: Object.values(GROUPS).flatMap(tests),
        },
      },
      ...Object.entries(GROUPS).map(([name, paths]) => ({
        test: { ...common, name, include: tests(paths) },
      })),
    ],
  },
});
