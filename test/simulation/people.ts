// What people do to gateways in a history, drawn from a chance of its own: an operator decides about what is
// doubtful, and settings change between two starts or differ between gateways.
import type { Config } from "../../src/config/config.ts";
import type { Chance } from "./chance.ts";

/** Who may be in a history. Each of them is there in some histories only. */
export interface Actors {
  readonly operator: boolean;
  readonly settings: boolean;
  /** An operator who has relayed ids forgotten. */
  readonly forgetter: boolean;
  /** An operator who pauses the upstream. */
  readonly pauser: boolean;
  /** An operator who acts on the queue. */
  readonly postmaster: boolean;
  /** The upstream's events, by which it says later what it took. */
  readonly witness: boolean;
  /** Gateways observe, and are switched. Then the others are not there. */
  readonly observer: boolean;
}

export const ACTOR_NAMES = [
  ...(["operator", "settings", "forgetter", "pauser", "postmaster", "witness", "observer"] as const),
] as const;

/** Nobody is there. */
export const ALONE: Actors = {
  ...{ operator: false, settings: false, forgetter: false, pauser: false, postmaster: false },
  ...{ witness: false, observer: false },
};
export const CHANGED_SETTINGS: Actors = { ...ALONE, settings: true };
export const FORGETFUL: Actors = { ...ALONE, forgetter: true };
export const PAUSING: Actors = { ...ALONE, pauser: true };
export const ORDERING: Actors = { ...ALONE, postmaster: true };
export const WITNESSED: Actors = { ...ALONE, witness: true };
export const OBSERVED: Actors = { ...ALONE, observer: true };
/** But those for whom there are histories of their own. */
export const EVERYONE: Actors = { ...ALONE, operator: true, settings: true };

/** The operator comes, lists what is doubtful, and decides about some of it. */
export interface Operator {
  /** How often they know what the upstream has; else they decide by a coin. */
  readonly knows: number;
  /** How often they decide about an id of their memory that need not be doubtful any more. */
  readonly remembers: number;
  /** How often one decision is sent twice at the same time, sent again later, or contradicted at the same time. */
  readonly twice: number;
  readonly again: number;
  readonly contradicts: number;
  /** How often they come at a step of a gateway's life, each time after the last. */
  readonly atSteps: number;
  /** How often they open the data folder between two lives. */
  readonly offline: number;
  /** When they come besides, milliseconds from the beginning. */
  readonly visits: readonly number[];
  /** Whether they decide about everything in the end; else what is held is left. */
  readonly decidesAll: boolean;
  /** At least so often an attempt ends without an answer, or takes long. */
  readonly doubt: number;
  readonly slow: number;
  readonly chance: Chance;
}

/** The configuration of each start is one of these. */
export interface Settings {
  readonly configs: readonly [Config, ...Config[]];
  /** At least so often an attempt is refused for now, or takes long. */
  readonly refused: number;
  readonly slow: number;
  /** Stops in order beside the others, as shares of the time that faults last. */
  readonly stops: readonly number[];
  /** When the lease of a ledger that gateways share is changed, as such shares too, and to how many milliseconds. */
  readonly leases: readonly { readonly at: number; readonly leaseMs: number }[];
  readonly chance: Chance;
}

/** See forgetter.ts. */
export interface Forgetter {
  /** How often they come at a step of a gateway's life, each time after the last. */
  readonly atSteps: number;
  /** How often they open the data folder between two lives. */
  readonly offline: number;
  /** When they come besides, milliseconds from the beginning. */
  readonly visits: readonly number[];
  /** How often the queue runs the task again, and a wish is made twice at the same time. */
  readonly redelivers: number;
  readonly twice: number;
  readonly chance: Chance;
}

/** See pauser.ts. */
export interface Pauser {
  /** How often they come at a step of a gateway's life, each time after the last. */
  readonly atSteps: number;
  /** How often they open the data folder between two lives. */
  readonly offline: number;
  /** When they come besides, milliseconds from the beginning. */
  readonly visits: readonly number[];
  /** How often a pause ends by itself, and is contradicted at the same time. */
  readonly ends: number;
  readonly contradicts: number;
  readonly chance: Chance;
}

/** See witness.ts. */
export interface Witness {
  /** How long a doubt waits for evidence. */
  readonly waitMs: number;
  /** How often there is no event of a mail, a late one, two of them, and one of an id that nobody knows. */
  readonly never: number;
  readonly late: number;
  readonly twice: number;
  readonly unknown: number;
  /** At least so often an attempt ends without an answer. */
  readonly doubt: number;
  /** Ids of fingerprints may be another mail's later. */
  readonly mayFingerprint: boolean;
  readonly chance: Chance;
}

export function planWitness(chance: Chance, mayFingerprint: boolean): Witness | undefined {
  const witness: Witness = {
    waitMs: chance.pick([0, 10_000, 300_000]),
    never: chance.pick([0, 0.1, 0.5]),
    late: chance.pick([0, 0.3, 0.9]),
    twice: chance.pick([0, 0.5]),
    unknown: 0.1,
    doubt: chance.pick([0.2, 0.5]),
    mayFingerprint,
    chance: chance.fork(),
  };
  return chance.happens(0.9) ? witness : undefined;
}

export function planPauser(chance: Chance, healAt: number): Pauser | undefined {
  const rate = (...rates: [number, ...number[]]) => (chance.happens(0.5) ? chance.pick(rates) : 0);
  const pauser: Pauser = {
    atSteps: chance.pick([0, 1, 1]),
    offline: rate(0.3, 0.9),
    visits: Array.from({ length: chance.between(0, 8) }, () => chance.between(0, healAt)),
    ends: rate(0.3, 0.8),
    contradicts: rate(0.2),
    chance: chance.fork(),
  };
  return chance.happens(0.8) ? pauser : undefined;
}

