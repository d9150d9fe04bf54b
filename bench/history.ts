// What the history costs: a gateway that keeps one and a gateway that keeps none, in turns, with new mails and repeats.
//
//   npm run bench:history [-- --seconds 5 --turns 5]
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { makeFolder } from "../test/support/process.ts";
import { decimal, microseconds, whole } from "./support/figures.ts";
import { startGateway } from "./support/gateway.ts";
import { expectCount, messagesFor, type Rate, type Relay, relayRate } from "./support/relay.ts";
import { atLeast, atMost, publish } from "./support/result.ts";
import { submit } from "./support/smtp-source.ts";
import { median } from "./support/statistics.ts";
import { inTurns, timing } from "./support/turns.ts";

const LOAD = { connections: 20, keep: true, octets: 4_096 };

const METHOD = `Two gateways, one with the default \`[history] retention\` and one with \`"0"\`, in turns: one task's mails of 4 KB,
all of them new, from smtp-source on ${LOAD.connections} kept connections to smtp-sink; then the same mails again, as repeats. The ratio is
that of each turn's two gateways, and of those the median.`;

const { seconds, turns } = timing({ seconds: 5, turns: 5 });

interface Turn {
  readonly fresh: Rate;
  readonly repeats: { readonly rate: number; readonly cpu: number };
}

async function measure({ gateway, messages }: { gateway: Relay; messages: number }): Promise<Turn> {
  const load = { ...LOAD, task: randomUUID() };
  const fresh = await relayRate(gateway, messages, load);
  const before = { count: gateway.sink.count(), cpu: gateway.cpu.used() };
  const began = performance.now();
  await submit(gateway.port, messages, load);
  const took = performance.now() - began;
  const cpu = (gateway.cpu.used() - before.cpu) / messages;
  await expectCount(gateway, before.count);
  return { fresh, repeats: { rate: (messages / took) * 1_000, cpu } };
}

const folder = makeFolder();
const on = await startGateway(join(folder.path, "on"));
const off = await startGateway(join(folder.path, "off"), { HISTORY_RETENTION: "0" });
try {
  const [messages] = [await messagesFor(on, seconds, LOAD), await messagesFor(off, 1, LOAD)];
  const [kept, none] = [
    { gateway: on, messages },
    { gateway: off, messages },
  ] as const;
  const found = await inTurns(turns, [kept, none], measure);
  const pairs = (found.get(kept) ?? []).map(
    (one, turn) => [one, (found.get(none) ?? [])[turn] ?? one] as const,
  );
  const middle = (of: (turn: Turn) => number) => ({
    on: median(pairs.map(([one]) => of(one))),
    off: median(pairs.map(([, other]) => of(other))),
    ratio: median(pairs.map(([one, other]) => of(one) / of(other))),
  });
  const rows = [
    ["new mails, a second", middle(({ fresh }) => fresh.relayed), whole],
    ["repeats, a second", middle(({ repeats }) => repeats.rate), whole],
    ["processor time of a new mail", middle(({ fresh }) => fresh.cpu), microseconds],
    ["processor time of a repeat", middle(({ repeats }) => repeats.cpu), microseconds],
  ] as const;
  const [fresh, repeats, freshCpu, repeatCpu] = rows.map(([, { ratio }]) => ratio) as [
    number,
    number,
    number,
    number,
  ];
  const columns = ["", "with the history", "without", "ratio"];
  publish({
    name: "history",
    question: "What the history costs",
    method: METHOD,
    tables: [
      {
        columns,
        rows: rows.map(([name, one, show]) => [name, show(one.on), show(one.off), one.ratio.toFixed(3)]),
      },
    ],
    targets: [
      atLeast("New mails with the history, of those without", 0.95, fresh, decimal),
      atLeast("Repeats with the history, of those without", 0.95, repeats, decimal),
      atMost("Processor time of a new mail, of that without", 1.05, freshCpu, decimal),
      atMost("Processor time of a repeat, of that without", 1.05, repeatCpu, decimal),
    ],
  });
} finally {
  await on.stop();
  await off.stop();
  folder.remove();
}
