// What pages cost: a page of the queue out of 100,000 mails while mail is relayed, and 200 pages that people have left open.
//
//   npm run bench:browsing [-- --queued 100000 --pages 200 --seconds 5 --turns 7]
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { freePort } from "../test/support/peers.ts";
import { makeFolder, run, startProcess } from "../test/support/process.ts";
import { submitMany } from "../test/support/queue-numbers.ts";
import { createCpuGroup } from "./support/cpu-group.ts";
import { decimal, microseconds, milliseconds, whole } from "./support/figures.ts";
import { submitPaced } from "./support/paced-load.ts";
import { messagesFor, type Relay, relayRate } from "./support/relay.ts";
import { atMost, publish } from "./support/result.ts";
import { startSink } from "./support/sink.ts";
import { median } from "./support/statistics.ts";
import { inTurns } from "./support/turns.ts";

const { values } = parseArgs({
  options: {
    queued: { type: "string", default: "100000" },
    pages: { type: "string", default: "200" },
    seconds: { type: "string", default: "5" },
    turns: { type: "string", default: "7" },
  },
});
const [queued, pages] = [Number(values.queued), Number(values.pages)];
const LOAD = { connections: 20, keep: true, octets: 4_096 };

/** Looks at the queue, one after the other. */
const LOOKS = 100;

/** As assets/live.js reads a page again where there is no stream for it. */
const POLL_MS = 30_000;

const METHOD = `${whole(queued)} mails wait for an upstream that is paused. While others are relayed at half the highest rate, \`/queue\` and
\`/queue?state=due\` are asked for ${LOOKS} times with the role operate. Then mails are relayed as fast as possible, in turns with nobody looking and
with ${whole(pages)} open overviews: each has a stream of events, as far as there are any, and reads the page again as often as the page says, without
a stream every ${POLL_MS / 1_000} seconds. The ratio is that of each turn, and of those the median.`;

/** Who is signed in. */
let headers: Readonly<Record<string, string>> = {};

/** Milliseconds until the whole page is there. */
async function timed(url: string): Promise<number> {
  const began = performance.now();
  await textOf(url);
  return performance.now() - began;
}

async function textOf(url: string): Promise<string> {
  const answer = await fetch(url, { headers });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return text;
}

/** How often an overview may be read again, in milliseconds, as assets/live.js takes it from the page. */
const paceOf = (page: string): number => 1_000 * Number(/ data-live="(\d+)"/.exec(page)?.[1]);

/** @returns whether there was a stream, and what closes it */
async function openStream(base: string): Promise<{ isOpen: boolean; close(): void }> {
  const stream = get(`${base}/api/v1/events?only=status`, { agent: false, headers });
  stream.on("error", () => {});
  const [answer] = (await once(stream, "response")) as [IncomingMessage];
  answer.resume();
  return { isOpen: answer.statusCode === 200, close: () => void stream.destroy() };
}

/** Pages that people have left open, at different times. @returns what closes them */
async function openPages(base: string): Promise<() => void> {
  const streams = await Promise.all(Array.from({ length: pages }, () => openStream(base)));
  const pace = paceOf(await textOf(`${base}/`));
  const timers = new Set<NodeJS.Timeout>();
  const readAfter = (ms: number, isOpen: boolean): void => {
    const timer = setTimeout(async () => {
      const page = await textOf(`${base}/`).catch(() => undefined);
      if (timers.delete(timer)) readAfter(isOpen && page !== undefined ? paceOf(page) : POLL_MS, isOpen);
    }, ms);
    timers.add(timer);
  };
  for (const [at, { isOpen }] of streams.entries())
    readAfter((at / pages) * (isOpen ? pace : POLL_MS), isOpen);
  return () => {
    for (const { close } of streams) close();
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
  };
}

const folder = makeFolder();
const sink = await startSink(folder.path);
const file = join(folder.path, "mailonce.toml");
const upstream = (name: string, port: number): string =>
  `[upstreams.${name}]\nkind = "smtp"\nsmtp.host = "127.0.0.1"\nsmtp.port = ${port}\nsmtp.tls = "none"\n`;
const route = (rest: string): string => `[[routes]]\n${rest}\n`;
writeFileSync(
  file,
  [
    ...[upstream("main", sink.port), upstream("away", await freePort())],
    ...[route('domains = ["away.example"]\nupstreams = ["away"]'), route('upstreams = ["main"]')],
  ].join(""),
);
const tokens = join(folder.path, "tokens");
const token = await run(["token", "add", "ann", "--role", "operate", "--file", tokens], {});
headers = { Authorization: `Bearer ${token.stdout.trim()}` };
const settings = { CONFIG: file, DATA_DIR: join(folder.path, "data"), SMTP_PORT: 0 };
const httpPort = await freePort();
const child = await startProcess({ ...settings, HTTP_PORT: httpPort, HTTP_TOKENS_FILE: tokens });
const base = `http://127.0.0.1:${httpPort}`;
const cpu = createCpuGroup("gateway", [child.pid]);
const gateway: Relay = {
  ...{ name: "mailonce", port: child.port, sink, cpu, pid: child.pid },
  async stop() {
    await child.stop();
    await cpu.remove();
    await sink.stop();
  },
};
try {
  const paused = await run(["pause", "away"], settings);
  if (paused.code !== 0) throw new Error(paused.stderr);
  const messages = await messagesFor(gateway, Number(values.seconds), LOAD);
  const { relayed } = await relayRate(gateway, messages, LOAD);
  await submitMany(gateway.port, "away.example", queued);

  const rate = relayed / 2;
  const paced = Math.ceil(rate * 20);
  const relayedAll = sink.reached(sink.count() + paced);
  let isOver = false;
  const load = submitPaced({
    ...{ port: gateway.port, connections: 20, rate, messages: paced, octets: 4_096 },
  }).finally(() => {
    isOver = true;
  });
  const looks: Record<string, number[]> = { "/queue": [], "/queue?state=due": [], "/": [] };
  for (let look = 0; look < LOOKS && !isOver; look++) {
    for (const [path, took] of Object.entries(looks)) took.push(await timed(`${base}${path}`));
  }
  await Promise.all([load, relayedAll]);

  const states = ["nobody looks", "open pages"] as const;
  const found = await inTurns(Number(values.turns), states, async (state) => {
    const close = state === "open pages" ? await openPages(base) : () => {};
    const { cpu } = await relayRate(gateway, messages, { ...LOAD, task: randomUUID() });
    close();
    return cpu;
  });
  const [alone = [], open = []] = states.map((state) => found.get(state));
  const ratio = median(open.map((cpu, turn) => cpu / (alone[turn] ?? cpu)));
  publish({
    name: "browsing",
    question: "What do the pages cost?",
    method: METHOD,
    tables: [
      {
        columns: [
          `with ${whole(queued)} mails queued, at ${whole(rate)} mails a second`,
          "median",
          "longest",
        ],
        rows: Object.entries(looks).map(([path, took]) => [
          `\`${path}\``,
          milliseconds(median(took)),
          milliseconds(Math.max(...took)),
        ]),
      },
      {
        columns: ["processor time of a mail", "nobody looks", `${whole(pages)} open pages`, "ratio"],
        rows: [["", microseconds(median(alone)), microseconds(median(open)), ratio.toFixed(3)]],
      },
    ],
    targets: [
      ...Object.entries(looks).map(([path, took]) =>
        atMost(`Milliseconds of \`${path}\``, 50, median(took), decimal),
      ),
      atMost("Processor time of a mail, of that while nobody looks", 1.05, ratio, decimal),
    ],
  });
} finally {
  await gateway.stop();
  folder.remove();
}
