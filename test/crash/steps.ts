// The steps at which the gateway is killed, as data: how the process recognises one in itself, or how
// whoever drives it knows from outside that it is there.
import type { Operation } from "../../src/storage/storage.ts";
import type { EngineMoment } from "../support/crashing-engine.ts";
import type { StorageMoment } from "../support/crashing-storage.ts";
import type { UpstreamMoment } from "../support/crashing-upstream.ts";
import type { SmtpFault } from "../support/smtp-faults.ts";

export type Moment = StorageMoment | UpstreamMoment | EngineMoment;

export interface Step {
  readonly name: string;
  /** What has happened, and what has not, when the process dies. */
  readonly means: string;
  /**
   * - start: the process is told before it opens anything.
   * - load: while mail comes in.
   * - stop: while mail comes in and the process has been told to stop.
   */
  readonly during: "start" | "load" | "stop";
  /** Recognised inside the process. */
  readonly at?: (moment: Moment) => boolean;
  /** Recognised outside: a client has read 250, the upstream has reached its fault, or there is no kill. */
  readonly from?: "client" | "upstream" | "nobody";
  /** It dies at the nth occurrence; n is drawn from 1 to this. */
  readonly occurrences: number;
  /** Of a hundred transactions with the upstream, so many go wrong in this way. */
  readonly faults?: Readonly<Partial<Record<SmtpFault, number>>>;
  /** What has to be so before the process is started. */
  readonly needs?: "clean stop" | "expired generation";
  /** An operator decides meanwhile about what is doubtful. */
  readonly decides?: true;
  /** An operator has relayed mails forgotten meanwhile, and their tasks send again. */
  readonly forgets?: true;
  /** An operator pauses and resumes the upstream meanwhile. */
  readonly pauses?: true;
  /** An operator acts on the queue meanwhile. */
  readonly orders?: true;
  /** The upstream says meanwhile which mails it took. */
  readonly proves?: true;
  /** The gateway is drained in the middle of the load, and the step counts from then on. */
  readonly drains?: true;
  /** The clock is moved on by the span of a generation, so that the next settlement begins another. */
  readonly rolls?: true;
}

const MARK = 0x61;
const FORGOTTEN = 0x6f;
const GENERATION = 0x67;
const SUBMISSION = 0x73;
const TRANSMISSION = 0x74;
const PAUSES = 0x70;
const DOUBTFUL = 2;

const QUEUE = /^spool\/queue$/;
const BODIES = /^spool\/bodies\//;
const STATE = /^ledger\/state$/;
const GENERATIONS = /^ledger\/generation-\d+$/;
const FILTERS = /\.filter$/;

const puts = (prefix: number) => (operation: Operation) =>
  operation.type === "put" && operation.key[0] === prefix;
const deletes = (prefix: number) => (operation: Operation) =>
  operation.type === "del" && operation.key[0] === prefix;
const putsMark = (isDoubtful: boolean) => (operation: Operation) =>
  operation.type === "put" && operation.key[0] === MARK && (operation.value[1] === DOUBTFUL) === isDoubtful;

/** A transmission that got what was forgotten. */
const putsSince = (operation: Operation): boolean =>
  operation.type === "put" &&
  operation.key[0] === TRANSMISSION &&
  Buffer.from(operation.value).includes('"since":');

const putsWith = (text: string, isThere: boolean) => (operation: Operation) =>
  operation.type === "put" &&
  operation.key[0] === TRANSMISSION &&
  Buffer.from(operation.value).includes(text) === isThere;

const HELD = '"hold":"operator"';
const BOUNCED = "refused by an operator";

/** A transmission that waits for its report. */
const putsEnd = (operation: Operation): boolean =>
  operation.type === "put" &&
  operation.key[0] === TRANSMISSION &&
  Buffer.from(operation.value).includes('"ended":{');

type Calls = readonly StorageMoment["call"][];

function storage(
  when: StorageMoment["when"],
  calls: Calls,
  name: RegExp,
  ...each: ((operation: Operation) => boolean)[]
) {
  return (moment: Moment): boolean =>
    moment.call !== "transmit" &&
    moment.call !== "engine" &&
    moment.when === when &&
    calls.includes(moment.call) &&
    name.test(moment.name) &&
    each.every((wanted) => moment.operations.some(wanted));
}

/** Both sides of one call: about to be made, and made without anybody knowing. */
export function around(
  name: string,
  [before, after]: readonly [string, string],
  at: (when: "before" | "after") => (moment: Moment) => boolean,
  rest: Omit<Step, "name" | "means" | "at">,
): Step[] {
  return [
    { name: `before ${name}`, means: before, at: at("before"), ...rest },
    { name: `after ${name}`, means: after, at: at("after"), ...rest },
  ];
}

export const load = { during: "load", occurrences: 12 } as const;

/** Most mails wait for their next attempt, so that there is a queue to act on. */
const ordered = { ...load, occurrences: 3, faults: { "refuse-rcpt-4": 97 }, orders: true } as const;

