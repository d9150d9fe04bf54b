// What happened in one simulated history, in order: all that the checker goes by, and what is shown of a
// failure.
import type { Config } from "../../src/config/config.ts";
import type { Next, OrderKind, OrderRefusal } from "../../src/dispatch/order.ts";
import type { Taken } from "../../src/evidence/evidence.ts";
import type { Decision } from "../../src/operator/doubtful.ts";
import type { WhyNot } from "../../src/operator/forget.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import type { Mail, Task } from "./plan.ts";

/** One mail transaction of a client. */
export interface Submission {
  readonly number: number;
  readonly gateway: number;
  readonly task: Task;
  readonly mail: Mail;
  /** In the field X-Sim of its content, so that what the upstream took names the submission it came from. */
  readonly marker: string;
  /** The id of each recipient; undefined where the client can't know it. */
  readonly ids: readonly (string | undefined)[];
}

/** The Message-ID that the mailer gives it. */
export const ownMessageIdOf = ({ number }: Pick<Submission, "number">): string =>
  `<own-${number}@mailer.example.org>`;

/** One call of the upstream. */
export interface Attempt {
  readonly number: number;
  readonly id: string;
  readonly messageId: string;
  readonly recipient: string;
  readonly gateway: number;
  /** Where in the history the upstream was called. */
  readonly calledSeq: number;
  /** The id has a mark in the ledger that a loss of power would leave. */
  readonly isMarked: boolean;
  /** It is marked under a claim of this very process. */
  readonly isHeld: boolean;
  readonly content: Content;
}

/** What the upstream read of an attempt. */
export interface Content {
  readonly text: string;
  /** The marker of the submission that it came from, or that it reports. */
  readonly marker: string | undefined;
  /** The recipients whose failures it reports; undefined for what is no report. */
  readonly reports: readonly string[] | undefined;
  /** The transmission's `size` says the same. */
  readonly sizeIsRight: boolean;
}

/** What an operator says about one id at one gateway, or in its data folder. */
export interface Decided {
  readonly number: number;
  readonly gateway: number;
  readonly life: number;
  readonly id: string;
  readonly decision: Decision;
}

/** An operator wants an id forgotten, at one gateway or in its data folder. */
export interface Wish {
  readonly number: number;
  readonly gateway: number;
  readonly life: number;
  readonly id: string;
}

/** An operator wants the upstream paused or resumed, at one gateway or in its data folder. */
export interface PauseOrder {
  readonly number: number;
  readonly gateway: number;
  readonly life: number;
  readonly what: "pause" | "resume";
  /** After which it ends by itself. */
  readonly forMs: number | undefined;
}

/** Evidence of one id, handed to one gateway. */
export interface Told {
  readonly number: number;
  readonly gateway: number;
  readonly life: number;
  readonly id: string;
}

/** An operator's order about one mail of the queue, at one gateway or in its data folder. */
export interface Ordering {
  readonly number: number;
  readonly gateway: number;
  readonly life: number;
  readonly id: string;
  readonly kind: OrderKind;
  readonly resend: boolean;
}

