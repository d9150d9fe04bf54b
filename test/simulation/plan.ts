// What one history is made of, all of it from its seed: the configuration, the tasks with their mails and
// deliveries, and which faults there are and how often.
import { type Config, loadConfig } from "../../src/config/config.ts";
import { type Chance, createChance } from "./chance.ts";
import { planOdd } from "./odd.ts";
import {
  type Actors,
  ALONE,
  type Forgetter,
  type Observer,
  type Operator,
  type Pauser,
  type Postmaster,
  planForgetter,
  planObserver,
  planOperator,
  planPauser,
  planPostmaster,
  planSettings,
  planWitness,
  type Settings,
  type Witness,
} from "./people.ts";

/** The faults by name. A rate is a probability at each occasion, which is said beside it. */
export interface Faults {
  /** An attempt: the upstream takes the message and its answer is lost. */
  readonly upstream_reply_lost: number;
  /** An attempt: no answer for a long time; taken or not. */
  readonly upstream_timeout: number;
  readonly upstream_refuses_transient: number;
  readonly upstream_refuses_permanent: number;
  /** An attempt: it takes up to half a minute. Only where people are. */
  readonly upstream_slow: number;
  /** An attempt: from now on and for a while the upstream can't be reached. */
  readonly upstream_down: number;
  /** A start of the gateway: this process will die at one of its steps. */
  readonly crash: number;
  /** A crash: it is that of the machine, and unsynced writes are lost, the last ones first. */
  readonly crash_loses_unsynced: number;
  /** A crash of the process only: a write that was under way took effect all the same. */
  readonly torn_last_write: number;
  /** A write: from now on and for a while the disk is full. */
  readonly disk_full: number;
  /** A write to a full disk: it fails and has taken effect all the same. */
  readonly full_takes_effect: number;
  /** A call of the disk: it takes time. */
  readonly slow_disk: number;
  /** A history: how many times the clock is set. */
  readonly clock_jump: number;
  /** A submission: the client goes away in the middle of the content. */
  readonly client_vanishes: number;
  /** A history: how many times the gateway is stopped in order. */
  readonly orderly_stop: number;
}

/** Of several gateways on one ledger, beside the others. */
export interface SharingFaults {
  /** A start of a gateway: at one of its steps this process is paused, as by SIGSTOP, and goes on later. */
  readonly process_paused: number;
  /** A call of the engine: from now on and for a while it does not answer, to this gateway or to all. */
  readonly engine_away: number;
  /** A call of the engine: it does what it is for, at once or late, and its answer is lost. */
  readonly engine_answer_lost: number;
  /** A call of the engine: it takes up to as long as a call may. */
  readonly engine_slow: number;
  /** A task that was not taken: its queue does not run it again, until the last deliveries. */
  readonly queue_gives_up: number;
}

/** What is different when several gateways share a ledger. */
export interface Sharing {
  readonly gateways: number;
  readonly faults: SharingFaults;
  /** Deliveries of tasks beside their own, so that what was taken over is met; by position of the task. */
  readonly deliveries: readonly { readonly task: number; readonly at: number }[];
  /** Gateways that die for good, with their disks, at the first step of some sort after so many milliseconds. */
  readonly doomed: readonly { readonly gateway: number; readonly at: number }[];
}

export interface Mail {
  readonly recipients: readonly [string, ...string[]];
  readonly part: string | undefined;
  readonly subject: string;
  /** Empty for the null reverse-path. */
  readonly reversePath: string;
  readonly hasDate: boolean;
  /** Octets of padding in the body. */
  readonly padding: number;
}

export interface Task {
  readonly name: string;
  /** Undefined: the mailer gives none. */
  readonly id: string | undefined;
  readonly idIn: "X-Task-Id" | "Idempotency-Key" | "envid";
  readonly mails: readonly Mail[];
  /** When the queue delivers it, milliseconds from the beginning. */
  readonly deliveries: readonly number[];
}

