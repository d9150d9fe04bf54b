// Whether many connections slow the gateway down: the rate on 1,000 kept connections beside that on 20.
//
//   npm run bench:connections [-- --seconds 5 --turns 3]
import { withGateway } from "./support/gateway.ts";
import { messagesFor, relayRate } from "./support/relay.ts";
import { atLeast, atMost, publish } from "./support/result.ts";
import { median } from "./support/statistics.ts";
import { inTurns, timing } from "./support/turns.ts";

const FEW = 20;
const MANY = 1_000;

const METHOD = `Mails of 4 KB, each with a new id, from smtp-source to one gateway, on ${FEW} kept connections and on
${MANY.toLocaleString("en")} in turns, relayed to smtp-sink. Memory is what was resident at most (VmHWM) from the start of the gateway
to the end of all turns.`;

const { seconds, turns } = timing({ seconds: 5, turns: 3 });

const { rates, memory } = await withGateway(async (gateway) => {
  const loads: { readonly connections: number; readonly messages: number }[] = [];
  const loadOf = (connections: number) => ({ connections, keep: true, octets: 4_096 });
  for (const connections of [FEW, MANY]) {
    loads.push({ connections, messages: await messagesFor(gateway, seconds, loadOf(connections)) });
  }
  const rates = await inTurns(turns, loads, ({ connections, messages }) =>
    relayRate(gateway, messages, loadOf(connections)),
  );
  return { rates: [...rates], memory: (gateway.memory?.() ?? Number.NaN) / 2 ** 20 };
});

const relayed = (wanted: number): number =>
  median(
    rates.flatMap(([{ connections }, of]) => (connections === wanted ? of.map((rate) => rate.relayed) : [])),
  );
const ratio = relayed(MANY) / relayed(FEW);
const mebibytes = (value: number): string => `${Math.ceil(value)} MiB`;

publish({
  name: "connections",
  question: "Many connections",
  method: METHOD,
  tables: [
    {
      columns: ["connections", "relayed a second", `of the rate on ${FEW}`, "processor time a mail"],
      rows: rates.map(([{ connections }, of]) => [
        connections.toLocaleString("en"),
        Math.round(relayed(connections)).toLocaleString("en"),
        (relayed(connections) / relayed(FEW)).toFixed(2),
        `${median(of.map(({ cpu }) => cpu)).toFixed(0)} µs`,
      ]),
    },
  ],
  targets: [
    atLeast("1,000 connections beside 20", 0.8, ratio, (value) => `${value.toFixed(2)} of its rate`),
    atMost("Resident memory, 20 and 1,000 connections, 4 KB", 300, memory, mebibytes),
  ],
});
