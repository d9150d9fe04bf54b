// What it costs that a gateway can be seen: history, metrics and a scrape every five seconds, against a gateway without
// history that nobody scrapes, and, where one is given, against an older build. In turns, with new mails and repeats.
//
//   npm run bench:operate [-- --seconds 10 --turns 5 --before /path/to/older/dist/main.js]
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { freePort } from "../test/support/peers.ts";
import { makeFolder } from "../test/support/process.ts";
import { decimal, microseconds, milliseconds, whole } from "./support/figures.ts";
import { type Lodger, startTogether } from "./support/gateway.ts";
import { expectCount, messagesFor, type Rate, type Relay, relayRate } from "./support/relay.ts";
import { atLeast, atMost, publish } from "./support/result.ts";
import { submit } from "./support/smtp-source.ts";
import { median } from "./support/statistics.ts";
import { inTurns } from "./support/turns.ts";

const LOAD = { connections: 20, keep: true, octets: 4_096 };

/** As often as Prometheus does where somebody is in a hurry; its default is a minute. */
const SCRAPE_MS = 5_000;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    turns: { type: "string", default: "5" },
    before: { type: "string" },
  },
});

const METHOD = `Two gateways in one process, in turns: one with the default \`[history] retention\`, whose metrics are scraped every
${SCRAPE_MS / 1_000} seconds, and one with \`"0"\` and without HTTP; where it is given, an older build is the third. In one process, since
two processes of the same program differ by a tenth. One task's mails of 4 KB, all of them new, from smtp-source on
${LOAD.connections} kept connections to smtp-sink; then the same mails again, as repeats. Each is measured until the history is written.
Counting goes on in both; what it costs shows against the older build only. The ratio is that of each turn, and of those the
median.`;

/** A history is written within a second. */
const WRITTEN_MS = 1_300;

interface Contestant {
  readonly name: string;
  readonly gateway: Relay;
  /** Of HTTP; absent where nobody scrapes. */
  readonly httpPort?: number;
}

interface Turn {
  readonly fresh: Rate;
  readonly repeats: { readonly rate: number; readonly cpu: number };
}

/** Milliseconds of each scrape. */
const scrapes: number[] = [];

/** Scrapes from now on. @returns to be called at the end */
function scrapeAlways(port: number): () => void {
  const once = async (): Promise<void> => {
    const began = performance.now();
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    if (!answer.ok) throw new Error(`/metrics: ${answer.status}`);
    await answer.text();
    scrapes.push(performance.now() - began);
  };
  const timer = setInterval(() => void once(), SCRAPE_MS);
  return () => clearInterval(timer);
}

async function measure({ gateway }: Contestant): Promise<Turn> {
  const load = { ...LOAD, task: randomUUID() };
  const cpuOf = async <Done>(work: () => Promise<Done>): Promise<readonly [Done, number]> => {
    const before = gateway.cpu.used();
    const done = await work();
    await new Promise((resolve) => setTimeout(resolve, WRITTEN_MS));
    return [done, (gateway.cpu.used() - before) / messages];
  };
  const [fresh, freshCpu] = await cpuOf(() => relayRate(gateway, messages, load));
  const count = gateway.sink.count();
  const [rate, cpu] = await cpuOf(async () => {
    const began = performance.now();
    await submit(gateway.port, messages, load);
    return (messages / (performance.now() - began)) * 1_000;
  });
  await expectCount(gateway, count);
  return { fresh: { ...fresh, cpu: freshCpu }, repeats: { rate, cpu } };
}

const folder = makeFolder();
const httpPort = await freePort();
const { before: older } = values;
const lodgers: readonly (Lodger & Pick<Contestant, "name" | "httpPort">)[] = [
  { name: "history, metrics, a scrape every 5 s", httpPort, settings: { HTTP_PORT: httpPort } },
  { name: "no history, no HTTP", settings: { HISTORY_RETENTION: "0", HTTP_ENABLED: "false" } },
  ...(older === undefined ? [] : [{ name: "the older build", settings: {}, main: older }]),
];
const gateways = await startTogether(folder.path, lodgers);
const contestants = lodgers.map((lodger, at): Contestant => ({ ...lodger, gateway: gateways[at] as Relay }));
const [seen, ...others] = contestants as [Contestant, ...Contestant[]];
let messages = 0;
try {
  for (const { gateway } of contestants) messages = await messagesFor(gateway, Number(values.seconds), LOAD);
  const stop = scrapeAlways(httpPort);
  const found = await inTurns(Number(values.turns), contestants, measure);
  stop();
  const turnsOf = (contestant: Contestant): readonly Turn[] => found.get(contestant) ?? [];
  const middle = (contestant: Contestant, of: (turn: Turn) => number): number =>
    median(turnsOf(contestant).map(of));
  const ratio = (other: Contestant, of: (turn: Turn) => number): number =>
    median(turnsOf(seen).map((one, turn) => of(one) / of(turnsOf(other)[turn] ?? one)));
  const measures = [
    ["new mails, a second", ({ fresh }: Turn) => fresh.relayed, whole],
    ["repeats, a second", ({ repeats }: Turn) => repeats.rate, whole],
    ["processor time of a new mail", ({ fresh }: Turn) => fresh.cpu, microseconds],
    ["processor time of a repeat", ({ repeats }: Turn) => repeats.cpu, microseconds],
  ] as const;
  publish({
    name: "operate",
    question: "What it costs that a gateway can be seen",
    method: METHOD,
    tables: [
      {
        columns: [
          "",
          ...contestants.map(({ name }) => name),
          ...others.map(({ name }) => `ratio to ${name}`),
        ],
        rows: measures.map(([name, of, show]) => [
          name,
          ...contestants.map((one) => show(middle(one, of))),
          ...others.map((one) => ratio(one, of).toFixed(3)),
        ]),
      },
      {
        columns: ["scrapes", "median", "longest"],
        rows: [[whole(scrapes.length), milliseconds(median(scrapes)), milliseconds(Math.max(...scrapes))]],
      },
    ],
    targets: others.flatMap((other) =>
      measures.map(([name, of], index) =>
        index < 2
          ? atLeast(`${name}, of those of: ${other.name}`, 0.95, ratio(other, of), decimal)
          : atMost(`${name}, of that of: ${other.name}`, 1.05, ratio(other, of), decimal),
      ),
    ),
  });
} finally {
  await seen.gateway.stop();
  folder.remove();
}
