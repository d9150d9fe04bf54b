// SMTP to SES, beside a bare loop over the SDK's client: the rate end to end, and the processor time of a mail.
//
//   npm run bench:ses-rate [-- --seconds 3 --turns 3]
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endProcess } from "../test/support/peers.ts";
import { makeFolder } from "../test/support/process.ts";
import { createCpuGroup } from "./support/cpu-group.ts";
import { startGateway } from "./support/gateway.ts";
import { relayRate } from "./support/relay.ts";
import { atLeast, type Chart, publish, type Table } from "./support/result.ts";
import { type SesSink, startSesSink } from "./support/ses-sink.ts";
import { median } from "./support/statistics.ts";
import { busiestThread, threadTimes } from "./support/thread-time.ts";
import { inTurns, timing } from "./support/turns.ts";

const OCTETS = 4_096;
const CONNECTIONS = 20;
const WARM_SECONDS = 1.5;
const FIRST_LOAD = 2_000;

const METHOD = `Mails of 4 KB, each with one recipient, to an SES on the same machine that reads a request, counts it and
answers. SES is one process that does nothing else. There are 20 calls at once everywhere.

- bare loop: \`SendEmailCommand\` with Raw content again and again in one process, with the client of the manual and
  \`maxAttempts: 1\`. It keeps nothing: no queue, no record of sent mail.
- upstream: the gateway's call for each mail, alone in the same loop.
- mailonce: the whole gateway, default settings; mails from smtp-source over 20 kept connections, every one of them
  new and durable in spool and ledger, until SES has the last.

The processor time is that of a process with all its threads, including the kernel's work for it. That of SES is beside
it; smtp-source takes some more. The busiest thread limits the rate. Where every thread has a core, the rate comes near
that limit.`;

process.env.AWS_REGION ??= "eu-west-1";
process.env.AWS_ACCESS_KEY_ID ??= "AKIAEXAMPLE";
process.env.AWS_SECRET_ACCESS_KEY ??= "example";

interface Measured {
  readonly rate: number;
  /** Microseconds a mail. */
  readonly cpu: number;
  /** Of the thread that takes the most. */
  readonly busiest: number;
  readonly sesCpu: number;
}

interface Contestant {
  readonly name: string;
  readonly pid: number;
  readonly ses: SesSink;
  /** How many last for a turn. */
  messages: number;
  run(messages: number): Promise<{ readonly rate: number; readonly cpu: number }>;
  stop(): Promise<void>;
}

async function startLoop(folder: string, name: string, kind: string): Promise<Contestant> {
  mkdirSync(folder, { recursive: true });
  const ses = await startSesSink(folder);
  const program = fileURLToPath(new URL("support/ses-loop.js", import.meta.url));
  const child = fork(program, [kind, ses.endpoint, String(OCTETS)]);
  const cpu = createCpuGroup(`loop-${child.pid}`, [child.pid as number]);
  await once(child, "message");
  return {
    ...{ name, ses, pid: child.pid as number, messages: 0 },
    async run(messages) {
      const before = { cpu: cpu.used(), count: ses.count() };
      const ms = await askLoop(child, messages);
      await ses.reached(before.count + messages);
      return { rate: (messages / ms) * 1_000, cpu: (cpu.used() - before.cpu) / messages };
    },
    async stop() {
      await endProcess(child);
      await cpu.remove();
      await ses.stop();
    },
  };
}

async function askLoop(child: ChildProcess, messages: number): Promise<number> {
  child.send(messages);
  const [ms] = (await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => Promise.reject(new Error("the loop ended"))),
  ])) as [number];
  return ms;
}

async function startRelay(folder: string, name: string): Promise<Contestant> {
  mkdirSync(folder, { recursive: true });
  const ses = await startSesSink(folder);
  const settings = { UPSTREAM_KIND: "ses", UPSTREAM_SES_ENDPOINT: ses.endpoint };
  const relay = await startGateway(folder, settings, ses);
  const load = { connections: CONNECTIONS, keep: true, octets: OCTETS };
  return {
    ...{ name, ses, pid: relay.pid as number, messages: 0 },
    async run(messages) {
      const { relayed, cpu } = await relayRate(relay, messages, load);
      return { rate: relayed, cpu };
    },
    stop: relay.stop,
  };
}

async function measure({ run, pid, ses, messages }: Contestant): Promise<Measured> {
  const before = { ses: ses.cpu(), threads: threadTimes(pid) };
  const { rate, cpu } = await run(messages);
  return {
    ...{ rate, cpu },
    busiest: busiestThread(pid, before.threads) / messages,
    sesCpu: (ses.cpu() - before.ses) / messages,
  };
}

const { seconds, turns } = timing({ seconds: 3, turns: 3 });

/** The median of its turns for each name. */
async function compare(contestants: readonly Contestant[]): Promise<Map<string, Measured>> {
  for (const contestant of contestants) {
    const first = await contestant.run(FIRST_LOAD);
    const warm = await contestant.run(Math.ceil(first.rate * WARM_SECONDS));
    contestant.messages = Math.ceil(warm.rate * seconds);
  }
  const measured = await inTurns(turns, contestants, measure);
  return new Map(
    [...measured].map(([{ name }, of]) => {
      const middle = (what: keyof Measured): number => median(of.map((one) => one[what]));
      const medians = { rate: middle("rate"), cpu: middle("cpu"), busiest: middle("busiest") };
      return [name, { ...medians, sesCpu: middle("sesCpu") }];
    }),
  );
}

const BARE = "bare loop";
const UPSTREAM = "upstream";
const GATEWAY = "mailonce";

const folder = makeFolder();
const contestants: Contestant[] = [];
try {
  const place = (): string => join(folder.path, String(contestants.length));
  contestants.push(await startLoop(place(), BARE, "bare"));
  contestants.push(await startLoop(place(), UPSTREAM, "upstream"));
  contestants.push(await startRelay(place(), GATEWAY));
  report(await compare(contestants));
} finally {
  for (const contestant of contestants) await contestant.stop();
  folder.remove();
}

function report(measured: ReadonlyMap<string, Measured>): void {
  const of = (name: string): Measured => measured.get(name) as Measured;
  const whole = (value: number): string => Math.round(value).toLocaleString("en");
  const ratio = (name: string): number => of(name).rate / of(BARE).rate;
  const table: Table = {
    columns: [
      ...["", "mails a second", "of the bare loop"],
      ...["processor time a mail", "in the busiest thread", "that of SES"],
    ],
    rows: [...measured].map(([name, { rate, cpu, busiest, sesCpu }]) => [
      name,
      whole(rate),
      ratio(name).toFixed(2),
      `${whole(cpu)} µs`,
      `${whole(busiest)} µs`,
      `${whole(sesCpu)} µs`,
    ]),
  };
  const chart: Chart = {
    title: "Mails to SES a second, 4 KB, 20 at once",
    bars: [BARE, GATEWAY].map((label) => {
      return { label, value: of(label).rate, ours: label !== BARE };
    }),
  };
  const timesLoop = (value: number): string => `${value.toFixed(2)} times the bare loop`;
  publish({
    name: "ses-rate",
    question: "SMTP to SES, beside a bare loop over the SDK",
    method: METHOD,
    tables: [table],
    charts: [chart],
    targets: [atLeast("SMTP to SES in one process", 0.9, ratio(GATEWAY), timesLoop)],
  });
}
