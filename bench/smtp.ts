// SMTP to SMTP, beside what users would pick instead: the rate end to end, and the processor time of a mail.
//
//   npm run bench:smtp [-- --seconds 5 --turns 3]
import { join } from "node:path";
import { makeFolder } from "../test/support/process.ts";
import { eximVersion, startExim } from "./support/exim.ts";
import { startGateway } from "./support/gateway.ts";
import { harakaVersion, startHaraka } from "./support/haraka.ts";
import { postfixVersion, startPostfixRelay } from "./support/postfix.ts";
import { messagesFor, type Rate, type Relay, relayRate } from "./support/relay.ts";
import { atLeast, type Chart, publish, type Table, type Target } from "./support/result.ts";
import type { Load } from "./support/smtp-source.ts";
import { median } from "./support/statistics.ts";
import { inTurns, timing } from "./support/turns.ts";

interface Situation extends Load {
  readonly name: string;
  /** How many times Postfix's rate is aimed for. */
  readonly wanted?: number;
  /** Who takes no part. */
  readonly without?: string;
}

const content = { octets: 4_096 };
const SITUATIONS: readonly Situation[] = [
  { name: "20 kept connections", connections: 20, keep: true, content, wanted: 5 },
  { name: "one connection a mail, 20 at once", connections: 20, keep: false, content, wanted: 2 },
  { name: "1,000 kept connections", connections: 1_000, keep: true, content, without: "Exim" },
];

const METHOD = `Mails of 4 KB with one recipient each from smtp-source, relayed to smtp-sink (both of Postfix), until the
last mail is there. Every relay has a queue of its own on the same disk and syncs each mail to it before it says 250:

- mailonce: default settings, a log line for each decision. It syncs twice more before a mail is done, which
  remembers the id; each mail has a new one.
- Postfix: its queue files are synced, as always; up to 200 processes of a kind, 50 connections to the sink, no
  look-ups of client names: faster here than its defaults, and than 1,000 processes.
- Haraka: its outbound queue, which syncs each file; a process for each core, 50 connections to the sink.
- Exim: it syncs both files of a mail; each is relayed as soon as it is accepted, by a process of its own. It takes no
  part with 1,000 connections, each of which is a process too.

None of the others knows what a repeat is: mail that is submitted twice is relayed twice. What mailonce does
besides relaying is in its figures.`;

interface Contestant {
  readonly name: string;
  readonly version: string | undefined;
  readonly start: (folder: string) => Promise<Relay>;
}

const postfix: Contestant = { name: "Postfix", version: postfixVersion(), start: startPostfixRelay };
if (postfix.version === undefined)
  throw new Error("postfix is not installed: it brings smtp-source and smtp-sink");
const contestants = [
  { name: "mailonce", version: "", start: startGateway },
  postfix,
  { name: "Haraka", version: harakaVersion(), start: startHaraka },
  { name: "Exim", version: eximVersion(), start: startExim },
].filter(({ name, version }) => {
  if (version === undefined) console.log(`${name} is not installed: left out`);
  return version !== undefined;
});

const { seconds, turns } = timing({ seconds: 5, turns: 3 });

interface Standing {
  readonly name: string;
  readonly accepted: number;
  readonly relayed: number;
  readonly cpu: number;
  readonly memory: number | undefined;
}

/** All under one load, each with a new queue, in turns. */
async function compare(situation: Situation): Promise<Standing[]> {
  const folder = makeFolder();
  const running: Relay[] = [];
  const relays: { readonly relay: Relay; readonly messages: number }[] = [];
  try {
    for (const { name, start } of contestants) {
      if (name === situation.without) continue;
      const relay = await start(join(folder.path, name));
      running.push(relay);
      relays.push({ relay, messages: await messagesFor(relay, seconds, situation) });
    }
    const rates = await inTurns(turns, relays, ({ relay, messages }) =>
      relayRate(relay, messages, situation),
    );
    return [...rates].map(([{ relay }, of]) => {
      const middle = (measure: keyof Rate): number => median(of.map((rate) => rate[measure]));
      return {
        name: relay.name,
        ...{ accepted: middle("accepted"), relayed: middle("relayed"), cpu: middle("cpu") },
        memory: relay.memory?.(),
      };
    });
  } finally {
    for (const relay of running) await relay.stop();
    folder.remove();
  }
}

const tables: Table[] = [];
const charts: Chart[] = [];
const targets: Target[] = [];
const whole = (value: number): string => Math.round(value).toLocaleString("en");
const timesPostfix = (value: number): string => `${value.toFixed(2)} times Postfix`;

for (const situation of SITUATIONS) {
  const standings = await compare(situation);
  const rate = (name: string): number =>
    standings.find((standing) => standing.name === name)?.relayed ?? Number.NaN;
  tables.push({
    columns: [
      situation.name,
      "accepted a second",
      "relayed a second",
      "of Postfix",
      "processor time a mail",
      "memory at most",
    ],
    rows: standings.map(({ name, accepted, relayed, cpu, memory }) => [
      name,
      whole(accepted),
      whole(relayed),
      (relayed / rate("Postfix")).toFixed(2),
      `${whole(cpu)} µs`,
      memory === undefined ? "" : `${whole(memory / 2 ** 20)} MiB`,
    ]),
  });
  charts.push({
    title: `Mails relayed a second, ${situation.name}`,
    bars: standings.map(({ name, relayed }) => ({ label: name, value: relayed, ours: name === "mailonce" })),
  });
  if (situation.wanted === undefined) continue;
  const ratio = rate("mailonce") / rate("Postfix");
  targets.push(atLeast(`SMTP to SMTP, 4 KB, ${situation.name}`, situation.wanted, ratio, timesPostfix));
}

const versions = Object.fromEntries(contestants.slice(1).map(({ name, version }) => [name, String(version)]));
publish({
  name: "smtp",
  question: "SMTP to SMTP, beside other relays",
  method: METHOD,
  tables,
  charts,
  targets,
  versions,
});
