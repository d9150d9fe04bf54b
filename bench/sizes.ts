// What the size of a mail costs.
//
//   npm run bench:sizes [-- --seconds 4 --turns 3]
import { mebibytes, microseconds, whole } from "./support/figures.ts";
import { withGateway } from "./support/gateway.ts";
import { medianRate, messagesFor, relayRate } from "./support/relay.ts";
import { publish } from "./support/result.ts";
import type { Load } from "./support/smtp-source.ts";
import { inTurns, timing } from "./support/turns.ts";

const SIZES = { "1 KB": 1_024, "4 KB": 4_096, "64 KB": 65_536, "1 MB": 1_048_576 };

const METHOD = `Mails of one size at a time, each with a new id, from smtp-source on 20 kept connections to one gateway, relayed to
smtp-sink until the last is there.`;

const { seconds, turns } = timing({ seconds: 4, turns: 3 });

const { rates, memory } = await withGateway(async (gateway) => {
  const loads: { readonly size: string; readonly load: Load; readonly messages: number }[] = [];
  for (const [size, octets] of Object.entries(SIZES)) {
    const load = { connections: 20, keep: true, octets };
    loads.push({ size, load, messages: await messagesFor(gateway, seconds, load) });
  }
  const measured = await inTurns(turns, loads, ({ load, messages }) => relayRate(gateway, messages, load));
  const rates = [...measured].map(([{ size, load }, of]) => ({ size, load, ...medianRate(of) }));
  return { rates, memory: gateway.memory?.() ?? Number.NaN };
});

publish({
  name: "sizes",
  question: "Sizes",
  method: `${METHOD} Memory was at most ${mebibytes(memory)} (VmHWM).`,
  tables: [
    {
      columns: ["size", "relayed a second", "content a second", "processor time a mail"],
      rows: rates.map(({ size, load: { octets }, relayed, cpu }) => [
        size,
        whole(relayed),
        mebibytes(relayed * octets),
        microseconds(cpu),
      ]),
    },
  ],
});
