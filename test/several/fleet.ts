// Several gateways as processes of their own on one ledger: each with its data folder, all that each said over
// all its lives, and one upstream that counts.
import { join } from "node:path";
import { STATE_CODES } from "../../src/ledger/postgres/statements.ts";
import { encodeBase32 } from "../../src/runtime/base32.ts";
import {
  type GatewayProcess,
  type LogLine,
  makeFolder,
  type Program,
  type Settings,
  startProcess,
} from "../support/process.ts";
import type { ScriptedSmtp } from "../support/scripted-smtp.ts";
import type { TestDatabase } from "./server.ts";

/** The shortest that a gateway takes: others take over what a silent one held after so long. */
export const LEASE_MS = 5_000;

export interface Member {
  readonly name: string;
  /** The port of its present life, or of its last one. */
  readonly port: number;
  readonly process: GatewayProcess;
  /** How often it was started. */
  readonly lives: number;
  /** Every line of all its lives. */
  lines(): LogLine[];
  said(event: string): LogLine[];
  kill(): Promise<void>;
  /** With its data folder. Not while it runs. */
  start(): Promise<void>;
}

export interface Fleet {
  readonly members: readonly Member[];
  ports(): number[];
  lines(): LogLine[];
  /** Resolves when the database takes one of them for dead. */
  untilOneIsDead(): Promise<void>;
  /** Resolves when what each gateway has accepted is known to be so to the others. */
  untilAnnounced(): Promise<void>;
  /** Resolves when no id is held by anybody: all are relayed, none is doubtful. */
  untilSettled(): Promise<void>;
  /** SIGTERM for all; what did not end in order, one sentence each. */
  stop(): Promise<string[]>;
  /** Kills what runs, and removes the folders. */
  remove(): Promise<void>;
}

export interface FleetOptions {
  readonly database: TestDatabase;
  /** Where the settings name no other. */
  readonly upstream?: Pick<ScriptedSmtp, "port">;
  readonly names?: readonly string[];
  readonly settings?: Settings;
  /** In place of the common ones, by name. */
  readonly own?: Readonly<Record<string, Settings>>;
  readonly program?: Program;
}

const LOOK_MS = 50;
const SETTLED_MAX_MS = 60_000;

const ALIVE = `
  SELECT count(*)::integer AS alive FROM mailonce_gateways
  WHERE beat_at > now() - $1::float8 * interval '1 millisecond'`;
const LEFT = `
  SELECT r.id, r.state, r.fence, r.step, r.first_date, r.relayed_at, now() - r.changed_at AS age, g.gateway,
         now() - g.beat_at AS beat_age
  FROM mailonce_ids AS r LEFT JOIN mailonce_gateways AS g ON g.incarnation = r.incarnation
  WHERE r.state <> ${STATE_CODES.relayed}`;
const CLAIMED = `SELECT count(*)::integer AS claimed FROM mailonce_ids WHERE state = ${STATE_CODES.claimed}`;
const HELD = `SELECT count(*)::integer AS held FROM mailonce_ids WHERE state <> ${STATE_CODES.relayed}`;

const baseSettings = (url: string): Settings => ({
  LEDGER_KIND: "postgres",
  LEDGER_POSTGRES_URL: url,
  LEDGER_LEASE: `${LEASE_MS}ms`,
  SPOOL_RETRY_MIN: "100ms",
  SPOOL_RETRY_MAX: "400ms",
  LOG_ADDRESSES: "true",
});

const upstreamAt = (port: number): Settings => ({
  UPSTREAM_KIND: "smtp",
  UPSTREAM_SMTP_HOST: "127.0.0.1",
  UPSTREAM_SMTP_PORT: port,
  UPSTREAM_SMTP_TLS: "none",
});

export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { database, upstream, names = ["a", "b", "c"], own = {}, program } = options;
  const folder = makeFolder();
  const smtp = upstream === undefined ? {} : upstreamAt(upstream.port);
  const common = { ...baseSettings(database.url), ...smtp, ...options.settings };
  const members = await Promise.all(
    names.map((name) =>
      startMember(
        name,
        { ...common, ...own[name], DATA_DIR: join(folder.path, name), HOSTNAME: `${name}.example` },
        program,
      ),
    ),
  );

  async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
    for (const end = performance.now() + SETTLED_MAX_MS; !(await isSo().catch(() => false)); ) {
      if (performance.now() > end)
        throw new Error(`not within ${SETTLED_MAX_MS} ms: ${what}\n${await left()}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** What is known of the ids that are not relayed, and what the gateways said of them. */
  async function left(): Promise<string> {
    const rows: readonly Record<string, unknown>[] = await database
      .query(LEFT)
      .catch((error) => [{ error: String(error) }]);
    const ids = rows.map((row) => (row.id instanceof Uint8Array ? encodeBase32(row.id) : ""));
    const said = members.flatMap(({ name, lines }) =>
      lines()
        .filter((line) => ids.some((id) => id !== "" && JSON.stringify(line).includes(id)))
        .map((line) => `${name}: ${JSON.stringify(line)}`),
    );
    return [...rows.map((row, at) => JSON.stringify({ ...row, id: ids[at] })), ...said].join("\n");
  }

  return {
    members,
    ports: () => members.map(({ port }) => port),
    lines: () => members.flatMap((member) => member.lines()),
    async untilOneIsDead() {
      await until(async () => {
        const [row] = await database.query(ALIVE, [LEASE_MS]);
        return Number(row?.alive) < members.length;
      }, "one gateway is dead");
    },
    async untilAnnounced() {
      await until(async () => Number((await database.query(CLAIMED))[0]?.claimed) === 0, "all is announced");
    },
    async untilSettled() {
      await until(async () => Number((await database.query(HELD))[0]?.held) === 0, "every id is relayed");
    },
    async stop() {
      const codes = await Promise.all(members.map((member) => member.process.stop()));
      return codes.flatMap((code, at) =>
        code === 0 ? [] : [`gateway ${members[at]?.name} ended with ${code} on SIGTERM`],
      );
    },
    async remove() {
      await Promise.all(members.map((member) => member.kill()));
      folder.remove();
    },
  };
}

async function startMember(name: string, settings: Settings, program?: Program): Promise<Member> {
  let current = await startProcess(settings, program);
  const lives = [current];
  const lines = (): LogLine[] => lives.flatMap((life) => [...life.lines]);
  return {
    name,
    get port() {
      return current.port;
    },
    get process() {
      return current;
    },
    get lives() {
      return lives.length;
    },
    lines,
    said: (event) => lines().filter((line) => line.event === event),
    kill: () => current.kill(),
    async start() {
      current = await startProcess(settings, program);
      lives.push(current);
    },
  };
}
