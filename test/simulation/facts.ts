// What the events of a history say, sorted by what it is about; and what of it breaks a promise by itself.
import type { Config } from "../../src/config/config.ts";
import type { Next } from "../../src/dispatch/order.ts";
import { messageIdOf } from "../../src/identity/message-id.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { gatherWishes } from "./forgets.ts";
import type { Attempt, Decided, Event, Heard, Ordering, Submission, Wish } from "./history.ts";
import { gatherOrders, isRemoved } from "./orders.ts";
import { FROM_DOMAIN } from "./plan.ts";
import { gatherProofs, isProven, type Proven } from "./proofs.ts";

/**
 * Five are none of the design's. "life": the process lives on, and whatever a client begins comes to an end.
 * "decision": what an operator hears of a decision is so, and stays so. "order": so is what they hear of an order about the
 * queue. "evidence": so is what is answered to evidence, and it has its time. "observe": a gateway that observes drops and
 * refuses nothing, and what it observes counts when it does not.
 */
export type Promised =
  | "P1"
  | "P2"
  | "P3"
  | "P4"
  | "P5"
  | "P6"
  | "P8"
  | "P9"
  | "P10"
  | "P13"
  | "life"
  | "decision"
  | "order"
  | "evidence"
  | "observe";

export interface Violation {
  readonly promise: Promised;
  readonly text: string;
  /** The event that shows it. */
  readonly seq: number;
}

/** Where and when a process of a gateway began to start. */
export interface Start {
  readonly seq: number;
  readonly at: number;
  readonly config: Config;
}

/** One attempt. */
export interface Made {
  readonly attempt: Attempt;
  readonly seq: number;
  readonly at: number;
  /** Where its gateway heard that it is noted in a shared ledger. */
  readonly notedSeq: number | undefined;
  /** Its gateway was paused since, and had not called the upstream yet. */
  readonly isExposed: boolean;
  /** Where the upstream took it. */
  takenSeq: number | undefined;
  /** "cut": its process ended before. */
  answer: Outcome["kind"] | "cut" | undefined;
  /** Where that was. */
  endSeq: number;
}

/** A line that says that an id is doubtful, and by which policy that gateway goes then. */
export interface DoubtLine {
  readonly seq: number;
  readonly gateway: number;
  readonly policy: Config["ledger"]["doubtful"];
  readonly messageId: string;
  /** Said by a start that then failed: what follows from it may not have been noted. */
  isOfFailedStart: boolean;
}

/** A decision of an operator that may have taken effect: it was answered so, or nobody knows. */
export interface Taken {
  readonly decided: Decided;
  readonly askedSeq: number;
  /** Where it was answered; never, when nobody knows. */
  readonly endSeq: number;
  /** Undefined: nobody knows. */
  readonly next: "relayed" | "queued" | "forgotten" | undefined;
  readonly isDurable: boolean;
}

/** That an id be forgotten, which may have taken effect: it was answered so, or nobody knows. */
export interface Wished extends Wish {
  readonly askedSeq: number;
  /** Where it was answered; never, when nobody knows. */
  readonly endSeq: number;
}

/** An operator's order about the queue that may have been carried out. */
export interface Given extends Ordering {
  readonly askedSeq: number;
  /** Where it was answered; never, when nobody knows. */
  readonly endSeq: number;
  /** Undefined: nobody knows. */
  readonly next: Next | undefined;
  readonly already: boolean;
  readonly isDurable: boolean;
}

