// Memory at rest: some time after a start, and after a burst of mail, beside a Node that does nothing and beside Postfix, in
// turns.
//
//   npm run bench:rest [-- --turns 3]
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { endProcess } from "../test/support/peers.ts";
import { makeFolder } from "../test/support/process.ts";
import { forgetNodesOwn, startBareNode } from "./support/bare-node.ts";
import { decimal, mebibytes } from "./support/figures.ts";
import { mailonce } from "./support/gateway.ts";
import { postfix } from "./support/postfix.ts";
import type { Contestant } from "./support/relay.ts";
import { atMost, publish } from "./support/result.ts";
import { submit } from "./support/smtp-source.ts";
import { median } from "./support/statistics.ts";
import { inTurns, timing } from "./support/turns.ts";

/** Times the resident memory of a Node that does nothing. */
const AIMED_FOR = 1.7;

/** What a gateway loads in the background is loaded, and the first collections have been. */
const REST_MS = 10_000;

const BURST = { mails: 5_000, load: { connections: 20, keep: true, octets: 4_096 } };

/** At rest again when a look finds no less than the one before, by this part: what V8 gives back comes in steps. */
const LOOK_MS = 5_000;
const FALLS = 0.99;

const METHOD = `At rest is ${REST_MS / 1_000} s after the start, on an empty queue. The burst is ${BURST.mails.toLocaleString("en")} mails of 4 KB on
${BURST.load.connections} kept connections, relayed to smtp-sink; at rest again is when a look every ${LOOK_MS / 1_000} s finds no less. In turns,
medians. Resident is VmRSS, of one process, and beside a Node that does nothing. Proportional is PSS, which divides a page among
those that share it, the sum of all processes of a program: the only measure that is fair to Postfix, whose processes share
much. Postfix keeps its processes for 100 s after their last work, so they are in the second figure.`;

interface Memory {
  /** Octets; that of the one process. */
  readonly resident: number;
  /** Octets, of all processes. */
  readonly proportional: number;
}

interface Rests {
  readonly started: Memory;
  readonly afterBurst: Memory;
}

/** Octets, of proc(5). */
const read = (pid: number, file: string, name: string): number =>
  Number(
    new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/${file}`, "latin1"))?.[1],
  ) * 1_024;

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

const memoryOf = (pids: readonly number[]): Memory => ({
  resident: sum(pids.map((pid) => read(pid, "status", "VmRSS"))),
  proportional: sum(pids.map((pid) => read(pid, "smaps_rollup", "Pss"))),
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** When it no longer falls. */
async function settled(pids: () => readonly number[]): Promise<Memory> {
  let before = memoryOf(pids());
  for (;;) {
    await pause(LOOK_MS);
    const now = memoryOf(pids());
    if (now.proportional > before.proportional * FALLS) return now;
    before = now;
  }
}

async function node(): Promise<Rests> {
  const child = await startBareNode();
  await pause(REST_MS);
  const started = memoryOf([child.pid as number]);
  await endProcess(child);
  return { started, afterBurst: started };
}

async function relay(contestant: Contestant): Promise<Rests> {
  const folder = makeFolder();
  const { cpu, port, sink, stop } = await contestant.start(join(folder.path, "queue"));
  try {
    await pause(REST_MS);
    const started = memoryOf(cpu.pids());
    await submit(port, BURST.mails, BURST.load);
    await sink.reached(BURST.mails);
    return { started, afterBurst: await settled(cpu.pids) };
  } finally {
    await stop();
    folder.remove();
  }
}

forgetNodesOwn();
const postfixVersion = postfix.version();
const kinds = {
  node,
  mailonce: () => relay(mailonce),
  ...(postfixVersion === undefined ? {} : { postfix: () => relay(postfix) }),
} as const;
const { turns } = timing({ seconds: 0, turns: 3 });
const found = await inTurns(turns, Object.entries(kinds), ([, measure]) => measure());

const middle = (kind: string, rest: keyof Rests, of: keyof Memory): number =>
  median([...found].flatMap(([[name], all]) => (name === kind ? all.map((one) => one[rest][of]) : [])));
const row = (what: string, rest: keyof Rests, of: keyof Memory, peer: string): string[] => {
  const [ours, theirs] = [middle("mailonce", rest, of), middle(peer, rest, of)];
  return [what, mebibytes(ours), mebibytes(theirs), decimal(ours / theirs)];
};
const RESTS = { "after a start": "started", "after a burst": "afterBurst" } as const;
const rows = (of: keyof Memory, peer: string): string[][] =>
  Object.entries(RESTS).map(([what, rest]) => row(what, rest, of, peer));

publish({
  name: "rest",
  question: "How much memory does a gateway take at rest?",
  method: METHOD,
  tables: [
    { columns: ["resident", "mailonce", "node", "ratio"], rows: rows("resident", "node") },
    ...(postfixVersion === undefined
      ? []
      : [
          {
            columns: ["proportional", "mailonce", "Postfix", "ratio"],
            rows: rows("proportional", "postfix"),
          },
        ]),
  ],
  targets: [
    atMost(
      "resident at rest, times that of Node",
      AIMED_FOR,
      middle("mailonce", "started", "resident") / middle("node", "started", "resident"),
    ),
  ],
  ...(postfixVersion === undefined ? {} : { versions: { Postfix: postfixVersion } }),
});
