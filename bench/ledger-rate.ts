// Relay rate with the embedded ledger and with PostgreSQL on the same machine, in turn, in one run: mails of
// 4 KB on 20 kept connections, each with a new id, relayed to smtp-sink.
//
//   npm run bench:ledger-rate [-- --seconds 10 --turns 3]
import { startServer, type TestDatabase } from "../test/several/server.ts";
import { makeFolder } from "../test/support/process.ts";
import { startGateway } from "./support/gateway.ts";
import { messagesFor, type Rate, relayRate } from "./support/relay.ts";
import { median } from "./support/statistics.ts";
import { inTurns, timing } from "./support/turns.ts";

const LOAD = { connections: 20, keep: true, octets: 4_096 };

interface Measured extends Rate {
  readonly messages: number;
  /** Of the database, each mail. */
  readonly transactions: number;
}

const transactionsOf = async (database: TestDatabase | undefined): Promise<number> => {
  if (database === undefined) return 0;
  // Counted by each connection when it has been idle for a second.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const [row] = await database.query(
    "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()",
  );
  return Number(row?.xact_commit);
};

/** @param database of a ledger in PostgreSQL; embedded without */
async function measure(seconds: number, database?: TestDatabase): Promise<Measured> {
  const folder = makeFolder();
  const settings =
    database === undefined ? {} : { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: database.url };
  const gateway = await startGateway(folder.path, settings);
  try {
    const messages = await messagesFor(gateway, seconds, LOAD);
    const before = await transactionsOf(database);
    const rate = await relayRate(gateway, messages, LOAD);
    return { ...rate, messages, transactions: ((await transactionsOf(database)) - before) / messages };
  } finally {
    await gateway.stop();
    await database?.close();
    folder.remove();
  }
}

const { seconds, turns } = timing({ seconds: 10, turns: 3 });
const server = await startServer();
try {
  console.log(
    "| ledger | mails | relayed a second | gateway's processor time a mail | transactions a mail |",
  );
  console.log("|---|---:|---:|---:|---:|");
  const rates = await inTurns(turns, ["embedded", "postgres"], async (kind) => {
    const database = kind === "postgres" ? await server.database() : undefined;
    const { messages, relayed, cpu, transactions } = await measure(seconds, database);
    console.log(
      `| ${kind} | ${messages} | ${relayed.toFixed(0)} | ${cpu.toFixed(0)} µs | ${transactions.toFixed(2)} |`,
    );
    return relayed;
  });
  const [embedded = Number.NaN, postgres = Number.NaN] = [...rates.values()].map((of) => median(of));
  console.log(`median: embedded ${embedded.toFixed(0)}/s, postgres ${postgres.toFixed(0)}/s: `);
  console.log(`${((postgres / embedded) * 100).toFixed(0)} % of embedded's`);
} finally {
  await server.remove();
}