export interface Facts {
  readonly attempts: Map<number, Made>;
  readonly heard: {
    readonly submission: Submission;
    readonly reply: Heard;
    readonly seq: number;
    readonly knownAt: number;
    /** Given up in the very moment. */
    readonly undurable: readonly string[];
  }[];
  /** By transmission, see nameOf. */
  readonly doubtful: Map<string, DoubtLine[]>;
  /** By Message-ID: where it was given up. */
  readonly givenUp: Map<string, number[]>;
  /** By transmission, see nameOf: where the log says that its failure is reported. */
  readonly reported: Map<string, number[]>;
  /** So too: the Message-IDs of its reports. */
  readonly notices: Map<string, string[]>;
  /** By marker. */
  readonly submitted: Map<string, number>;
  /** By id. */
  readonly decisions: Map<string, Taken[]>;
  /** By id. */
  readonly forgets: Map<string, Wished[]>;
  /** By id. */
  readonly proofs: Map<string, Proven[]>;
  /** By id. */
  readonly orders: Map<string, Given[]>;
  /** Lines that say what an operator has ordered. */
  readonly orderLines: { readonly seq: number; readonly gateway: number; readonly id: unknown }[];
  /** Where all that was held was released. */
  readonly releasedAt: number[];
  /** By marker: where its submission had its reply, or its process ended, so that it can claim nothing any more. */
  readonly answered: Map<string, number>;
  /** Lines that say what an operator has decided. */
  readonly decisionLines: {
    readonly seq: number;
    readonly gateway: number;
    readonly messageId: string | undefined;
    readonly id: unknown;
    readonly decision: unknown;
  }[];
  /** By gateway, as it started. */
  readonly configs: Map<number, Start[]>;
  /** Where each process ended. */
  readonly ends: { readonly seq: number; readonly gateway: number }[];
  /** By id, where a gateway heard that its attempt is noted. */
  readonly noted: Map<string, number[]>;
  /** By id: where a gateway found that its holder, a process of that gateway, counts as dead. */
  readonly foundDead: Map<string, { readonly seq: number; readonly holder: number }[]>;
  /** Ids and recipients of what was durable at gateways that are gone, and until when others counted on it. */
  readonly gone: { readonly gateway: number; readonly spooled: string; readonly aliveUntil: number }[];
  /** Ids that a gateway has taken over from another, and where it says so. */
  readonly takenOver: Map<string, { readonly seq: number; readonly gateway: number }[]>;
  readonly violations: Violation[];
}

/**
 * The id in a Message-ID that is derived from it, else all of it. That of a fingerprint names its submission too,
 * and another gateway that takes over has another.
 */
export const nameOf = (messageId: string): string => /^<([a-z2-7]{32})[.@]/.exec(messageId)?.[1] ?? messageId;

export const push = <T>(map: Map<string, T[]>, key: string, value: T): void => {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
};

/** The gateway's last start before that. */
export const startBefore = ({ configs }: Facts, gateway: number, seq: number): Start => {
  const before = (configs.get(gateway) ?? []).filter((one) => one.seq <= seq).at(-1);
  if (before === undefined) throw new Error(`gateway ${gateway} had not started`);
  return before;
};

/** What it was started with. */
export const configAt = (facts: Facts, gateway: number, seq: number): Config =>
  startBefore(facts, gateway, seq).config;

/**
 * Another gateway has said that the attempt is doubtful, or an operator there has decided about it, before `seq` and
 * after it was noted: it has taken over. Never so with a ledger that is not shared.
 */
export function isTakenOver(facts: Facts, { attempt, notedSeq }: Made, seq: number): boolean {
  if (notedSeq === undefined) return false;
  const { id, messageId, gateway } = attempt;
  const isBetween = (at: number) => at > notedSeq && at < seq;
  return (
    facts.doubtful.get(nameOf(messageId))?.some((line) => isBetween(line.seq)) === true ||
    // An unkeyed mail keeps its Message-ID, which is another at the other gateway.
    facts.takenOver.get(id)?.some((line) => line.gateway !== gateway && isBetween(line.seq)) === true ||
    facts.decisions
      .get(id)
      ?.some((one) => one.decided.gateway !== gateway && one.endSeq > notedSeq && one.askedSeq < seq) === true
  );
}

/** An operator decides that it was relayed while it is attempted, which then has no claim any more. */
const isDecidedMeanwhile = ({ decisions }: Facts, { id, calledSeq }: Attempt, seq: number): boolean =>
  decisions
    .get(id)
    ?.some(
      ({ decided, askedSeq, endSeq }) =>
        decided.decision === "relayed" && askedSeq < seq && endSeq > calledSeq,
    ) === true;

