// Tests in groups, each with a name, a command and a place on one page: docs/tests.md. What a newcomer runs is
// "promises", and ends in minutes; the others prove the same promises under crashes, chance and real engines.
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const CORES = availableParallelism();

const GROUPS = {
  /** Who may submit: users, passwords, certificates, and what nobody else may read. */
  access: [
    "test/access/**",
    "test/config/secret-file.test.ts",
    "test/listeners/tls*.test.ts",
    "test/system/{access,permissions,secrets}.test.ts",
  ],
  /** What people who run a gateway see and do, by the built commands. */
  operate: [
    "test/system/{drain,explain,forget,history,http,metrics,metrics-labels,openapi,pause,status}.test.ts",
    "test/system/queue-{numbers,operated,page}.test.ts",
    "test/system/search.test.ts",
  ],
  /** The pages, in Debian's Chromium. */
  browser: ["test/browser/**"],
  /** What attackers send, and mails so odd that they could harm others. */
  hostile: [
    "test/operator/http-{door,events,limits}.test.ts",
    "test/submission/{decode-bounds,parser-cost}.test.ts",
    "test/system/{fingerprints,injection,limits,loops,memory,odd-mail,smuggling}.test.ts",
  ],
  /** Programs of others, as clients and as upstreams. */
  peers: ["test/ses-api/**", "test/system/{lmtp,peers,postfix-verdicts}.test.ts"],
  /** Job frameworks over a real broker, each with the file that its users install. */
  integrations: ["test/integrations/**"],
  /** Mail servers and readers that get a second copy. */
  receivers: ["test/receivers/**"],
  /** PostgreSQL and DynamoDB, and several gateways that share one of them. */
  engines: [
    "test/several/**",
    "test/lost-answers/several.test.ts",
    "test/ledger/{archive-moving,dynamodb*,postgres*,shared*}.test.ts",
    "test/system/{ledger-archive,ledger-set,metrics-shared,pgbouncer,postgres-read-only}.test.ts",
    "test/system/{evidence-shared,observe-shared,reply-changed,settings-changed,several-gateways}.test.ts",
  ],
  /** Kills, clocks that jump, older builds beside this one, answers that are lost. */
  crash: [
    "test/crash/{clock,disk,half-open,kill,storm}.test.ts",
    "test/lost-answers/{away,kills,lost-answers}.test.ts",
    "test/upgrade/rolling.test.ts",
  ],
  /** Damaged files, power cuts, and disks that fail. */
  damage: ["test/crash/damage.test.ts", "test/damage/**", "test/disk-errors/**"],
  /** Data of older builds, and the way back to them. */
  upgrade: ["test/upgrade/{data-folders,forgotten,going-back,operator-socket,shared-ledgers}.test.ts"],
  /** Seeded histories, fuzzing, models, and the defects that they and the conformance suites have to find. */
  simulation: ["test/simulation/**", "test/model/**", "test/fuzz/**", "test/conformance/*-broken.test.ts"],
  /** What is shipped, and what measures. */
  release: ["test/packaging/**", "test/bench/**"],
};

/** They measure leases and kills in real time, so their files run alone, after all others. */
const ALONE: ReadonlySet<string> = new Set(["engines", "crash"]);

/** Most tests wait for processes, sockets and the disk, so more files run at once than there are cores. */
const together = (name: string) =>
  ALONE.has(name)
    ? { maxWorkers: 1, sequence: { groupOrder: 1 } }
    : { maxWorkers: CORES + 1, sequence: { groupOrder: 0 } };

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
          ...together("promises"),
          include: ["test/**/*.test.ts"],
          exclude: Object.values(GROUPS).flatMap(tests),
        },
      },
      ...Object.entries(GROUPS).map(([name, paths]) => ({
        test: {
          ...common,
          name,
          include: tests(paths),
          ...together(name),
        },
      })),
    ],
  },
});
