// Relay rate with the embedded ledger and with PostgreSQL on the same machine, in turn, in one run: mails of
// 4 KB with a task each, submitted on 20 kept connections, relayed to an SMTP server of another process.
//
//   npm run bench:ledger-rate [-- SECONDS [TURNS]]
import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startServer, type TestDatabase } from "../test/several/server.ts";
import { makeFolder, type Settings, startProcess } from "../test/support/process.ts";
import { createScriptedSmtp } from "../test/support/scripted-smtp.ts";
import { connectSmtp, type SmtpClient, taskMail } from "../test/support/smtp-client.ts";

const MAILERS = 20;
const BODY = `${"x".repeat(62)}\r\n`.repeat(64);
const WARM_UP_MS = 3_000;
/** Of the kernel, in which it counts processor time: 100 a second on every Linux. */
const TICK_MS = 10;

const seconds = Number(process.argv[2] ?? 10);
const turns = Number(process.argv[3] ?? 3);

interface Measured {
  readonly submitted: number;
  /** A second, from the first submission until the upstream has the last mail. */
  readonly relayed: number;
  /** Milliseconds of processor time of the gateway, each mail. */
  readonly cpu: number;
  /** Transactions of the database, each mail. */
  readonly transactions: number;
}

interface Upstream {
  readonly port: number;
  /** Resolves when it has taken so many since its start. */
  taken(count: number): Promise<void>;
  end(): void;
}

/** The upstream's process. */
async function serveUpstream(): Promise<void> {
  const upstream = await createScriptedSmtp();
  process.send?.(upstream.port);
  process.on("message", (count: number) => {
    void upstream.waitFor(count).then(() => process.send?.(count));
  });
  process.on("disconnect", () => process.exit(0));
}

async function startUpstream(): Promise<Upstream> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), ["upstream"]);
  const [port] = (await once(child, "message")) as [number];
  return {
    port,
    async taken(count) {
      child.send(count);
      await once(child, "message");
    },
    end: () => child.disconnect(),
  };
}

/** Submits for so long; the number of mails that were accepted. */
async function load(clients: readonly SmtpClient[], ms: number): Promise<number> {
  const until = performance.now() + ms;
  let accepted = 0;
  const submitting = clients.map(async (client) => {
    while (performance.now() < until) {
      const content = taskMail(randomUUID(), { body: BODY });
      const reply = await client.submit({ to: ["someone@example.net"], content });
      if (!reply.startsWith("250 ")) throw new Error(`a mailer heard ${reply}`);
      accepted++;
    }
  });
  await Promise.all(submitting);
  return accepted;
}

/** User and system time so far; of proc(5), fields 14 and 15. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

const transactionsOf = async (database: TestDatabase): Promise<number> => {
  // Counted by each connection when it has been idle for a second.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const [row] = await database.query(
    "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()",
  );
  return Number(row?.xact_commit);
};

async function measure(settings: Settings, database: TestDatabase | undefined): Promise<Measured> {
  const folder = makeFolder();
  const upstream = await startUpstream();
  const gateway = await startProcess({
    DATA_DIR: join(folder.path, "data"),
    ...{ UPSTREAM_KIND: "smtp", UPSTREAM_SMTP_HOST: "127.0.0.1", UPSTREAM_SMTP_PORT: upstream.port },
    ...{ UPSTREAM_SMTP_TLS: "none", ...settings },
  }).catch((error) => {
    upstream.end();
    throw error;
  });
  try {
    const clients = await Promise.all(Array.from({ length: MAILERS }, () => connectSmtp(gateway.port)));
    const warmUp = await load(clients, WARM_UP_MS);
    await upstream.taken(warmUp);
    const transactions = database && (await transactionsOf(database));
    const cpu = cpuOf(gateway.pid);
    const began = performance.now();
    const submitted = await load(clients, seconds * 1_000);
    await upstream.taken(warmUp + submitted);
    const took = performance.now() - began;
    return {
      submitted,
      relayed: (submitted / took) * 1_000,
      cpu: (cpuOf(gateway.pid) - cpu) / submitted,
      transactions:
        database === undefined ? 0 : ((await transactionsOf(database)) - Number(transactions)) / submitted,
    };
  } finally {
    await gateway.stop();
    upstream.end();
    folder.remove();
  }
}

async function main(): Promise<void> {
  const server = await startServer();
  const kinds = ["embedded", "postgres"] as const;
  const rates = { embedded: [] as number[], postgres: [] as number[] };
  const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? 0;
  console.log(
    "| ledger | mails | relayed a second | gateway's processor time a mail | transactions a mail |",
  );
  console.log("|---|---:|---:|---:|---:|");
  try {
    for (let turn = 0; turn < turns; turn++) {
      for (const kind of kinds) {
        const database = kind === "postgres" ? await server.database() : undefined;
        const { submitted, relayed, cpu, transactions } = await measure(
          database === undefined ? {} : { LEDGER_KIND: kind, LEDGER_POSTGRES_URL: database.url },
          database,
        );
        await database?.close();
        rates[kind].push(relayed);
        console.log(
          `| ${kind} | ${submitted} | ${relayed.toFixed(0)} | ${cpu.toFixed(2)} ms | ${transactions.toFixed(2)} |`,
        );
      }
    }
  } finally {
    await server.remove();
  }
  const [embedded, postgres] = [median(rates.embedded), median(rates.postgres)];
  console.log(`median: embedded ${embedded.toFixed(0)}/s, postgres ${postgres.toFixed(0)}/s: `);
  console.log(`${((postgres / embedded) * 100).toFixed(0)} % of embedded's`);
}

if (process.argv[2] === "upstream") await serveUpstream();
else await main();