export function planForgetter(chance: Chance, healAt: number): Forgetter | undefined {
  const rate = (...rates: [number, ...number[]]) => (chance.happens(0.5) ? chance.pick(rates) : 0);
  const forgetter: Forgetter = {
    atSteps: chance.pick([0, 1, 1]),
    offline: rate(0.3, 0.9),
    visits: Array.from({ length: chance.between(0, 8) }, () => chance.between(0, healAt)),
    redelivers: chance.pick([0, 0.5, 1]),
    twice: rate(0.3),
    chance: chance.fork(),
  };
  return chance.happens(0.8) ? forgetter : undefined;
}

/** See postmaster.ts. */
export interface Postmaster {
  /** How often they come at a step of a gateway's life, each time after the last. */
  readonly atSteps: number;
  /** How often they open the data folder between two lives. */
  readonly offline: number;
  /** When they come besides, milliseconds from the beginning. */
  readonly visits: readonly number[];
  /** How often an order is given twice at the same time, together with another, or with --resend. */
  readonly twice: number;
  readonly contradicts: number;
  readonly resends: number;
  /** At least so often an attempt is refused for now, or ends without an answer. */
  readonly refused: number;
  readonly doubt: number;
  readonly chance: Chance;
}

export function planPostmaster(chance: Chance, healAt: number): Postmaster | undefined {
  const rate = (...rates: [number, ...number[]]) => (chance.happens(0.5) ? chance.pick(rates) : 0);
  const postmaster: Postmaster = {
    atSteps: chance.pick([0, 1, 1]),
    offline: rate(0.3, 0.9),
    visits: Array.from({ length: chance.between(0, 12) }, () => chance.between(0, healAt)),
    twice: rate(0.3),
    contradicts: rate(0.3),
    resends: chance.pick([0, 0.5, 1]),
    refused: chance.pick([0, 0.3, 0.6]),
    doubt: chance.pick([0, 0, 0.3]),
    chance: chance.fork(),
  };
  return chance.happens(0.9) ? postmaster : undefined;
}

export function planOperator(chance: Chance, healAt: number): Operator | undefined {
  const rate = (...rates: [number, ...number[]]) => (chance.happens(0.5) ? chance.pick(rates) : 0);
  const operator: Operator = {
    knows: chance.pick([1, 0.5, 0]),
    remembers: rate(0.1, 0.3),
    twice: rate(0.2, 0.6),
    again: rate(0.2, 0.6),
    contradicts: rate(0.2),
    atSteps: chance.pick([0, 1, 1]),
    offline: rate(0.3, 0.9),
    visits: Array.from({ length: chance.between(0, 8) }, () => chance.between(0, healAt)),
    decidesAll: chance.happens(0.7),
    doubt: chance.pick([0, 0.2, 0.5]),
    slow: rate(0.3),
    chance: chance.fork(),
  };
  return chance.happens(0.7) ? operator : undefined;
}

/** Settings that change what becomes of a mail, and no id. */
const CHANGED = {
  reply: (config: Config, { smtp }: Config): Config => ({
    ...config,
    smtp: { ...config.smtp, reply: smtp.reply },
  }),
  doubtful: (config: Config, { ledger }: Config): Config => ({
    ...config,
    ledger: { ...config.ledger, doubtful: ledger.doubtful },
  }),
  unkeyed: (config: Config, { identity }: Config): Config => ({
    ...config,
    identity: { ...config.identity, unkeyed: identity.unkeyed },
  }),
  conflict: (config: Config, { identity }: Config): Config => ({
    ...config,
    identity: { ...config.identity, conflict: identity.conflict },
  }),
  retry: (config: Config, { spool }: Config): Config => ({ ...config, spool }),
  upstream: (config: Config, { upstream }: Config): Config => ({ ...config, upstream }),
} as const;

/** Shorter than the pauses of processes, and longer. */
const LEASES_MS: [number, ...number[]] = [15_000, 30_000, 60_000];

/** @param draw a configuration as any history may have it */
export function planSettings(
  chance: Chance,
  config: Config,
  draw: (chance: Chance) => Config,
): Settings | undefined {
  const changed = Object.values(CHANGED).filter(() => chance.happens(0.7));
  const others = Array.from({ length: chance.between(1, 3) }, () => {
    const drawn = draw(chance.fork());
    return changed.reduce((made, change) => change(made, drawn), config);
  });
  const refused = chance.pick([0, 0.3, 0.6]);
  const slow = chance.pick([0, 0.3, 0.9]);
  const stops = Array.from({ length: chance.between(0, 3) }, () => chance.fraction());
  const settings: Settings = {
    configs: [config, ...others],
    ...{ refused, slow, stops },
    leases: Array.from({ length: chance.pick([0, 0, 1, 3]) }, () => ({
      at: chance.fraction(),
      leaseMs: chance.pick(LEASES_MS),
    })),
    chance: chance.fork(),
  };
  return chance.happens(0.6) ? settings : undefined;
}

/** See observing.ts. Gateways observe, and are switched; nobody else is there. */
export interface Observer {
  /** When each gateway is stopped in order and starts in the other mode, milliseconds from the beginning. */
  readonly switches: readonly { readonly gateway: number; readonly at: number }[];
}

/** @param gateways how many */
export function planObserver(chance: Chance, healAt: number, gateways: number): Observer {
  const times = chance.pick([0, 1, 1, 1, 1, 2]);
  return {
    switches: Array.from({ length: gateways }, (_, at) => at + 1).flatMap((gateway) =>
      Array.from({ length: times }, () => ({ gateway, at: chance.between(0, healAt) })),
    ),
  };
}
