// `serve` in a world that can be killed at a step: the same loadConfig, startGateway, disk and sockets, with
// a storage and an upstream that tell where they are. Run as a process of its own by gateway-process.ts.
import { openSync, readdirSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../src/config/config.ts";
import type { Evidence } from "../../src/evidence/evidence.ts";
import { startGateway } from "../../src/gateway.ts";
import { FILTER_KEY } from "../../src/ledger/embedded/records.ts";
import { openEngine } from "../../src/ledger/open.ts";
import type { EngineLimits } from "../../src/ledger/shared/engine.ts";
import { type Clock, systemClock } from "../../src/runtime/clock.ts";
import { type Log, openLog } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { type Operation, type Storage, StorageError, type Store } from "../../src/storage/storage.ts";
import { createUpstreams } from "../../src/upstream/open.ts";
import { createSmtpUpstream } from "../../src/upstream/smtp/smtp.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { createCrashingEngine } from "../support/crashing-engine.ts";
import { createCrashingStorage, type StorageMoment } from "../support/crashing-storage.ts";
import { createCrashingUpstream } from "../support/crashing-upstream.ts";
import type { Answer, Defect, Order, Plan, Proved } from "./plan.ts";
import { createQueueWatch } from "./queue-watch.ts";
import { stepNamed } from "./shared-steps.ts";
import type { Moment, Step } from "./steps.ts";

/** The stores whose commits are none under a defect. */
const unsynced: Readonly<Record<Defect, RegExp | undefined>> = {
  "accept unsynced": /^spool\/queue$/,
  "attempt unsynced": /^ledger\/state$/,
  "settlement unsynced": /^ledger\/generation-\d+$/,
  "filter kept": undefined,
};

/** Far above what the longest back-off in these tests and a busy machine add up to. */
const PATIENCE_MS = 20_000;

const plan = JSON.parse(process.env.CRASH_PLAN ?? "{}") as Plan;
const config = loadConfig({ environment: process.env });
const queue = createQueueWatch();
let offset = plan.clockOffsetMs ?? 0;
let armed: { readonly step: Step; left: number } | undefined;

function arm(name: string, nth: number): void {
  armed = { step: stepNamed(name), left: nth };
}

/** Leaves the digest of a filter's file there when an id is added that the file does not have. */
function keepingProof(store: Store): Store {
  const isKept = ({ type, key }: Operation) => type === "del" && Buffer.compare(key, FILTER_KEY) === 0;
  return { ...store, commit: (operations) => store.commit(operations.filter((one) => !isKept(one))) };
}

function broken(storage: Storage, defect: Defect): Storage {
  return {
    ...storage,
    async openStore(name, kept) {
      const store = await storage.openStore(name, kept);
      if (defect === "filter kept") return keepingProof(store);
      return unsynced[defect]?.test(name) ? { ...store, commit: store.write } : store;
    },
    removeFile: async (name) => {
      if (defect !== "filter kept" || !name.endsWith(".filter")) await storage.removeFile(name);
    },
  };
}

function reached(moment: Moment): void {
  if (armed?.step.at?.(moment) !== true || --armed.left > 0) return;
  process.kill(process.pid, "SIGKILL");
  // Not one instruction more: the signal is delivered when the system finds the time.
  for (;;);
}

/** Notes how long a store's log was when it was last made durable; what is beyond may be lost with power. */
function createSyncNote(file: string): (moment: StorageMoment) => void {
  const out = openSync(file, "a");
  return ({ call, when, name }) => {
    // A store that has just been opened has put all of its old log into tables, and begun an empty one.
    if ((call !== "commit" && call !== "openStore") || when !== "after") return;
    if (call === "commit" && plan.defect !== undefined && unsynced[plan.defect]?.test(name)) return;
    const folder = join(config.data_dir, name);
    const log = readdirSync(folder)
      .filter((entry) => entry.endsWith(".log"))
      .sort()
      .at(-1);
    if (log !== undefined) writeSync(out, `${name} ${log} ${statSync(join(folder, log)).size}\n`);
  };
}

const noteSync = plan.syncNotes === undefined ? () => {} : createSyncNote(plan.syncNotes);
const sound = createDiskStorage(config.data_dir);
const disk = plan.defect === undefined ? sound : broken(sound, plan.defect);
const clock: Clock = { ...systemClock, now: () => systemClock.now() + offset };

let evidence: Evidence | undefined;

async function prove({ number, id }: Extract<Order, { kind: "prove" }>): Promise<void> {
  const proof = { from: "tag", source: "a test", at: clock.now() } as const;
  tell({ kind: "proved", number, said: (await evidence?.take(id, proof)) ?? "away" });
}

const tell = (answer: Answer | Proved): void => {
  process.send?.(answer);
};

process.on("message", (order: Order) => {
  if (order.kind === "arm") arm(order.step, order.nth);
  if (order.kind === "arm-at-stop") process.once("SIGTERM", () => arm(order.step, order.nth));
  if (order.kind === "advance") offset += order.ms;
  if (order.kind === "prove") void prove(order);
  else if (order.kind === "tell-when-dry") {
    void queue.dry(PATIENCE_MS).then((waiting) => tell({ kind: "dry", waiting }));
  } else tell({ kind: "done" });
});

// Whoever drives it is gone: nothing may be left running.
process.on("disconnect", () => process.exit(1));

if (plan.step !== undefined) arm(plan.step, plan.nth ?? 1);
// Before the line that says it listens: whoever reads that may stop it at once.
const told = new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));

async function openUpstream(log: Log): Promise<Upstream> {
  const { kind, smtp } = config.upstream;
  const { host = "127.0.0.1", ...rest } = smtp;
  if (kind === "smtp") {
    return createSmtpUpstream({ ...rest, host, hostname: config.hostname, timeouts: plan.timeouts, clock });
  }
  const [upstream] = (await createUpstreams(config, clock, log)).values();
  if (upstream === undefined) throw new Error("no upstream");
  return upstream;
}

try {
  const { level } = config.log;
  const log = await openLog({ level, format: "json" });
  const upstream = createCrashingUpstream(await openUpstream(log), reached);
  const openTold = async (limits: EngineLimits) =>
    createCrashingEngine(await openEngine(config, limits, log), reached);
  const gateway = await startGateway(config, {
    ...(config.ledger.kind === "embedded" ? {} : { openEngine: openTold }),
    storage: createCrashingStorage(queue.watching(disk), (moment) => {
      noteSync(moment);
      reached(moment);
    }),
    upstreams: new Map([["upstream", upstream]]),
    clock,
    random: systemRandom,
    log,
  });
  evidence = gateway.evidence;
  await told;
  await gateway.stop();
  process.exit(0);
} catch (error) {
  if (!(error instanceof StorageError)) throw error;
  process.stderr.write(`mailonce: ${error.message}\n`);
  process.exit(1);
}