export type What =
  /** A start of a gateway. */
  | { readonly kind: "starting"; readonly gateway: number; readonly life: number; readonly config: Config }
  /** A command opens the data folder, has it open, and has closed it. */
  | {
      readonly kind: "offline" | "offline_open" | "offline_closed";
      readonly gateway: number;
      readonly life: number;
    }
  | { readonly kind: "forget_asked"; readonly wish: Wish }
  /** Why it was refused, in the place of "forgotten"; or how it failed on the way. */
  | {
      readonly kind: "forget_answered";
      readonly wish: Wish;
      readonly said: "forgotten" | WhyNot | { readonly failed: string };
    }
  | { readonly kind: "pause_asked"; readonly order: PauseOrder }
  /** Done, or how it failed on the way. */
  | {
      readonly kind: "pause_answered";
      readonly order: PauseOrder;
      readonly said: "done" | { readonly failed: string };
    }
  | { readonly kind: "evidence_asked"; readonly told: Told }
  | {
      readonly kind: "evidence_answered";
      readonly told: Told;
      readonly said: Taken | { readonly failed: string };
      /** It was asked about again, or the id counts as relayed, and would after a loss of power. */
      readonly isDurable: boolean;
    }
  | { readonly kind: "order_asked"; readonly order: Ordering }
  | {
      readonly kind: "order_answered";
      readonly order: Ordering;
      readonly said:
        | { readonly next: Next; readonly already: boolean }
        | { readonly refused: OrderRefusal }
        | { readonly failed: string };
      /** What was answered would be so after a loss of power. */
      readonly isDurable: boolean;
    }
  /** The operator has released what they held. */
  | { readonly kind: "all_released" }
  | { readonly kind: "asked"; readonly decided: Decided }
  /** `next`: what becomes of the id; undefined for a decision that was refused, or is not known to be taken. */
  | {
      readonly kind: "decided";
      readonly decided: Decided;
      readonly next: "relayed" | "queued" | "forgotten" | undefined;
      /** Why it was refused, or failed. */
      readonly fault: string;
      /** It was taken or refused, and did not fail on the way. */
      readonly isKnown: boolean;
      /** Of an id that counts as relayed now: it would after a loss of power. */
      readonly isDurable: boolean;
    }
  /** The operator has decided about everything, and this is still doubtful. */
  | { readonly kind: "undecided"; readonly gateway: number; readonly id: string; readonly standing: string }
  /** A transmission in the spool has no content. */
  | { readonly kind: "without_content"; readonly gateway: number; readonly keys: readonly string[] }
  | { readonly kind: "started" | "stopping" | "stopped"; readonly gateway: number; readonly life: number }
  | {
      readonly kind: "start_failed";
      readonly gateway: number;
      readonly life: number;
      readonly error: string;
    }
  | {
      readonly kind: "crashed";
      readonly gateway: number;
      readonly life: number;
      readonly step: string;
      readonly ofPower: boolean;
    }
  | { readonly kind: "paused"; readonly gateway: number; readonly forMs: number }
  | { readonly kind: "resumed"; readonly gateway: number }
  /**
   * A gateway that has crashed never comes back. `spooled`: what was durable there; until `aliveUntil` at
   * most the others count on it.
   */
  | { readonly kind: "gone"; readonly gateway: number; readonly spooled: string; readonly aliveUntil: number }
  /** A gateway has heard that its attempt is noted in the shared ledger. */
  | { readonly kind: "noted"; readonly gateway: number; readonly id: string }
  /** A gateway has heard of the shared ledger that the id is held by a process of `holder` that counts as dead. */
  | {
      readonly kind: "found_dead";
      readonly gateway: number;
      readonly id: string;
      readonly holder: number;
    }
  | { readonly kind: "submitted"; readonly submission: Submission }
  /** `undurable`: recipients of a 250 that are neither in the spool nor a repeat, of those that can be known. */
  | {
      readonly kind: "heard";
      readonly submission: Submission;
      readonly reply: Heard;
      readonly undurable: readonly string[];
      /**
       * When what it goes by was so: as a rule now, and when it was submitted where its gateway was paused in
       * between.
       */
      readonly knownAt: number;
    }
  | { readonly kind: "attempted"; readonly attempt: Attempt }
  | { readonly kind: "taken"; readonly attempt: Attempt }
  | { readonly kind: "answered"; readonly attempt: Attempt; readonly outcome: Outcome }
  | {
      readonly kind: "logged";
      readonly gateway: number;
      readonly event: string;
      readonly messageId: string | undefined;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  /** A rejection that nobody handles, which ends a Node process. */
  | { readonly kind: "unhandled"; readonly gateway: number; readonly error: string }
  | { readonly kind: "lease_set"; readonly leaseMs: number; readonly isTaken: boolean }
  | { readonly kind: "clock_set"; readonly gateway: number; readonly by: number }
  | { readonly kind: "upstream_down"; readonly forMs: number }
  /** `gateway`: 0 when the engine is away for all of them. */
  | { readonly kind: "disk_full" | "engine_away"; readonly gateway: number; readonly forMs: number }
  /** Faults have ended; so have the refusals of odd mails, where there are any; all is idle. */
  | { readonly kind: "healed" | "odd_over" | "idle" }
  | { readonly kind: "blocked"; readonly by: string };

export interface Heard {
  /** 0 when there was no reply: the connection was lost, or the client left. */
  readonly code: number;
  readonly text: string;
}

export type Event = What & {
  /** Its place in the history. */
  readonly seq: number;
  /** Milliseconds from the beginning. */
  readonly at: number;
};

export interface History {
  readonly events: readonly Event[];
  add(what: What): void;
}

export function createHistory(elapsed: () => number): History {
  const events: Event[] = [];
  return {
    events,
    add(what) {
      events.push(Object.assign(what, { seq: events.length, at: elapsed() }));
    },
  };
}

/** One event a line. */
export const textOf = (events: readonly Event[]): string => events.map(lineOf).join("\n");

const lineOf = (event: Event): string =>
  `${String(event.seq).padStart(5)}  +${(event.at / 1000).toFixed(3).padStart(9)} s  ${said(event)}`;

function said(event: Event): string {
  switch (event.kind) {
    case "starting": {
      const { smtp, ledger, identity } = event.config;
      return `${lifeOf(event)} starts: reply ${smtp.reply}, doubtful ${ledger.doubtful}, unkeyed ${identity.unkeyed}, conflict ${identity.conflict}`;
    }
    case "offline":
      return `the OPERATOR opens the data folder of ${lifeOf(event)}`;
    case "offline_open":
      return `the data folder of ${lifeOf(event)} is open`;
    case "offline_closed":
      return `the data folder of ${lifeOf(event)} is closed`;
    case "asked": {
      const { number, decision } = event.decided;
      return `d${number} the OPERATOR says to ${lifeOf(event.decided)}: ${event.decided.id.slice(0, 8)}… is ${decision}`;
    }
    case "decided": {
      const { number } = event.decided;
      return `d${number} answer: ${event.next ?? event.fault}${event.next === "relayed" && !event.isDurable ? "   NOT DURABLE" : ""}`;
    }
    case "forget_asked":
      return `f${event.wish.number} the OPERATOR asks ${lifeOf(event.wish)} to forget ${event.wish.id.slice(0, 8)}…`;
    case "forget_answered":
      return `f${event.wish.number} answer: ${typeof event.said === "string" ? event.said : event.said.failed}`;
    case "pause_asked": {
      const { number, what, forMs } = event.order;
      const span = forMs === undefined ? "" : ` for ${forMs / 1000} s`;
      return `p${number} the OPERATOR asks ${lifeOf(event.order)} to ${what}${span}`;
    }
    case "pause_answered":
      return `p${event.order.number} answer: ${typeof event.said === "string" ? event.said : event.said.failed}`;
    case "evidence_asked":
      return `e${event.told.number} the UPSTREAM says to ${lifeOf(event.told)}: ${event.told.id.slice(0, 8)}… was taken`;
    case "evidence_answered":
      return `e${event.told.number} answer: ${typeof event.said === "string" ? event.said : event.said.failed}${event.isDurable ? "" : "   NOT DURABLE"}`;
    case "order_asked": {
      const { number, kind, resend, id } = event.order;
      return `o${number} the OPERATOR orders ${lifeOf(event.order)} to ${kind}${resend ? " --resend" : ""} ${id.slice(0, 8)}…`;
    }
    case "order_answered":
      return `o${event.order.number} answer: ${Object.values(event.said).join(" ")}${event.isDurable ? "" : "   NOT DURABLE"}`;
    case "all_released":
      return "the OPERATOR has released all";
    case "undecided":
      return `UNDECIDED at gateway ${event.gateway}: ${event.id.slice(0, 8)}… ${event.standing}`;
    case "without_content":
      return `the spool of gateway ${event.gateway} has transmissions WITHOUT CONTENT: ${event.keys.join(", ")}`;
    case "started":
      return `${lifeOf(event)} is up`;
    case "start_failed":
      return `${lifeOf(event)} could not start: ${event.error}`;
    case "crashed":
      return `${lifeOf(event)} ${event.ofPower ? "loses power" : "is killed"} at: ${event.step}`;
    case "stopping":
    case "stopped":
      return `${lifeOf(event)} ${event.kind}`;
    case "paused":
      return `gateway ${event.gateway} is PAUSED for ${event.forMs / 1000} s`;
    case "resumed":
      return `gateway ${event.gateway} goes on`;
    case "gone":
      return `gateway ${event.gateway} is GONE for good`;
    case "noted":
      return `gateway ${event.gateway} knows that its attempt of ${event.id.slice(0, 8)}… is noted`;
    case "found_dead":
      return `gateway ${event.gateway} finds ${event.id.slice(0, 8)}… with gateway ${event.holder}, which counts as dead`;
    case "submitted": {
      const { number, gateway, task, mail } = event.submission;
      const part = mail.part === undefined ? "" : ` part ${mail.part}`;
      return `s${number} submits to gateway ${gateway}: ${task.name}${task.id === undefined ? " (unkeyed)" : ""}${part} "${mail.subject}" to ${mail.recipients.join(", ")}`;
    }
    case "heard": {
      const { code, text } = event.reply;
      const undurable = event.undurable.length === 0 ? "" : `   NOT DURABLE: ${event.undurable.join(", ")}`;
      return `s${event.submission.number} hears ${code === 0 ? "nothing" : code} ${text}${undurable}`;
    }
    case "attempted":
      return attemptSaid(event.attempt);
    case "taken": {
      const { marker, reports } = event.attempt.content;
      return `a${event.attempt.number} the upstream TAKES ${short(event.attempt.messageId)} of ${marker}${reports === undefined ? "" : `, a report on ${reports.join(" and ")}`}`;
    }
    case "answered": {
      const { outcome } = event;
      return `a${event.attempt.number} answer: ${outcome.kind}`;
    }
    case "logged": {
      const { messageId, ...fields } = event.fields;
      return `     log of ${event.gateway}: ${event.event} ${event.messageId === undefined ? "" : short(event.messageId)} ${JSON.stringify(fields)}`;
    }
    case "unhandled":
      return `gateway ${event.gateway} ends by a rejection that is not handled: ${event.error}`;
    case "lease_set":
      return `the lease is set to ${event.leaseMs / 1000} s${event.isTaken ? "" : ", which the ledger refuses now"}`;
    case "clock_set":
      return `the clock of gateway ${event.gateway} is set by ${event.by / 1000} s`;
    case "disk_full":
    case "engine_away":
      return `${event.kind} for ${event.forMs / 1000} s, ${event.gateway === 0 ? "for all" : `gateway ${event.gateway}`}`;
    case "upstream_down":
      return `${event.kind} for ${event.forMs / 1000} s`;
    case "healed":
      return "faults end";
    case "odd_over":
      return "odd mails are taken too";
    case "idle":
      return "all is idle";
    case "blocked":
      return `BLOCKED: ${event.by}`;
  }
}

const lifeOf = ({ gateway, life }: { readonly gateway: number; readonly life: number }): string =>
  `gateway ${gateway} (life ${life})`;

function attemptSaid({ number, gateway, messageId, recipient, isMarked, isHeld }: Attempt): string {
  const mark = isMarked ? (isHeld ? "" : "   THE CLAIM IS ANOTHER'S") : "   WITHOUT A MARK";
  return `a${number} gateway ${gateway} attempts ${short(messageId)} to ${recipient}${mark}`;
}

const short = (messageId: string): string => messageId.replace(/^<(.{8})[^@]*@(.*)>$/, "<$1…@$2>");