export interface Plan {
  readonly seed: number;
  readonly config: Config;
  readonly tasks: readonly Task[];
  readonly faults: Faults;
  /** From then on nothing fails any more, milliseconds from the beginning. */
  readonly healAt: number;
  /** When the clock is set, and by how much. */
  readonly jumps: readonly { readonly at: number; readonly by: number }[];
  readonly stops: readonly number[];
  /** Mailboxes to which mail is odd, see odd.ts. Only where people are. */
  readonly odd: ReadonlySet<string>;
  /** Undefined: one gateway with a ledger of its own. */
  readonly sharing: Sharing | undefined;
  /** Undefined: nobody decides about what is doubtful. */
  readonly operator: Operator | undefined;
  /** Undefined: nobody has anything forgotten. */
  readonly forgetter: Forgetter | undefined;
  /** Undefined: nobody pauses the upstream. */
  readonly pauser: Pauser | undefined;
  /** Undefined: nobody acts on the queue. */
  readonly postmaster: Postmaster | undefined;
  /** Undefined: the upstream says nothing later. */
  readonly witness: Witness | undefined;
  /** Undefined: no gateway observes. */
  readonly observer: Observer | undefined;
  /** Undefined: every start of every gateway has the same configuration. */
  readonly settings: Settings | undefined;
  /** For everything else. */
  readonly chance: Chance;
}

export const HOSTNAME = "gateway.example";
export const FROM_DOMAIN = "example.org";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Longer than a history with all its jumps of the clock. */
export const RETENTION_MS = 30 * DAY;

/** Without a history, which decides nothing: each of its timers would be a step at which a gateway may end. */
const BASE = loadConfig({
  environment: { MAILONCE_HOSTNAME: HOSTNAME, MAILONCE_HISTORY_RETENTION: "0" },
});

function planConfig(chance: Chance): Config {
  const retryMin = chance.pick([200, 1_000, 5_000]);
  return {
    ...BASE,
    smtp: { ...BASE.smtp, reply: chance.pick(["queued", "queued", "relayed"]) },
    identity: {
      ...BASE.identity,
      unkeyed: chance.pick(["relay", "relay", "relay", "reject", "fingerprint"]),
      conflict: chance.pick(["reject", "drop"]),
      fingerprint_window: chance.pick([MINUTE, 10 * MINUTE]),
    },
    ledger: { ...BASE.ledger, retention: RETENTION_MS, doubtful: chance.pick(["resend", "hold", "drop"]) },
    spool: {
      ...BASE.spool,
      lifetime: chance.pick([30_000, 10 * MINUTE, 2 * DAY, 2 * DAY]),
      retry_min: retryMin,
      retry_max: chance.pick([retryMin, 20_000, 60_000]),
    },
    upstream: {
      ...BASE.upstream,
      concurrency: chance.between(1, 5),
      rate_per_second: chance.pick([undefined, undefined, undefined, 2]),
    },
  };
}

/** Any fault is there or not, so that some histories show one alone (Groce: swarm testing). */
function planFaults(chance: Chance): Faults {
  const rate = (...rates: [number, ...number[]]) => (chance.happens(0.5) ? chance.pick(rates) : 0);
  const count = (most: number) => (chance.happens(0.3) ? chance.between(1, most) : 0);
  return {
    upstream_reply_lost: rate(0.1, 0.4),
    upstream_timeout: rate(0.1, 0.3),
    upstream_refuses_transient: rate(0.2, 0.6),
    upstream_refuses_permanent: rate(0.1, 0.3),
    upstream_slow: 0,
    upstream_down: rate(0.05, 0.2),
    crash: chance.happens(0.7) ? chance.pick([0.5, 0.9]) : 0,
    crash_loses_unsynced: chance.pick([0, 0.5, 1]),
    torn_last_write: chance.pick([0, 0.5, 1]),
    disk_full: rate(0.01, 0.05),
    full_takes_effect: chance.pick([0, 0.3]),
    slow_disk: chance.pick([0.02, 0.1, 0.5]),
    clock_jump: count(3),
    client_vanishes: rate(0.05, 0.2),
    orderly_stop: count(2),
  };
}

/** Small: most of what can go wrong needs few mails, and a short history is soon read. */
const MANY: [number, ...number[]] = [1, 1, 1, 1, 2, 2, 3, 4];

