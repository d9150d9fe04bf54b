// Gateways of the old and the new build on one shared ledger, each with its data folder over all its lives, and one
// upstream that counts.
import { join } from "node:path";
import { createChance } from "../crash/chance.ts";
import { type Mail, mailsOf, submitToAll } from "../several/mailers.ts";
import type { TestServer } from "../several/server.ts";
import { type Count, countOf } from "../several/tally.ts";
import type { TestDynamodb } from "../support/dynamodb.ts";
import {
  type GatewayProcess,
  type LogLine,
  makeFolder,
  type Program,
  type Settings,
  startProcess,
} from "../support/process.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";

/** Where a shared ledger is kept. */
export interface SharedPlace {
  readonly settings: Settings;
  /** Ids that are not relayed. */
  open(): Promise<number>;
  close(): Promise<void>;
}

export async function postgresPlace(server: TestServer): Promise<SharedPlace> {
  const database = await server.emptyDatabase();
  return {
    settings: { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: database.url },
    async open() {
      const [row] = await database.query(
        "SELECT count(*)::integer AS open FROM mailonce_ids WHERE state <> 7",
      );
      return Number(row?.open);
    },
    close: database.close,
  };
}

let tables = 0;

export async function dynamodbPlace(dynamodb: TestDynamodb): Promise<SharedPlace> {
  const table = `mixed-${++tables}`;
  Object.assign(process.env, dynamodb.environment);
  return {
    settings: {
      ...{ LEDGER_KIND: "dynamodb", LEDGER_DYNAMODB_TABLE: table },
      ...{ LEDGER_DYNAMODB_ENDPOINT: dynamodb.endpoint, LEDGER_DYNAMODB_REGION: "eu-west-1" },
    },
    async open() {
      const items = await dynamodb.items(table);
      const states = items.flatMap(({ standing }) =>
        standing === undefined ? [] : [standing as { S: string }],
      );
      return states.filter(({ S }) => S !== "relayed").length;
    },
    async close() {},
  };
}

export interface MixedMember {
  readonly settings: Settings;
  /** Its present life, or its last one. */
  readonly process: GatewayProcess;
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** Not while it runs. The present build unless given. */
  start(program?: Program): Promise<void>;
}

export interface MixedFleet {
  readonly members: readonly [MixedMember, MixedMember, MixedMember];
  lines(): LogLine[];
  /**
   * Submits a task's mails to every gateway at the same time until each mailer has heard 250 for each, while `work` goes
   * on from the moment that a third of the replies is there; then waits until every id is relayed.
   */
  round(work?: () => Promise<void>): Promise<void>;
  /** Submits all mails of all rounds once more and counts. */
  finish(): Promise<Count>;
  remove(): Promise<void>;
}

const MAILS = 20;
const CONNECTIONS = 3;
/** Longer than a claim that waits for another gateway. */
const PATIENCE_MS = 15_000;
/** Of a hundred transactions so many are answered late, so that attempts are under way at each moment. */
const SLOW_SHARE = 30;
const SLOW_MS = 60;
const LOOK_MS = 50;
const SETTLED_MAX_MS = 60_000;

export async function startMixedFleet(
  place: SharedPlace,
  program: Program,
  seed: number,
): Promise<MixedFleet> {
  const chance = createChance(seed);
  const upstream = await createScriptedSmtp({
    script: () => (chance.below(100) < SLOW_SHARE ? "slow-reply" : "accept"),
    slowMs: SLOW_MS,
  });
  const folder = makeFolder();
  const lives: GatewayProcess[] = [];
  const all: Mail[] = [];
  const wrong: string[] = [];
  let rounds = 0;

  async function startMember(name: string): Promise<MixedMember> {
    const settings: Settings = {
      ...place.settings,
      ...{ LEDGER_LEASE: "5s", SPOOL_RETRY_MIN: "100ms", SPOOL_RETRY_MAX: "400ms" },
      ...{ UPSTREAM_KIND: "smtp", UPSTREAM_SMTP_HOST: "127.0.0.1", UPSTREAM_SMTP_PORT: upstream.port },
      ...{ UPSTREAM_SMTP_TLS: "none", LOG_ADDRESSES: "true" },
      ...{ DATA_DIR: join(folder.path, name), HOSTNAME: `${name}.example` },
    };
    const live = async (of?: Program): Promise<GatewayProcess> => {
      const life = await startProcess(settings, of);
      lives.push(life);
      return life;
    };
    let current = await live(program);
    return {
      settings,
      get process() {
        return current;
      },
      async stop() {
        const code = await current.stop();
        if (code !== 0) wrong.push(`${name} ended with ${code} on SIGTERM`);
      },
      kill: () => current.kill(),
      async start(next) {
        current = await live(next);
      },
    };
  }

  const members = (await Promise.all(["a", "b", "c"].map(startMember))) as [
    MixedMember,
    MixedMember,
    MixedMember,
  ];
  const mailers = (answered: (count: number) => void = () => {}) => ({
    ...{ chance, connections: CONNECTIONS, patienceMs: PATIENCE_MS, answered },
    ports: () => members.map(({ process }) => process.port),
  });
  const lines = (): LogLine[] => lives.flatMap((life) => [...life.lines]);

  async function untilSettled(): Promise<void> {
    for (const end = performance.now() + SETTLED_MAX_MS; (await place.open()) > 0; ) {
      if (performance.now() > end) throw new Error("some ids were not relayed within a minute");
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  return {
    members,
    lines,
    async round(work = async () => {}) {
      const mails = mailsOf(MAILS, `r${++rounds}`);
      all.push(...mails);
      let working: Promise<void> | undefined;
      const heard = await submitToAll(
        mails,
        mailers((answered) => {
          if (answered >= MAILS) working ??= work();
        }),
      );
      await working;
      wrong.push(...heard.wrong);
      await untilSettled();
    },
    async finish() {
      const takenBefore = upstream.taken.length;
      const { queued, wrong: last } = await submitToAll(all, mailers());
      for (const member of members) await member.stop();
      const count = countOf(all, upstream.taken, lines());
      const more = [...wrong, ...last];
      if (queued > 0) more.push(`${queued} mails that were relayed were taken for new in the end`);
      if (upstream.taken.length > takenBefore) more.push("something was relayed in the end");
      return { ...count, faults: [...count.faults, ...more] };
    },
    async remove() {
      await Promise.all(lives.map((life) => life.kill()));
      await upstream.close();
      await place.close();
      folder.remove();
    },
  };
}
