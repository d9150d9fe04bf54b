// What happens in the middle of a round.
import type { Chance } from "../crash/chance.ts";
import type { Fleet } from "./fleet.ts";
import type { Link, LinkState } from "./link.ts";
import type { TestServer } from "./server.ts";

export interface FaultParts {
  readonly fleet: Fleet;
  readonly server: TestServer;
  /** Between gateway b and the server. */
  readonly link: Link;
  readonly chance: Chance;
}

/** A fault that has struck. */
export interface Struck {
  /** What it was, for the record of the round. */
  readonly what: string;
  /** Resolves when it is over. */
  readonly over: Promise<void>;
}

export type Fault = (parts: FaultParts) => Struck;

/** PostgreSQL stays away for up to so long. */
const AWAY_MAX_MS = 2_000;

/** The network is away for up to so long: in about half of the cases beyond the lease. */
const CUT_MAX_MS = 9_000;

const pass = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const restart =
  (how: "fast" | "immediate"): Fault =>
  ({ server, chance }) => {
    const awayMs = chance.below(AWAY_MAX_MS);
    const run = async (): Promise<void> => {
      await server.stop(how);
      await pass(awayMs);
      await server.start();
    };
    return { what: `PostgreSQL: ${how} shutdown, away for ${awayMs} ms`, over: run() };
  };

const cut =
  (state: LinkState): Fault =>
  ({ link, chance }) => {
    const awayMs = chance.below(CUT_MAX_MS);
    const run = async (): Promise<void> => {
      link.set(state);
      await pass(awayMs);
      link.set("up");
    };
    return { what: `between gateway b and PostgreSQL: ${state} for ${awayMs} ms`, over: run() };
  };

export const faults = {
  none: () => ({ what: "nothing", over: Promise.resolve() }),
  /** SIGKILL, and a start with the same data folder. */
  kill({ fleet, chance }) {
    const member = chance.pick(fleet.members);
    const awayMs = chance.below(AWAY_MAX_MS);
    const run = async (): Promise<void> => {
      await member.kill();
      await pass(awayMs);
      await member.start();
    };
    return { what: `gateway ${member.name}: SIGKILL, away for ${awayMs} ms`, over: run() };
  },
  fast: restart("fast"),
  immediate: restart("immediate"),
  /** SIGSTOP, and SIGCONT when the others take it for dead. */
  freeze({ fleet, chance }) {
    const member = chance.pick(fleet.members);
    const run = async (): Promise<void> => {
      member.process.signal("SIGSTOP");
      await fleet.untilOneIsDead();
      await pass(chance.below(AWAY_MAX_MS));
      member.process.signal("SIGCONT");
    };
    return { what: `gateway ${member.name}: SIGSTOP beyond the lease, SIGCONT`, over: run() };
  },
  dropped: cut("dropped"),
  silent: cut("silent"),
  slow: cut("slow"),
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;
