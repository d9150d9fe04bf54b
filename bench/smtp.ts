// SMTP to SMTP, beside what users would pick instead: the rate end to end, and the processor time of a mail.
//
//   npm run bench:smtp [-- --seconds 5 --turns 3]
import { join } from "node:path";
import { makeFolder } from "../test/support/process.ts";
import { exim } from "./support/exim.ts";
import { decimal, mebibytes, microseconds, whole } from "./support/figures.ts";
import { mailonce } from "./support/gateway.ts";
import { haraka } from "./support/haraka.ts";
import { postfix } from "./support/postfix.ts";
import { medianRate, messagesFor, type Rate, type Relay, relayRate } from "./support/relay.ts";
import { atLeast, type Chart, publish, type Table, type Target } from "./support/result.ts";
import type { Load } from "./support/smtp-source.ts";
import { inTurns, timing } from "./support/turns.ts";

interface Situation extends Load {
  readonly name: string;
  /** How many times Postfix's rate is aimed for. */
  readonly wanted?: number;
  /** Who takes no part. */
  readonly without?: string;
}

const octets = 4_096;
const SITUATIONS: readonly Situation[] = [
  { name: "20 kept connections", connections: 20, keep: true, octets, wanted: 5 },
  { name: "one connection a mail, 20 at once", connections: 20, keep: false, octets, wanted: 2 },
  { name: "1,000 kept connections", connections: 1_000, keep: true, octets, without: "Exim" },
];

const programs = [mailonce, postfix, haraka, exim].map((program) => ({
  program,
  version: program.version(),
}));
const here = programs.filter(({ version }) => version !== undefined);
const missing = programs.filter((one) => !here.includes(one)).map(({ program }) => program.name);
if (missing.includes(postfix.name))
  throw new Error("postfix is missing: it brings smtp-source and smtp-sink");

const METHOD = `One task's mails of 4 KB, one recipient each and all of them new, from smtp-source, relayed to smtp-sink (both of
Postfix), until the last mail is there. Every relay has its own queue on the same disk and syncs each mail to it before it
answers 250:

${here.map(({ program: { name, setUp } }) => `- ${name}: ${setUp}`).join("\n")}
${missing.map((name) => `- ${name}: not installed, left out.\n`).join("")}
The others don't know repeats: mail that is submitted twice is relayed twice. The figures of mailonce include its extra
work. Processor time is that of all processes of a relay. Memory is the most that was resident (VmHWM), for the relay
that is one process.`;

const { seconds, turns } = timing({ seconds: 5, turns: 3 });

interface Standing extends Rate {
  readonly name: string;
  /** Octets, at most. */
  readonly memory: number | undefined;
}

/** All under one load, each with a new queue, in turns. */
async function compare(situation: Situation): Promise<Standing[]> {
  const folder = makeFolder();
  const running: Relay[] = [];
  try {
    for (const { program } of here) {
      if (program.name !== situation.without)
        running.push(await program.start(join(folder.path, program.name)));
    }
    const relays: { readonly relay: Relay; readonly messages: number }[] = [];
    for (const relay of running) {
      relays.push({ relay, messages: await messagesFor(relay, seconds, situation) });
    }
    const rates = await inTurns(turns, relays, ({ relay, messages }) =>
      relayRate(relay, messages, situation),
    );
    return [...rates].map(([{ relay }, of]) => ({
      ...{ name: relay.name, memory: relay.memory?.() },
      ...medianRate(of),
    }));
  } finally {
    for (const relay of running) await relay.stop();
    folder.remove();
  }
}

const tables: Table[] = [];
const charts: Chart[] = [];
const targets: Target[] = [];
const timesPostfix = (value: number): string => `${decimal(value)} times Postfix`;

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
      decimal(relayed / rate(postfix.name)),
      microseconds(cpu),
      memory === undefined ? "" : mebibytes(memory),
    ]),
  });
  charts.push({
    title: `Mails relayed a second, ${situation.name}`,
    bars: standings.map(({ name, relayed }) => ({
      label: name,
      value: relayed,
      ours: name === mailonce.name,
    })),
  });
  if (situation.wanted === undefined) continue;
  const ratio = rate(mailonce.name) / rate(postfix.name);
  targets.push(atLeast(`SMTP to SMTP, 4 KB, ${situation.name}`, situation.wanted, ratio, timesPostfix));
}

const versions = Object.fromEntries(here.map(({ program, version = "" }) => [program.name, version]));
publish({
  name: "smtp",
  question: "SMTP to SMTP, beside other relays",
  method: METHOD,
  tables,
  charts,
  targets,
  versions,
});
