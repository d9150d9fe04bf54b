// What the parts count and measure. Each gets only its own counters, as an argument. No label has an address, a task, a
// user or a text of others: their values are few and known.
import { createHistogram, type Histogram } from "./histogram.ts";
import { type Count, createCount, createFamily, createTally, type Family, type Tally } from "./tally.ts";

const CONNECTIONS = ["accepted", "not_allowed", "blocked", "full"] as const;
const AUTHENTICATIONS = ["accepted", "wrong", "later"] as const;
const VERDICTS = ["queued", "repeat_relayed", "repeat_underway", "conflict"] as const;
const IDENTITIES = ["task", "fingerprint", "sdk", "none"] as const;

/** What a mail can be known by that is decided so: each mail without an id is another, and only a task has parts. */
const IDENTITIES_OF = {
  queued: IDENTITIES,
  repeat_relayed: ["task", "fingerprint", "sdk"],
  repeat_underway: ["task", "fingerprint", "sdk"],
  conflict: ["task"],
} as const satisfies Record<Verdict, readonly Identity[]>;

/** What mode "observe" relays, and "enforce" would not. */
const OBSERVED = ["repeat_relayed", "repeat_underway", "conflict", "doubtful", "refused"] as const;

const OBSERVED_IDENTITIES_OF = {
  repeat_relayed: IDENTITIES_OF.repeat_relayed,
  repeat_underway: IDENTITIES_OF.repeat_underway,
  conflict: IDENTITIES_OF.conflict,
  doubtful: ["task", "fingerprint", "sdk"],
  refused: ["none"],
} as const satisfies Record<ObservedVerdict, readonly Identity[]>;

const OUTCOMES = ["accepted", "refused", "later", "down", "doubtful"] as const;
const RESOLVERS = ["operator", "policy", "evidence"] as const;
const NOTICES = ["failure", "delay", "success"] as const;
const LOOKUPS = ["absent", "maybe_found", "maybe_not_found"] as const;

/** Of messages of a queue of events: what became of them. */
const EVENTS = ["settled", "known", "busy", "away", "other_ledger", "other_mail", "no_event"] as const;

/** Of replies to a content. */
const SUBMISSION_CODES = [250, 421, 451, 452, 550, 552, 554] as const;

/** The first part of a store's or file's name. */
const STORES = ["spool", "ledger", "history"] as const;

/** Of a reply to a mailer on the same network, and of a call of an upstream or a database, seconds. */
const CALL_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30];

/** From 250 to the upstream's answer: milliseconds as a rule, days for what waits. */
const DELAY_BOUNDS = [0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3_600, 14_400, 86_400];

/** A sync: tens of microseconds of a disk with a cache of its own, seconds of one that is in trouble. */
const COMMIT_BOUNDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];

/** Callers that share a sync, up to BATCH_MAX. */
const BATCH_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** What became of a connection: it was let in, or why not. */
export type Connected = (typeof CONNECTIONS)[number];

export interface Counters {
  /** Seconds since any moment; never steps back. */
  elapsed(): number;

  // listeners, by the address of each
  readonly connections: Family<Tally<Connected>>;
  /** Those that are open now. */
  readonly connected: Tally;
  readonly authentications: Tally<(typeof AUTHENTICATIONS)[number]>;
  /** By their codes. */
  readonly replies: Tally<number>;

  // submission
  /** By the code of the reply to the content. */
  readonly submissions: Tally<number>;
  /** From the end of the content to the reply. */
  readonly submissionSeconds: Histogram;
  /** By verdict, and by how the mail is identified. */
  readonly recipients: Family<Tally<Identity>, Verdict>;
  /** So too, by the verdict that "enforce" would have given. */
  readonly observed: Family<Tally<Identity>, ObservedVerdict>;

  // dispatch, by the name of the upstream or of the lane
  readonly attempts: Family<Tally<(typeof OUTCOMES)[number]>>;
  readonly attemptSeconds: Family<Histogram>;
  /** From the acceptance to the upstream's. */
  readonly relaySeconds: Family<Histogram>;
  readonly doubtfulResolved: Tally<(typeof RESOLVERS)[number]>;
  readonly secondCopies: Count;
  readonly notices: Tally<(typeof NOTICES)[number]>;
  /** Each time that one was judged. */
  readonly events: Tally<(typeof EVENTS)[number]>;

  // ledger
  readonly lookups: Tally<(typeof LOOKUPS)[number]>;
  /** Calls of the database. */
  readonly ledgerSeconds: Histogram;
  /** Ids of another gateway that this one has taken over. */
  readonly takeovers: Count;
  /** What came under a claim that had ended, and changed nothing. */
  readonly stale: Count;

  // storage
  readonly commitSeconds: Histogram;
  readonly commitSize: Histogram;
  readonly storageErrors: Tally;
}

export type Verdict = (typeof VERDICTS)[number];
export type ObservedVerdict = (typeof OBSERVED)[number];

/** What the mail is known by. */
export type Identity = (typeof IDENTITIES)[number];

/** @param milliseconds since any moment */
export function createCounters(milliseconds: () => number = () => performance.now()): Counters {
  return {
    elapsed: () => milliseconds() / 1_000,
    connections: createFamily(() => createTally(CONNECTIONS)),
    connected: createTally(),
    authentications: createTally(AUTHENTICATIONS),
    replies: createTally<number>(),
    submissions: createTally<number>(SUBMISSION_CODES),
    submissionSeconds: createHistogram(CALL_BOUNDS),
    recipients: createFamily((verdict) => createTally<Identity>(IDENTITIES_OF[verdict]), VERDICTS),
    observed: createFamily((verdict) => createTally<Identity>(OBSERVED_IDENTITIES_OF[verdict]), OBSERVED),
    attempts: createFamily(() => createTally(OUTCOMES)),
    attemptSeconds: createFamily(() => createHistogram(CALL_BOUNDS)),
    relaySeconds: createFamily(() => createHistogram(DELAY_BOUNDS)),
    doubtfulResolved: createTally(RESOLVERS),
    secondCopies: createCount(),
    notices: createTally(NOTICES),
    events: createTally(EVENTS),
    lookups: createTally(LOOKUPS),
    ledgerSeconds: createHistogram(CALL_BOUNDS),
    takeovers: createCount(),
    stale: createCount(),
    commitSeconds: createHistogram(COMMIT_BOUNDS),
    commitSize: createHistogram(BATCH_BOUNDS),
    storageErrors: createTally(STORES),
  };
}