export function gather(events: readonly Event[]): Facts {
  const facts: Facts = {
    attempts: new Map(),
    heard: [],
    doubtful: new Map(),
    givenUp: new Map(),
    reported: new Map(),
    notices: new Map(),
    submitted: new Map(),
    decisions: new Map(),
    forgets: new Map(),
    proofs: new Map(),
    orders: new Map(),
    orderLines: [],
    releasedAt: [],
    answered: new Map(),
    decisionLines: [],
    configs: new Map(),
    ends: [],
    noted: new Map(),
    foundDead: new Map(),
    gone: [],
    takenOver: new Map(),
    violations: [],
  };
  const { attempts, violations } = facts;
  /** By id: as a rule one. */
  const underWay = new Map<string, Set<Made>>();
  /** By gateway and id, where it heard last that its attempt is noted; by gateway, where it was paused last. */
  const noted = new Map<string, number>();
  const paused = new Map<number, number>();
  /** By gateway and id, where it heard that its settlement came too late. */
  const stale = new Map<string, number>();
  const isStale = (key: string): boolean => (stale.get(key) ?? -1) > (noted.get(key) ?? -1);
  /** By gateway and id: ends under a claim of its own that are not reported yet. The id may be accepted again meanwhile. */
  const ended = new Map<string, number>();
  const fails = (promise: Promised, text: string, seq: number) => violations.push({ promise, text, seq });

  /** By gateway that is starting: its lines so far. */
  const starting = new Map<number, DoubtLine[]>();
  const failStart = (gateway: number): void => {
    for (const line of starting.get(gateway) ?? []) line.isOfFailedStart = true;
    starting.delete(gateway);
  };

  /** By marker, the gateway that has not answered. */
  const submitting = new Map<string, number>();
  const answer = (marker: string, seq: number): void => {
    if (submitting.delete(marker)) facts.answered.set(marker, seq);
  };

  gatherDecisions(events, facts.decisions);
  gatherWishes(events, facts.forgets);
  gatherOrders(events, facts.orders);
  gatherProofs(events, facts.proofs);
  for (const event of events) {
    const { seq } = event;
    switch (event.kind) {
      case "starting": {
        const before = facts.configs.get(event.gateway) ?? [];
        facts.configs.set(event.gateway, [...before, { seq, at: event.at, config: event.config }]);
        starting.set(event.gateway, []);
        break;
      }
      case "started":
        starting.delete(event.gateway);
        break;
      case "start_failed":
        failStart(event.gateway);
        break;
      case "attempted": {
        const { attempt } = event;
        const notedSeq = noted.get(`${attempt.gateway} ${attempt.id}`);
        const isExposed = (paused.get(attempt.gateway) ?? -1) > (notedSeq ?? seq);
        const made: Made = {
          ...{ attempt, seq, at: event.at, notedSeq, isExposed },
          ...{ takenSeq: undefined, answer: undefined, endSeq: Number.POSITIVE_INFINITY },
        };
        attempts.set(attempt.number, made);
        const others = underWay.get(attempt.id) ?? new Set();
        for (const other of others) {
          if (isTakenOver(facts, other, seq) || (isExposed && isTakenOver(facts, made, seq))) continue;
          fails("P1", `two attempts of ${attempt.messageId} at once`, seq);
        }
        underWay.set(attempt.id, others.add(made));
        if (isExposed || isDecidedMeanwhile(facts, attempt, seq)) break;
        // Evidence has settled it between the note and the call.
        if (isProven(facts, attempt.id, notedSeq ?? attempt.calledSeq, seq)) break;
        if (!attempt.isMarked) fails("P2", `attempt of ${attempt.messageId} that is not durable`, seq);
        else if (!attempt.isHeld) fails("P2", `attempt of ${attempt.messageId} under no live claim`, seq);
        break;
      }
      case "taken": {
        const made = attempts.get(event.attempt.number);
        if (made !== undefined) made.takenSeq = seq;
        if (!event.attempt.content.sizeIsRight)
          fails("P10", "the size of the content is another than was said", seq);
        break;
      }
      case "answered": {
        const made = attempts.get(event.attempt.number);
        if (made === undefined) break;
        made.answer = event.outcome.kind;
        made.endSeq = seq;
        underWay.get(event.attempt.id)?.delete(made);
        break;
      }
      case "noted":
        noted.set(`${event.gateway} ${event.id}`, seq);
        push(facts.noted, event.id, seq);
        break;
      case "found_dead":
        push(facts.foundDead, event.id, { seq, holder: event.holder });
        break;
      case "paused":
        paused.set(event.gateway, seq);
        break;
      case "gone":
        facts.gone.push(event);
        break;
      case "crashed":
      case "stopped":
        facts.ends.push({ seq, gateway: event.gateway });
        for (const [marker, gateway] of submitting) if (gateway === event.gateway) answer(marker, seq);
        failStart(event.gateway);
        // A start claims everything in the spool again.
        for (const key of stale.keys()) if (key.startsWith(`${event.gateway} `)) stale.delete(key);
        for (const all of underWay.values()) {
          for (const made of all) {
            if (made.attempt.gateway !== event.gateway) continue;
            made.answer = "cut";
            made.endSeq = seq;
            all.delete(made);
          }
        }
        break;
      case "logged":
        if (event.event === "operator.resolved") {
          const { id, decision } = event.fields;
          const { gateway, messageId } = event;
          facts.decisionLines.push({ seq, gateway, messageId, id, decision });
        }
        if (ORDER_EVENTS.has(event.event)) {
          facts.orderLines.push({ seq, gateway: event.gateway, id: event.fields.id });
        }
        if (event.event === "ledger.taken_over")
          push(facts.takenOver, String(event.fields.id), { seq, gateway: event.gateway });
        if (event.event === "ledger.settled_stale") stale.set(`${event.gateway} ${event.fields.id}`, seq);
        if (event.messageId === undefined) break;
        // Then it has been claimed again, or given up.
        if (event.event === "transmission.stale") stale.delete(`${event.gateway} ${nameOf(event.messageId)}`);
        if (event.event === "transmission.reported") {
          push(facts.reported, nameOf(event.messageId), seq);
          push(facts.notices, nameOf(event.messageId), String(event.fields.notice));
          const key = `${event.gateway} ${nameOf(event.messageId)}`;
          const ends = ended.get(key) ?? 0;
          if (ends > 0) ended.set(key, ends - 1);
          else if (isStale(key))
            fails("P8", `${event.messageId} is reported under a claim that is another's`, seq);
        }
        if (event.event === "transmission.doubtful") {
          const { gateway, messageId } = event;
          const policy = event.fields.policy as DoubtLine["policy"];
          const line: DoubtLine = { seq, gateway, policy, messageId, isOfFailedStart: false };
          push(facts.doubtful, nameOf(messageId), line);
          starting.get(gateway)?.push(line);
          if (policy !== configAt(facts, gateway, seq).ledger.doubtful)
            fails("P6", `${messageId} is said to go by ${policy}, which is not configured`, seq);
        }
        if (
          event.event === "transmission.expired" ||
          event.event === "operator.bounced" ||
          (event.event === "transmission.refused" && event.fields.permanence === "permanent")
        ) {
          push(facts.givenUp, event.messageId, seq);
          const key = `${event.gateway} ${nameOf(event.messageId)}`;
          if (!isStale(key)) ended.set(key, (ended.get(key) ?? 0) + 1);
        }
        break;
      case "submitted":
        facts.submitted.set(event.submission.marker, seq);
        submitting.set(event.submission.marker, event.submission.gateway);
        break;
      case "heard": {
        const { submission, reply, knownAt, undurable } = event;
        if (reply.code !== 0) answer(submission.marker, seq);
        facts.heard.push({ submission, reply, seq, knownAt, undurable });
        if (reply.code === -1) fails("P9", `s${submission.number} was not answered: ${reply.text}`, seq);
        for (const id of undurable) {
          // Given up in the very moment: the reverse-path is told.
          if (facts.givenUp.has(messageIdOf(id, FROM_DOMAIN))) continue;
          // Taken out by an operator in the very moment.
          if (isRemoved(facts, id, facts.submitted.get(submission.marker) ?? seq, seq)) continue;
          fails("P4", `s${submission.number} heard 250 and ${id} is nowhere`, seq);
        }
        break;
      }
      case "all_released":
        facts.releasedAt.push(seq);
        break;
      case "undecided":
        fails("decision", `${event.id}, ${event.standing}, can't be decided`, seq);
        break;
      case "without_content":
        fails("P5", `the spool of gateway ${event.gateway} has transmissions without content`, seq);
        break;
      case "unhandled":
        fails("life", `the process ends: ${event.error}`, seq);
        break;
      case "blocked":
        fails("life", event.by, seq);
        break;
    }
  }
  return facts;
}

const ORDER_EVENTS: ReadonlySet<string> = new Set(
  ["retried", "held", "released", "bounced", "removed"].map((name) => `operator.${name}`),
);

/** Those that were taken, or may have been. */
function gatherDecisions(events: readonly Event[], decisions: Facts["decisions"]): void {
  const asked = new Map<number, Taken>();
  for (const event of events) {
    if (event.kind === "asked") {
      const unknown = { endSeq: Number.POSITIVE_INFINITY, next: undefined, isDurable: true };
      asked.set(event.decided.number, { decided: event.decided, askedSeq: event.seq, ...unknown });
    } else if (event.kind === "decided") {
      const { decided, next, isDurable, isKnown, seq } = event;
      const before = asked.get(decided.number);
      if (before === undefined || !isKnown) continue;
      if (next === undefined) asked.delete(decided.number);
      else asked.set(decided.number, { ...before, endSeq: seq, next, isDurable });
    }
  }
  for (const one of asked.values()) push(decisions, one.decided.id, one);
}