export const steps: readonly Step[] = [
  {
    name: "receiving",
    means: "part of a large body is in its file",
    at: storage("after", ["append"], BODIES),
    ...load,
    occurrences: 6,
  },
  {
    name: "received",
    means: "a large mail is there whole, its body durable, and nothing refers to it",
    at: storage("after", ["closeFile"], BODIES),
    ...load,
    occurrences: 3,
  },
  ...around(
    "the accept commit",
    ["received and claimed, nothing is durable", "durable in the spool, no 250 was said"],
    (when) => storage(when, ["commit"], QUEUE, puts(SUBMISSION)),
    load,
  ),
  { name: "after 250", means: "a client has just read 250", from: "client", ...load },
  ...around(
    "the attempt commit",
    ["the upstream is about to be called", "the attempt is noted, the upstream was not called"],
    (when) => storage(when, ["commit"], STATE, putsMark(false)),
    load,
  ),
  {
    name: "upstream has half",
    means: "the upstream has part of the content",
    from: "upstream",
    ...load,
    faults: { "hang-in-content": 100 },
  },
  {
    name: "upstream has it",
    means: "the upstream has the mail and did not answer yet",
    from: "upstream",
    ...load,
    faults: { "hang-before-reply": 100 },
  },
  {
    name: "after the answer",
    means: "the upstream has answered, the settlement is not begun",
    at: (moment) => moment.call === "transmit" && moment.when === "after",
    ...load,
  },
  ...around(
    "the settle commit",
    ["the id is about to become relayed", "the id is relayed, the mark and the spool still hold it"],
    (when) => storage(when, ["commit"], GENERATIONS),
    load,
  ),
  ...around(
    "the removal",
    ["relayed and about to leave the spool", "gone from the spool, which a crash may undo"],
    (when) => storage(when, ["write"], QUEUE, deletes(TRANSMISSION)),
    load,
  ),
  ...around(
    "the doubtful commit",
    ["an attempt ended without an answer", "doubtful, and policy has not decided"],
    (when) => storage(when, ["commit"], STATE, putsMark(true)),
    { ...load, occurrences: 5, faults: { "drop-before-reply": 20, "drop-untaken": 20 } },
  ),
  ...around(
    "the refusal commit",
    ["refused for now, the mark still there", "the mark is gone, the next attempt is not yet due"],
    (when) => storage(when, ["commit"], STATE, deletes(MARK)),
    { ...load, occurrences: 5, faults: { "refuse-rcpt-4": 20, "refuse-content-4": 20 } },
  ),
  ...around(
    "the commit of an end",
    ["refused for good, and nothing says so yet", "noted as ended, its claim still held, no report made"],
    (when) => storage(when, ["commit"], QUEUE, putsEnd),
    { ...load, occurrences: 4, faults: { "refuse-rcpt-5": 20, "refuse-content-5": 20 } },
  ),
  ...around(
    "the notice commit",
    ["noted as ended, its report not yet in the spool", "the report is in the spool in its place"],
    (when) => storage(when, ["commit"], QUEUE, deletes(TRANSMISSION), puts(SUBMISSION)),
    { ...load, occurrences: 4, faults: { "refuse-rcpt-5": 20, "refuse-content-5": 20 } },
  ),
  // Nothing but a decision makes these commits under these faults.
  ...around(
    "the decision as relayed",
    ["an operator is about to have it count as relayed", "it is relayed, the spool still holds it"],
    (when) => storage(when, ["commit"], GENERATIONS),
    { ...load, faults: { "drop-before-reply": 100 }, decides: true },
  ),
  ...around(
    "the removal after a decision",
    ["relayed by decision, about to leave the spool", "gone from the spool, which a crash may undo"],
    (when) => storage(when, ["write"], QUEUE, deletes(TRANSMISSION)),
    { ...load, faults: { "drop-before-reply": 100 }, decides: true },
  ),
  ...around(
    "the decision as not relayed",
    ["an operator is about to end its doubt", "its doubt has ended, the spool still holds it back"],
    (when) => storage(when, ["commit"], STATE, deletes(MARK)),
    { ...load, occurrences: 5, faults: { "drop-untaken": 50 }, decides: true },
  ),
  ...around(
    "the freeing after a decision",
    ["its doubt has ended, it is about to be due", "it is due, durably, and not attempted again"],
    (when) => (moment) =>
      storage(when, ["commit"], QUEUE, puts(TRANSMISSION))(moment) &&
      !storage(when, ["commit"], QUEUE, puts(SUBMISSION))(moment),
    { ...load, occurrences: 5, faults: { "drop-untaken": 50 }, decides: true },
  ),
  // So too of evidence.
  ...around(
    "the settlement by evidence",
    [
      "evidence was received, nothing is settled",
      "it is relayed, the spool still holds it, nobody was answered",
    ],
    (when) => storage(when, ["commit"], GENERATIONS),
    { ...load, faults: { "drop-before-reply": 100 }, proves: true },
  ),
  ...around(
    "the removal after evidence",
    ["relayed by evidence, about to leave the spool", "gone from the spool, which a crash may undo"],
    (when) => storage(when, ["write"], QUEUE, deletes(TRANSMISSION)),
    { ...load, faults: { "drop-before-reply": 100 }, proves: true },
  ),
  ...around(
    "the forgetting",
    ["an operator is about to have a relayed id forgotten", "it is forgotten, and nobody knows"],
    (when) => storage(when, ["commit"], STATE, puts(FORGOTTEN)),
    { ...load, forgets: true },
  ),
  ...around(
    "the accept of what was forgotten",
    ["its task sends again, and nothing of that is durable", "the new mail is in the spool, no 250 was said"],
    (when) => storage(when, ["commit"], QUEUE, putsSince, puts(SUBMISSION)),
    { ...load, forgets: true },
  ),
  ...around(
    "the commit of a pause",
    ["an operator pauses or resumes, nothing is noted", "it is durable, nobody was answered"],
    (when) => storage(when, ["commit"], QUEUE, puts(PAUSES)),
    { ...load, pauses: true },
  ),
  {
    name: "while it drains",
    means: "any call of the disk or the upstream after it was told to drain",
    at: () => true,
    ...load,
    occurrences: 60,
    faults: { "drop-before-reply": 5, "refuse-rcpt-4": 20, "slow-reply": 30 },
    drains: true,
  },
  ...around(
    "the commit of a hold",
    ["an operator holds a mail, nothing is noted", "it is held, durably, and nobody was answered"],
    (when) => storage(when, ["commit"], QUEUE, putsWith(HELD, true)),
    ordered,
  ),
  ...around(
    "the commit of a release or a retry",
    ["an operator wants a mail attempted, nothing is noted", "it is due, durably, and not attempted yet"],
    (when) => (moment) =>
      storage(when, ["commit"], QUEUE, putsWith(HELD, false))(moment) &&
      !storage(when, ["commit"], QUEUE, puts(SUBMISSION))(moment) &&
      !storage(when, ["commit"], QUEUE, putsEnd)(moment),
    ordered,
  ),
  ...around(
    "the commit of a bounce",
    ["an operator refuses a mail for good, nothing is noted", "it is noted as ended, and no report made"],
    (when) => storage(when, ["commit"], QUEUE, putsWith(BOUNCED, true)),
    ordered,
  ),
  ...around(
    "the commit of a removal",
    ["an operator takes a mail out, its claim is gone", "it is gone, durably, and nobody was answered"],
    (when) => (moment) =>
      storage(when, ["commit"], QUEUE, deletes(TRANSMISSION))(moment) &&
      !storage(when, ["commit"], QUEUE, puts(SUBMISSION))(moment),
    ordered,
  ),
  ...around(
    "the generation's record",
    ["a new generation is about to be noted", "noted, but there is no store of it"],
    (when) => storage(when, ["commit"], STATE, puts(GENERATION)),
    { ...load, occurrences: 2, rolls: true },
  ),
  ...around(
    "the generation's store",
    ["the new generation's store is about to be made", "it is made and empty"],
    (when) => storage(when, ["openStore"], GENERATIONS),
    { ...load, occurrences: 1, rolls: true },
  ),
  ...around(
    "the removal of a generation",
    ["expired, about to be removed", "its store is gone, its record is there"],
    (when) => storage(when, ["removeStore"], GENERATIONS),
    { during: "start", occurrences: 1, needs: "expired generation" },
  ),
  ...around(
    "the filter save",
    ["a filter is about to be saved", "its temporary file is there and empty"],
    (when) => storage(when, ["createFile"], FILTERS),
    { during: "stop", occurrences: 1 },
  ),
  ...around(
    "the filter's last octets",
    ["written, not yet under its name", "durable under its name"],
    (when) => storage(when, ["closeFile"], FILTERS),
    { during: "stop", occurrences: 1 },
  ),
  ...around(
    "the filter's removal",
    ["the first id since the start is added, the filter's file does not count any more", "the file is gone"],
    (when) => storage(when, ["removeFile"], FILTERS),
    { during: "start", occurrences: 1, needs: "clean stop" },
  ),
  {
    name: "at the start",
    means: "some write of the opening or of the recovery",
    at: (moment) => moment.call !== "transmit",
    during: "start",
    occurrences: 30,
  },
  {
    name: "anywhere",
    means: "any call of the disk or the upstream under load",
    at: () => true,
    ...load,
    occurrences: 600,
    faults: { "drop-before-reply": 5, "drop-untaken": 5, "refuse-rcpt-4": 5, "refuse-rcpt-5": 5 },
    decides: true,
    forgets: true,
  },
  {
    name: "while it stops",
    means: "any call of the disk or the upstream after SIGTERM",
    at: () => true,
    during: "stop",
    occurrences: 60,
    faults: { "drop-before-reply": 5, "slow-reply": 50 },
  },
  {
    name: "SIGTERM",
    means: "no kill: told to stop under load",
    from: "nobody",
    during: "stop",
    occurrences: 1,
    faults: { "slow-reply": 30 },
  },
];