function planTask(chance: Chance, number: number): Task {
  const name = `t${number}`;
  const isKeyed = chance.happens(0.85);
  const mailboxes = Array.from({ length: chance.pick(MANY) }, (_, at) => `r${at}.${name}@example.net`);
  const base = {
    part: undefined,
    subject: `Report ${name}`,
    reversePath: isKeyed && chance.happens(0.1) ? "" : `bounces+${name}@${FROM_DOMAIN}`,
    hasDate: chance.happens(0.5),
    padding: chance.happens(0.04) ? 70_000 : chance.between(0, 300),
  };
  const [first = "", ...others] = mailboxes;
  const mails: Mail[] = chance.happens(0.4)
    ? [{ ...base, recipients: [first, ...others] }]
    : mailboxes.map((mailbox) => ({ ...base, recipients: [mailbox] }));
  if (chance.happens(0.1)) {
    // A second mail to the same recipient: told apart by its part, or in conflict with the first.
    const part = chance.happens(0.5) ? "second" : undefined;
    mails.push({ ...base, recipients: [first], part, subject: `Appendix ${name}` });
  }
  const at = chance.between(0, 60_000);
  const deliveries = [at];
  for (let more = chance.pick(MANY) - 1; more > 0; more--) {
    deliveries.push(at + (chance.happens(0.4) ? chance.between(0, 400) : chance.between(0, 5 * MINUTE)));
  }
  const octets = Buffer.from(chance.octets(16)).toString("hex");
  const uuid = octets.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  return {
    name,
    id: isKeyed ? uuid : undefined,
    idIn: chance.pick(["X-Task-Id", "X-Task-Id", "Idempotency-Key", "envid"]),
    mails,
    deliveries,
  };
}

/** Most are there in some histories only, as all faults. */
function planSharing(chance: Chance, tasks: number, healAt: number): Sharing {
  const rate = (...rates: [number, ...number[]]) => (chance.happens(0.5) ? chance.pick(rates) : 0);
  const gateways = chance.pick([2, 2, 3]);
  const faults = {
    process_paused: rate(0.5, 0.9),
    engine_away: rate(0.003, 0.01),
    engine_answer_lost: rate(0.02, 0.1),
    engine_slow: rate(0.05, 0.3),
    queue_gives_up: rate(0.2, 0.6),
  };
  const deaths = chance.happens(0.3) ? chance.between(1, gateways - 1) : 0;
  const doomed = Array.from({ length: deaths }, (_, gateway) => ({ gateway, at: chance.between(0, healAt) }));
  const deliveries = Array.from({ length: tasks * chance.between(0, 4) }, (_, at) => ({
    task: at % tasks,
    at: chance.between(0, healAt),
  }));
  return { gateways, faults, doomed, deliveries };
}

/**
 * @param isShared several gateways share a ledger; the rest is as with one, with the same seed
 * @param actors who else may be there; the rest is drawn as without them
 */
export function planOf(seed: number, isShared = false, actors: Actors = ALONE): Plan {
  const chance = createChance(seed);
  const config = planConfig(chance.fork());
  const faults = planFaults(chance.fork());
  const own = chance.fork();
  const tasks = Array.from({ length: own.pick(MANY) }, (_, at) => planTask(own, at + 1));
  const healAt = own.between(MINUTE, 8 * MINUTE);
  // Fingerprints count in a window of time; what a clock that is set does to it is nobody's promise.
  const mayJump = config.identity.unkeyed !== "fingerprint";
  const jumps = Array.from({ length: mayJump ? faults.clock_jump : 0 }, () => ({
    at: own.between(0, healAt),
    by: own.pick([1, -1]) * own.pick([own.between(1_000, 10 * MINUTE), own.between(HOUR, DAY)]),
  }));
  const stops = Array.from({ length: faults.orderly_stop }, () => own.between(0, healAt));
  const rest = { seed, config, tasks, faults, healAt, jumps, stops, chance: chance.fork() };
  const sharing = isShared ? planSharing(chance.fork(), tasks.length, healAt) : undefined;
  const nobody = {
    ...{ operator: undefined, forgetter: undefined, pauser: undefined, postmaster: undefined },
    ...{ settings: undefined, witness: undefined, observer: undefined },
  };
  return withPeople({ ...rest, odd: new Set(), sharing, ...nobody }, actors);
}

const isOnly = (actors: Actors, name: keyof Actors): boolean =>
  Object.entries(actors).every(([actor, isThere]) => isThere === (actor === name));

/** Far from the seeds of histories. */
const SEEDS_OF_PEOPLE = 7 * 2 ** 32;

/** What is observed has to be dropped by nobody. */
function withObserver(plan: Plan, chance: Chance): Plan {
  const { config, healAt, sharing } = plan;
  const observer = planObserver(chance.fork(), healAt, sharing?.gateways ?? 1);
  const doubtful = config.ledger.doubtful === "drop" ? "resend" : config.ledger.doubtful;
  return { ...plan, observer, config: { ...config, ledger: { ...config.ledger, doubtful } } };
}

