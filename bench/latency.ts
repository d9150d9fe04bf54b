// How long a client waits for its 250, at shares of the highest rate that the gateway keeps up with.
//
//   npm run bench:latency [-- --seconds 6 --turns 3]
import { milliseconds, whole } from "./support/figures.ts";
import { withGateway } from "./support/gateway.ts";
import { submitPaced } from "./support/paced-load.ts";
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

const METHOD = `Milliseconds from the final dot to 250 while mails of 4 KB, each with a new id, are submitted at a fixed rate and
relayed to smtp-sink. The rates are shares of the highest rate of the same gateway, measured at the beginning of each turn from
smtp-source on ${CONNECTIONS} kept connections. Each time counts from the moment when the mail was due to be sent, whether or not
the client was ready and a connection free. So a stall counts for every mail that it delayed (no coordinated omission).
The times include the client's own delay; its 99th percentile is beside them. Each row has the mails of all turns, and
the median of the turns' rates.`;

const { seconds, turns } = timing({ seconds: 6, turns: 3 });

/** Every mail's milliseconds, ascending. */
const merged = (samples: readonly Float64Array[]): Float64Array =>
  Float64Array.from(samples.flatMap((some) => [...some])).sort();

async function paced(gateway: Relay, rate: number) {
  const messages = Math.ceil(rate * seconds);
  const wanted = gateway.sink.count() + messages;
  const load = { port: gateway.port, connections: PACED_CONNECTIONS, rate, messages, octets: OCTETS };
  const latencies = await submitPaced(load);
  await gateway.sink.reached(wanted);
  await expectCount(gateway, wanted);
  return latencies;
}

/** The rates of one turn, with the highest one measured just before: the machine is not the same for long. */
async function turn(gateway: Relay, messages: number) {
  const { relayed: highest } = await relayRate(gateway, messages, LOAD);
  const found = [];
  for (const share of SHARES) {
    const rate = share * highest;
    found.push({ rate, ...(await paced(gateway, rate)) });
  }
  return found;
}

const measured = await withGateway(async (gateway) => {
  const messages = await messagesFor(gateway, seconds, LOAD);
  const all = [];
  for (let made = 0; made < turns; made++) all.push(await turn(gateway, messages));
  return all;
});

const rows = SHARES.map((share, index) => {
  const of = measured.flatMap((one) => one[index] ?? []);
  return {
    share,
    rate: median(of.map(({ rate }) => rate)),
    replies: merged(of.map(({ replies }) => replies)),
    lateness: merged(of.map(({ lateness }) => lateness)),
  };
});
const aimedFor = rows.find(({ share }) => share === AIMED_FOR)?.replies ?? new Float64Array();

publish({
  name: "latency",
  question: "Waiting for 250",
  method: METHOD,
  tables: [
    {
      columns: [
        "of the highest rate",
        "a second",
        "mails",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "most",
        "client late, p99",
      ],
      rows: rows.map(({ share, rate, replies, lateness }) => [
        `${share * 100} %`,
        whole(rate),
        whole(replies.length),
        ...[50, 90, 99, 99.9, 100].map((percent) => milliseconds(percentile(replies, percent))),
        milliseconds(percentile(lateness, 99)),
      ]),
    },
  ],
  targets: [
    atMost("p99 from final dot to 250, at half the highest rate", 10, percentile(aimedFor, 99), milliseconds),
  ],
});
