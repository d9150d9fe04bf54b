// How long a client waits for its 250, at shares of the highest rate that the gateway keeps up with, beside stand-ins that sync once.
//
//   npm run bench:latency [-- --seconds 6 --turns 3]
import { join } from "node:path";
import { makeFolder } from "../test/support/process.ts";
import { decimal, milliseconds, whole } from "./support/figures.ts";
import { startGateway } from "./support/gateway.ts";
import { startLibraries } from "./support/libraries.ts";
import { type Latencies, submitPaced } from "./support/paced-load.ts";
import { expectCount, messagesFor, type Relay, relayRate } from "./support/relay.ts";
import { atMost, publish } from "./support/result.ts";
import { median, percentile } from "./support/statistics.ts";
import { timing } from "./support/turns.ts";

const OCTETS = 4_096;
const CONNECTIONS = 20;
/** Of the client that goes by the clock: enough to be never short of one. */
const PACED_CONNECTIONS = 100;
const LOAD = { connections: CONNECTIONS, keep: true, octets: OCTETS };
const SHARES = [0.25, 0.5, 0.75];
const AIMED_FOR = 0.5;
const P99 = "p99 from final dot to 250, at half the highest rate";

const METHOD = `Milliseconds from the final dot to 250 while mails of 4 KB, each with a new id, are submitted at a fixed rate and
relayed to smtp-sink. The rates are shares of the highest rate of the same gateway, measured at the beginning of each turn from
smtp-source on ${CONNECTIONS} kept connections. Each time counts from the moment when the mail was due to be sent, whether or not
the client was ready and a connection free. So a stall counts for every mail that it delayed (no coordinated omission).
The times include the client's own delay; its 99th percentile is beside them. Each row has the mails of all turns, and
the median of the turns' rates.

The machine's own stalls are in all of it. So the same load goes, in turns, to two stand-ins, which stall when the machine does: one
process of smtp-server that appends each mail to a file, syncs the file and answers 250. The first throws the mail away then, the
second hands it on by nodemailer, as the gateway does.`;

const { seconds, turns } = timing({ seconds: 6, turns: 3 });

/** Every mail's milliseconds, ascending. */
const merged = (samples: readonly Float64Array[]): Float64Array =>
  Float64Array.from(samples.flatMap((some) => [...some])).sort();

interface Server {
  readonly name: string;
  readonly relay: Relay;
  /** Otherwise the sink gets nothing. */
  readonly relays: boolean;
}

interface Found extends Latencies {
  readonly server: Server;
  readonly share: number;
  readonly rate: number;
}

async function paced({ relay, relays }: Server, rate: number): Promise<Latencies> {
  const messages = Math.ceil(rate * seconds);
  const wanted = relay.sink.count() + messages;
  const load = { port: relay.port, connections: PACED_CONNECTIONS, rate, messages, octets: OCTETS };
  const latencies = await submitPaced(load);
  if (relays) {
    await relay.sink.reached(wanted);
    await expectCount(relay, wanted);
  }
  return latencies;
}

const folder = makeFolder();
const servers: Server[] = [];
const found: Found[] = [];
try {
  const gateway = await startGateway(join(folder.path, "gateway"));
  servers.push({ name: "mailonce", relay: gateway, relays: true });
  for (const relays of [false, true]) {
    const relay = await startLibraries(join(folder.path, `stand-in-${relays}`), { syncs: true, relays });
    servers.push({ name: relays ? "syncs once and relays" : "syncs once", relay, relays });
  }
  const messages = await messagesFor(gateway, seconds, LOAD);
  for (const server of servers) await paced(server, messages / seconds / 2);
  for (let turn = 0; turn < turns; turn++) {
    // The rates of one turn, with the highest one measured just before: the machine is not the same for long.
    const { relayed: highest } = await relayRate(gateway, messages, LOAD);
    for (const share of SHARES) {
      const rate = share * highest;
      for (const at of servers.keys()) {
        const server = servers[(at + turn) % servers.length] as Server;
        found.push({ server, share, rate, ...(await paced(server, rate)) });
      }
    }
  }
} finally {
  for (const { relay } of servers) await relay.stop();
  folder.remove();
}

const rows = SHARES.flatMap((share) =>
  servers.map((server) => {
    const of = found.filter((one) => one.share === share && one.server === server);
    return {
      ...{ share, name: server.name },
      rate: median(of.map(({ rate }) => rate)),
      replies: merged(of.map(({ replies }) => replies)),
      lateness: merged(of.map(({ lateness }) => lateness)),
    };
  }),
);
const [aimedFor = Number.NaN, standIn = Number.NaN, relayingStandIn = Number.NaN] = rows
  .filter(({ share }) => share === AIMED_FOR)
  .map(({ replies }) => percentile(replies, 99));
const timesStandIn = (value: number): string => `${decimal(value)} times`;

publish({
  name: "latency",
  question: "Waiting for 250",
  method: METHOD,
  tables: [
    {
      columns: [
        "of the highest rate",
        "server",
        "a second",
        "mails",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "most",
        "client late, p99",
      ],
      rows: rows.map(({ share, name, rate, replies, lateness }) => [
        `${share * 100} %`,
        name,
        whole(rate),
        whole(replies.length),
        ...[50, 90, 99, 99.9, 100].map((percent) => milliseconds(percentile(replies, percent))),
        milliseconds(percentile(lateness, 99)),
      ]),
    },
  ],
  targets: [
    atMost(`${P99}, beside the stand-in that syncs once`, 1.5, aimedFor / standIn, timesStandIn),
    atMost(`${P99}, beside the stand-in that also relays`, 1.5, aimedFor / relayingStandIn, timesStandIn),
    atMost(P99, 10, aimedFor, milliseconds),
  ],
});
