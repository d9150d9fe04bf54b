// What a repeat costs beside a new mail. One task's mail goes to many recipients, and then to the same again.
//
//   npm run bench:repeats [-- --seconds 5 --turns 3]
import { randomUUID } from "node:crypto";
import { decimal, microseconds, whole } from "./support/figures.ts";
import { withGateway } from "./support/gateway.ts";
import { expectCount, medianRate, messagesFor, type Rate, type Relay, relayRate } from "./support/relay.ts";
import { atLeast, publish } from "./support/result.ts";
import { type Load, submit } from "./support/smtp-source.ts";
import { median } from "./support/statistics.ts";
import { timing } from "./support/turns.ts";

const LOAD = { connections: 20, keep: true, octets: 4_096 };
const PASSES = 2;

const METHOD = `One task's mail of 4 KB to many recipients, from smtp-source on ${LOAD.connections} kept connections: first as new
mails, relayed to smtp-sink until the last is there, then the same run of the task ${PASSES} times over, as a queue repeats
it. The rate of repeats counts until the last 250, since a repeat goes no further. The sink must get each mail
once, and nothing while only repeats are submitted.`;

/** All of the mails again; upstream, nothing may come of it. */
async function repeatRate(gateway: Relay, messages: number, load: Load): Promise<Omit<Rate, "relayed">> {
  const before = { count: gateway.sink.count(), cpu: gateway.cpu.used() };
  const began = performance.now();
  for (let pass = 0; pass < PASSES; pass++) await submit(gateway.port, messages, load);
  const took = performance.now() - began;
  const repeats = PASSES * messages;
  const cpu = (gateway.cpu.used() - before.cpu) / repeats;
  await expectCount(gateway, before.count);
  return { accepted: (repeats / took) * 1_000, cpu };
}

const { seconds, turns } = timing({ seconds: 5, turns: 3 });

const measured = await withGateway(async (gateway) => {
  const messages = await messagesFor(gateway, seconds, LOAD);
  const turn = async () => {
    const load = { ...LOAD, task: randomUUID() };
    return {
      fresh: await relayRate(gateway, messages, load),
      repeat: await repeatRate(gateway, messages, load),
    };
  };
  const all = [];
  for (let taken = 0; taken <= turns; taken++) all.push(await turn());
  // The first has warmed up.
  return all.slice(1);
});

const fresh = medianRate(measured.map((turn) => turn.fresh));
const repeats = median(measured.map((turn) => turn.repeat.accepted));
const repeatCpu = median(measured.map((turn) => turn.repeat.cpu));
const ratio = repeats / fresh.relayed;

publish({
  name: "repeats",
  question: "Repeats",
  method: METHOD,
  tables: [
    {
      columns: ["mails", "a second", "of new mails", "processor time a mail"],
      rows: [
        ["new, until relayed", whole(fresh.relayed), decimal(1), microseconds(fresh.cpu)],
        ["repeats, until 250", whole(repeats), decimal(ratio), microseconds(repeatCpu)],
      ],
    },
  ],
  charts: [
    {
      title: "mailonce: mails a second, new and repeated",
      bars: [
        { label: "new", value: fresh.relayed, ours: true },
        { label: "repeats", value: repeats, ours: true },
      ],
    },
  ],
  targets: [atLeast("Repeats only", 2, ratio, (value) => `${decimal(value)} times the rate of new mails`)],
});