/** Their chance is their own. */
function withPeople(plan: Plan, actors: Actors): Plan {
  const chance = createChance(plan.seed + SEEDS_OF_PEOPLE);
  if (actors.observer && (isOnly(actors, "observer") || plan.seed % 8 === 0))
    return withObserver(plan, chance);
  const [ofOperator, ofSettings] = [chance.fork(), chance.fork()];
  const operator = actors.operator ? planOperator(ofOperator, plan.healAt) : undefined;
  const settings = actors.settings ? planSettings(ofSettings, plan.config, planConfig) : undefined;
  const { faults } = plan;
  const isAlone = !actors.operator && !actors.settings;
  const odd = isAlone ? plan.odd : planOdd(chance.fork(), plan.tasks);
  const forgetter = actors.forgetter ? planForgetter(chance.fork(), plan.healAt) : undefined;
  const pauser = actors.pauser ? planPauser(chance.fork(), plan.healAt) : undefined;
  const postmaster = actors.postmaster ? planPostmaster(chance.fork(), plan.healAt) : undefined;
  const mayFingerprint = [plan.config, ...(settings?.configs ?? [])].some(hasFingerprints);
  const witness = actors.witness ? planWitness(chance.fork(), mayFingerprint) : undefined;
  const doubt = Math.max(operator?.doubt ?? 0, postmaster?.doubt ?? 0, witness?.doubt ?? 0);
  const refused = Math.max(settings?.refused ?? 0, postmaster?.refused ?? 0);
  return {
    ...plan,
    odd,
    operator,
    forgetter,
    pauser,
    postmaster,
    settings,
    witness,
    faults: {
      ...faults,
      // Without doubt there is nothing to decide.
      upstream_reply_lost: Math.max(faults.upstream_reply_lost, doubt),
      upstream_timeout: Math.max(faults.upstream_timeout, doubt),
      upstream_slow: Math.max(operator?.slow ?? 0, settings?.slow ?? 0),
      upstream_refuses_transient: Math.max(faults.upstream_refuses_transient, refused),
      // Without starts there is nothing to change.
      crash: Math.max(faults.crash, settings === undefined ? 0 : 0.5),
    },
    jumps: settings?.configs.some(hasFingerprints) === true ? [] : plan.jumps,
    stops: [...plan.stops, ...(settings?.stops.map((share) => share * plan.healAt) ?? [])],
  };
}

export const hasFingerprints = ({ identity }: Config): boolean => identity.unkeyed === "fingerprint";

/** The longest that is in force at any time, milliseconds. */
export const leaseMaxOf = ({ config, settings }: Plan): number =>
  Math.max(config.ledger.lease, ...(settings?.leases.map(({ leaseMs }) => leaseMs) ?? []));

/** Every configuration that a start of a gateway may have, but for the lease. */
export const configsOf = ({ config, settings }: Plan): readonly Config[] => settings?.configs ?? [config];

/** Histories in which what is held in doubt is often lost in a pause, and decided about after it. */
export function withLostDoubt(plan: Plan): Plan {
  const { config, faults, healAt, operator, sharing, tasks } = plan;
  const times = (count: number) =>
    Array.from({ length: count }, (_, at) => ((at + 1) * healAt) / (count + 1));
  return {
    ...plan,
    config: { ...config, ledger: { ...config.ledger, doubtful: "hold" } },
    settings: undefined,
    operator: operator && { ...operator, atSteps: 0, visits: times(20) },
    sharing: sharing && {
      ...sharing,
      faults: { ...sharing.faults, process_paused: 0.9 },
      deliveries: times(20).map((at, number) => ({ task: number % tasks.length, at })),
    },
    faults: { ...faults, upstream_reply_lost: 0.9 },
  };
}

/** Histories of changed settings in which most starts change the reply, and attempts are slow and often refused. */
export function withChangingReply(plan: Plan): Plan {
  const { config, faults, settings } = plan;
  if (settings === undefined) return plan;
  const replying = (reply: Config["smtp"]["reply"]): Config => ({
    ...config,
    smtp: { ...config.smtp, reply },
  });
  return {
    ...plan,
    settings: { ...settings, configs: [replying("relayed"), replying("queued")] },
    faults: { ...faults, crash: 0.9, upstream_slow: 0.9, upstream_refuses_transient: 0.6 },
  };
}
