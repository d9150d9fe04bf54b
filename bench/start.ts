// From the start to the first 220, beside a Node that does nothing, in turns.
//
//   npm run bench:start [-- --turns 7]
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { residentMemory } from "../test/support/large-mail.ts";
import { endProcess, freePort } from "../test/support/peers.ts";
import { environmentOf, MAIN, makeFolder } from "../test/support/process.ts";
import { forgetNodesOwn, startBareNode } from "./support/bare-node.ts";
import { mebibytes, milliseconds, ratioRow } from "./support/figures.ts";
import { atMost, publish, type Target } from "./support/result.ts";
import { median } from "./support/statistics.ts";
import { threadTimes } from "./support/thread-time.ts";
import { inTurns, timing } from "./support/turns.ts";

/** Times what a Node that does nothing takes. */
const AIMED_FOR = 3;
/** A start takes several hundred; what is lost by asking again is little beside it. */
const ASK_MS = 2;

const METHOD = `The built gateway on an empty data folder with its defaults, from the start of its process until a client has read
220; beside it \`node -e\` with a script that only says that it runs, until that is heard. The same Node, in turns, medians, without
variables of Node in the environment. Processor time is that of all threads until then, and memory what is resident at that moment.`;

interface Start {
  readonly wallMs: number;
  readonly processorMs: number;
  readonly octets: number;
}

type Kind = "node" | "mailonce";

/** @param start resolves once the process is there */
async function measure(start: () => Promise<ChildProcess>): Promise<Start> {
  const begun = performance.now();
  const child = await start();
  const wallMs = performance.now() - begun;
  const pid = child.pid as number;
  const processorMs = processorTime(pid);
  const octets = residentMemory(pid).now;
  await endProcess(child);
  return { wallMs, processorMs, octets };
}

/** Milliseconds, of all threads. Field 1 of schedstat is in nanoseconds; `stat` counts hundredths of a second. */
function processorTime(pid: number): number {
  let nanoseconds = 0;
  for (const thread of threadTimes(pid).keys()) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]);
  }
  return nanoseconds / 1e6;
}

async function greeted(port: number): Promise<void> {
  const isGreeted = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("data", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
  while (!(await isGreeted())) await new Promise((resolve) => setTimeout(resolve, ASK_MS));
}

const KINDS: Readonly<Record<Kind, () => Promise<Start>>> = {
  node: () => measure(startBareNode),
  async mailonce() {
    const folder = makeFolder();
    const port = await freePort();
    const env = environmentOf({ DATA_DIR: join(folder.path, "data"), SMTP_PORT: port });
    const start = await measure(async () => {
      const child = spawn(process.execPath, [MAIN, "serve"], { env, stdio: ["ignore", "ignore", "inherit"] });
      await greeted(port);
      return child;
    });
    folder.remove();
    return start;
  },
};

forgetNodesOwn();
const { turns } = timing({ seconds: 0, turns: 7 });
const found = await inTurns(turns, Object.keys(KINDS) as Kind[], (kind) => KINDS[kind]());

const middle = (kind: Kind, of: keyof Start): number =>
  median((found.get(kind) ?? []).map((start) => start[of]));
const ratio = (of: keyof Start): number => middle("mailonce", of) / middle("node", of);
const row = (what: string, of: keyof Start, show: (value: number) => string): string[] =>
  ratioRow(what, middle("node", of), middle("mailonce", of), show);
const target: Target = atMost(
  "start to 220, processor time, times that of Node",
  AIMED_FOR,
  ratio("processorMs"),
);

publish({
  name: "start",
  question: "How long does a start take?",
  method: METHOD,
  tables: [
    {
      columns: ["until it is there", "node", "mailonce", "ratio"],
      rows: [
        row("time by the clock", "wallMs", milliseconds),
        row("processor time", "processorMs", milliseconds),
        row("resident memory", "octets", mebibytes),
      ],
    },
  ],
  targets: [target],
});
