// How near the gateway comes to what its two libraries alone could do, and to Postfix: 20 kept connections, in turns.
//
//   npm run bench:ceiling [-- --seconds 5 --turns 3]
import { join } from "node:path";
import { makeFolder } from "../test/support/process.ts";
import { decimal, microseconds, whole } from "./support/figures.ts";
import { startGateway } from "./support/gateway.ts";
import { startLibraries } from "./support/libraries.ts";
import { startPostfixRelay } from "./support/postfix.ts";
import { medianRate, messagesFor, type Relay, relayRate } from "./support/relay.ts";
import { publish } from "./support/result.ts";
import type { Load } from "./support/smtp-source.ts";
import { inTurns, timing } from "./support/turns.ts";

const LOAD: Load = { connections: 20, keep: true, octets: 4_096 };
/** One of the two is wanted. */
const TIMES_POSTFIX = 5;
const OF_THE_CEILING = 0.75;

const METHOD = `Mails of 4 KB, each with a new id, from smtp-source on 20 kept connections, relayed to smtp-sink. The ceiling is
smtp-server and nodemailer alone in one process: it takes a mail, answers 250 and hands it on over 40 kept connections. Nothing is
made durable, nothing is looked up, nothing is written to a log.`;

const { seconds, turns } = timing({ seconds: 5, turns: 3 });
const folder = makeFolder();
const relays: Relay[] = [];
try {
  relays.push(await startGateway(join(folder.path, "gateway")));
  relays.push(await startPostfixRelay(join(folder.path, "postfix")));
  relays.push(await startLibraries(join(folder.path, "libraries"), { syncs: false, relays: true }));
  const [gateway, postfix, ceiling] = relays;
  const messages = new Map<Relay, number>();
  for (const relay of relays) messages.set(relay, await messagesFor(relay, seconds, LOAD));
  const measured = await inTurns(turns, relays, (relay) => relayRate(relay, messages.get(relay) ?? 0, LOAD));

  const rate = (relay: Relay | undefined): number => medianRate(measured.get(relay as Relay) ?? []).relayed;
  const timesPostfix = rate(gateway) / rate(postfix);
  const ofCeiling = rate(gateway) / rate(ceiling);
  publish({
    name: "ceiling",
    question: "How near to the ceiling?",
    method: METHOD,
    tables: [
      {
        columns: [
          "20 kept connections",
          "relayed a second",
          "of the ceiling",
          "processor time a mail",
          "each turn",
        ],
        rows: relays.map((relay) => {
          const rates = measured.get(relay) ?? [];
          return [
            ...[relay.name, whole(rate(relay)), decimal(rate(relay) / rate(ceiling))],
            ...[microseconds(medianRate(rates).cpu), rates.map(({ relayed }) => whole(relayed)).join(", ")],
          ];
        }),
      },
    ],
    targets: [
      {
        what: "SMTP to SMTP, 4 KB, 20 kept connections",
        wanted: `at least ${decimal(TIMES_POSTFIX)} times Postfix, or ${decimal(OF_THE_CEILING)} of the ceiling`,
        measured: `${decimal(timesPostfix)} times Postfix, ${decimal(ofCeiling)} of the ceiling`,
        met: timesPostfix >= TIMES_POSTFIX || ofCeiling >= OF_THE_CEILING,
      },
    ],
  });
} finally {
  for (const relay of relays) await relay.stop();
  folder.remove();
}
