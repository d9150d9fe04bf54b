// Whether many connections slow the gateway down: the rate on 1,000 kept connections beside that on 20.
//
//   npm run bench:connections [-- --seconds 5 --turns 3]
import { decimal, mebibytes, microseconds, whole } from "./support/figures.ts";
import { withGateway } from "./support/gateway.ts";
import { medianRate, messagesFor, relayRate } from "./support/relay.ts";
import { atLeast, atMost, publish } from "./support/result.ts";
import type { Load } from "./support/smtp-source.ts";
import { inTurns, timing } from "./support/turns.ts";

const FEW = 20;
const MANY = 1_000;

const METHOD = `Mails of 4 KB, each with a new id, from smtp-source to one gateway, on ${FEW} kept connections and on
${whole(MANY)} in turns, relayed to smtp-sink. Memory is the most that was resident (VmHWM) from the start of the gateway
to the end of all turns.`;

const { seconds, turns } = timing({ seconds: 5, turns: 3 });

const { rates, memory } = await withGateway(async (gateway) => {
  const loads: { readonly load: Load; readonly messages: number }[] = [];
  for (const connections of [FEW, MANY]) {
    const load = { connections, keep: true, octets: 4_096 };
    loads.push({ load, messages: await messagesFor(gateway, seconds, load) });
  }
  const measured = await inTurns(turns, loads, ({ load, messages }) => relayRate(gateway, messages, load));
  const rates = [...measured].map(([{ load }, of]) => ({ connections: load.connections, ...medianRate(of) }));
  return { rates, memory: gateway.memory?.() ?? Number.NaN };
});

const [few = Number.NaN, many = Number.NaN] = rates.map(({ relayed }) => relayed);

publish({
  name: "connections",
  question: "Many connections",
  method: METHOD,
  tables: [
    {
      columns: ["connections", "relayed a second", `of the rate on ${FEW}`, "processor time a mail"],
      rows: rates.map(({ connections, relayed, cpu }) => [
        whole(connections),
        whole(relayed),
        decimal(relayed / few),
        microseconds(cpu),
      ]),
    },
  ],
  targets: [
    atLeast("1,000 connections beside 20", 0.8, many / few, (value) => `${decimal(value)} of its rate`),
    atMost("Resident memory, 20 and 1,000 connections, 4 KB", 300e6, memory, mebibytes),
  ],
});
