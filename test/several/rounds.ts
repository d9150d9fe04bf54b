// Rounds over three gateways, one PostgreSQL and one upstream: one task's mails submitted to all three at the
// same instant, a fault in the middle, and the count.
import { type Chance, createChance } from "../crash/chance.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import { type FaultName, faults } from "./faults.ts";
import { startFleet } from "./fleet.ts";
import { createLink } from "./link.ts";
import { type Heard, type Mail, mailsOf, submitToAll } from "./mailers.ts";
import type { TestServer } from "./server.ts";
import { type Count, countOf } from "./tally.ts";

export interface Round {
  readonly number: number;
  /** What struck, and when. */
  readonly what: string;
  readonly heard: Heard;
  readonly count: Count;
  readonly seconds: number;
}

export interface Rounds {
  run(fault: FaultName): Promise<Round>;
  /**
   * Submits all mails of all rounds once more, each of which has to be a repeat, and stops the gateways.
   *
   * @returns the count over all rounds, with all that does not agree
   */
  finish(): Promise<Count>;
  /** How often each event was logged. */
  events(): ReadonlyMap<string, number>;
  /** Kills what still runs. */
  remove(): Promise<void>;
}

const MAILS = 100;
const CONNECTIONS = 8;
/** Long enough for a claim that waits for another gateway (10 s), short beside a round. */
const PATIENCE_MS = 15_000;
/** Of a gateway that is stopped, which takes connections and never answers. */
const IMPATIENCE_MS = 3_000;
/** Of a hundred transactions so many are answered late, so that a fault finds attempts under way. */
const SLOW_SHARE = 20;
const SLOW_MS = 40;
/** Of a slow network, in each direction. A call takes one round trip, a connection some. */
const LATE_MS = 300;

export async function startRounds(server: TestServer, seed: number): Promise<Rounds> {
  const chance = createChance(seed);
  const database = await server.database();
  const upstream = await createScriptedSmtp({
    script: () => (chance.below(100) < SLOW_SHARE ? "slow-reply" : "accept"),
    slowMs: SLOW_MS,
  });
  const link = await createLink(server.port, LATE_MS);
  const own = { b: { LEDGER_POSTGRES_URL: database.urlBy(link.port) } };
  const fleet = await startFleet({ database, upstream, own });
  const all: Mail[] = [];
  const wrong: string[] = [];
  let number = 0;

  const mailers = (patienceMs: number, answered: (count: number) => void = () => {}) => ({
    ...{ chance, ports: fleet.ports, connections: CONNECTIONS, patienceMs, answered },
  });

  return {
    async run(name) {
      const began = performance.now();
      const mails = mailsOf(MAILS, `r${++number}`);
      all.push(...mails);
      const moment = momentOf(chance, upstream);
      let struck: ReturnType<(typeof faults)[FaultName]> | undefined;
      const look = (answered: number): void => {
        if (struck !== undefined || !moment.isReached(answered)) return;
        struck = faults[name]({ fleet, server, link, chance });
      };
      const heard = await submitToAll(mails, mailers(name === "freeze" ? IMPATIENCE_MS : PATIENCE_MS, look));
      look(Number.POSITIVE_INFINITY);
      await struck?.over;
      await fleet.untilSettled();
      wrong.push(...heard.wrong);
      const count = countOf(mails, upstream.taken, fleet.lines());
      const what = `${struck?.what} ${moment.what}`;
      return { number, what, heard, count, seconds: (performance.now() - began) / 1000 };
    },

    async finish() {
      const takenBefore = upstream.taken.length;
      const { queued, wrong: last } = await submitToAll(all, mailers(PATIENCE_MS));
      const ends = await fleet.stop();
      const count = countOf(all, upstream.taken, fleet.lines());
      const more = [...wrong, ...last, ...ends];
      if (queued > 0) more.push(`${queued} mails that were relayed were taken for new in the end`);
      if (upstream.taken.length > takenBefore) more.push("something was relayed in the end");
      return { ...count, faults: [...count.faults, ...more] };
    },

    events() {
      const events = new Map<string, number>();
      for (const { event } of fleet.lines()) events.set(event, (events.get(event) ?? 0) + 1);
      return events;
    },

    async remove() {
      await fleet.remove();
      await upstream.close();
      await link.close();
      await database.close();
    },
  };
}

/** Some moment of a round: when so many replies were heard, or the upstream has so many mails. */
function momentOf(chance: Chance, upstream: ScriptedSmtp) {
  const before = upstream.taken.length;
  if (chance.fraction() < 1 / 2) {
    const replies = 1 + chance.below(3 * MAILS);
    return { what: `after ${replies} replies`, isReached: (answered: number) => answered >= replies };
  }
  const relayed = 1 + chance.below(MAILS);
  const isReached = (answered: number) =>
    upstream.taken.length - before >= relayed || answered === Number.POSITIVE_INFINITY;
  return { what: `after ${relayed} relayed`, isReached };
}
