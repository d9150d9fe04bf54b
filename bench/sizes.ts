// What the size of a mail costs.
//
//   npm run bench:sizes [-- --seconds 4 --turns 3]
import { withGateway } from "./support/gateway.ts";
import { messagesFor, relayRate } from "./support/relay.ts";
import { publish } from "./support/result.ts";
import type { Load } from "./support/smtp-source.ts";
import { median } from "./support/statistics.ts";
import { inTurns, timing } from "./support/turns.ts";

const SIZES = { "1 KB": 1_024, "4 KB": 4_096, "64 KB": 65_536, "1 MB": 1_048_576 };

const METHOD = `Mails of one size at a time, each with a new id, from smtp-source on 20 kept connections to one gateway, relayed to
smtp-sink until the last is there.`;

const { seconds, turns } = timing({ seconds: 4, turns: 3 });

const { rates, memory } = await withGateway(async (gateway) => {
  const loads: {
    readonly size: string;
    readonly octets: number;
    readonly load: Load;
    readonly messages: number;
  }[] = [];
  for (const [size, octets] of Object.entries(SIZES)) {
    const load = { connections: 20, keep: true, octets };
    loads.push({ size, octets, load, messages: await messagesFor(gateway, seconds, load) });
  }
  const rates = await inTurns(turns, loads, ({ load, messages }) => relayRate(gateway, messages, load));
  return { rates: [...rates], memory: (gateway.memory?.() ?? Number.NaN) / 2 ** 20 };
});

publish({
  name: "sizes",
  question: "Sizes",
  method: `${METHOD} Memory was at most ${Math.ceil(memory)} MiB (VmHWM).`,
  tables: [
    {
      columns: ["size", "relayed a second", "content a second", "processor time a mail"],
      rows: rates.map(([{ size, octets }, of]) => {
        const relayed = median(of.map((rate) => rate.relayed));
        return [
          size,
          Math.round(relayed).toLocaleString("en"),
          `${((relayed * octets) / 2 ** 20).toFixed(1)} MiB`,
          `${Math.round(median(of.map(({ cpu }) => cpu))).toLocaleString("en")} µs`,
        ];
      }),
    },
  ],
});
