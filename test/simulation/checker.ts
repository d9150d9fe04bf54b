// The promises of docs/design.md held against one history. Pure: it knows what clients heard, what the
// upstream took and what was logged, and nothing of how the gateway works.
import { messageIdOf } from "../../src/identity/message-id.ts";
import type { Attempt, Event, Heard, Submission } from "./history.ts";
import { FROM_DOMAIN, HOSTNAME, type Mail, type Plan } from "./plan.ts";

/** "life" is none of the design's: the process lives on, and whatever a client begins comes to an end. */
export type Promised = "P1" | "P2" | "P3" | "P4" | "P5" | "P6" | "P8" | "P9" | "P10" | "life";

export interface Violation {
  readonly promise: Promised;
  readonly text: string;
  /** The event that shows it. */
  readonly seq: number;
}

export interface Checked {
  readonly violations: Violation[];
  /**
   * Attempts that were made after the end of their claim because their gateway was paused between the noted
   * attempt and the call of the upstream, which docs/protocol.md says remains possible.
   */
  readonly exposed: number;
}

interface Made {
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
  answer: "accepted" | "refused" | "doubtful" | "cut" | undefined;
}

/** What the events say, sorted by what it is about. */
interface Facts {
  readonly attempts: Map<number, Made>;
  readonly heard: {
    readonly submission: Submission;
    readonly reply: Heard;
    readonly seq: number;
    readonly knownAt: number;
  }[];
  /** By transmission, see nameOf: where it was logged as doubtful. */
  readonly doubtful: Map<string, number[]>;
  /** By Message-ID. */
  readonly doubtfulIds: Set<string>;
  /** By Message-ID: where it was given up. */
  readonly givenUp: Map<string, number[]>;
  /** Ids and recipients of what was durable at gateways that are gone, and until when others counted on it. */
  readonly gone: { readonly gateway: number; readonly spooled: string; readonly aliveUntil: number }[];
  /** Ids that a gateway has taken over from another. */
  readonly takenOver: Set<string>;
  readonly violations: Violation[];
}

export function check(events: readonly Event[], plan: Plan): Checked {
  const facts = gather(events);
  checkCopies(facts, plan);
  checkAnswers(facts, plan);
  // Nothing may need a restart to go on, and a restart may lose nothing.
  for (const event of events) if (event.kind === "idle") checkLosses(facts, plan, event.seq);
  const exposed = [...facts.attempts.values()].filter(
    ({ isExposed, attempt }) => isExposed && !attempt.isHeld,
  );
  return { violations: facts.violations.sort((a, b) => a.seq - b.seq), exposed: exposed.length };
}

/**
 * The id in a Message-ID that is derived from it, else all of it. That of a fingerprint tells its submission too,
 * and another gateway that takes over has another.
 */
const nameOf = (messageId: string): string => /^<([a-z2-7]{32})[.@]/.exec(messageId)?.[1] ?? messageId;

const push = <T>(map: Map<string, T[]>, key: string, value: T): void => {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
};

function gather(events: readonly Event[]): Facts {
  const facts: Facts = {
    attempts: new Map(),
    heard: [],
    doubtful: new Map(),
    doubtfulIds: new Set(),
    givenUp: new Map(),
    gone: [],
    takenOver: new Set(),
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
  const fails = (promise: Promised, text: string, seq: number) => violations.push({ promise, text, seq });

  for (const event of events) {
    const { seq } = event;
    switch (event.kind) {
      case "attempted": {
        const { attempt } = event;
        const notedSeq = noted.get(`${attempt.gateway} ${attempt.id}`);
        const isExposed = (paused.get(attempt.gateway) ?? -1) > (notedSeq ?? seq);
        const made: Made = {
          ...{ attempt, seq, at: event.at, notedSeq, isExposed },
          ...{ takenSeq: undefined, answer: undefined },
        };
        attempts.set(attempt.number, made);
        const others = underWay.get(attempt.id) ?? new Set();
        for (const other of others) {
          if (isTakenOver(facts, other, seq) || (isExposed && isTakenOver(facts, made, seq))) continue;
          fails("P1", `two attempts of ${attempt.messageId} at once`, seq);
        }
        underWay.set(attempt.id, others.add(made));
        if (isExposed) break;
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
        if (made !== undefined) made.answer = event.outcome.kind;
        if (made !== undefined) underWay.get(event.attempt.id)?.delete(made);
        break;
      }
      case "noted":
        noted.set(`${event.gateway} ${event.id}`, seq);
        break;
      case "paused":
        paused.set(event.gateway, seq);
        break;
      case "gone":
        facts.gone.push(event);
        break;
      case "crashed":
      case "stopped":
        // A start claims everything in the spool again.
        for (const key of stale.keys()) if (key.startsWith(`${event.gateway} `)) stale.delete(key);
        for (const all of underWay.values()) {
          for (const made of all) {
            if (made.attempt.gateway !== event.gateway) continue;
            made.answer = "cut";
            all.delete(made);
          }
        }
        break;
      case "logged":
        if (event.event === "ledger.taken_over") facts.takenOver.add(String(event.fields.id));
        if (event.event === "ledger.settled_stale") stale.set(`${event.gateway} ${event.fields.id}`, seq);
        if (event.messageId === undefined) break;
        // Then it has been claimed again, or given up.
        if (event.event === "transmission.stale") stale.delete(`${event.gateway} ${nameOf(event.messageId)}`);
        if (event.event === "transmission.reported") {
          const key = `${event.gateway} ${nameOf(event.messageId)}`;
          if ((stale.get(key) ?? -1) > (noted.get(key) ?? -1))
            fails("P8", `${event.messageId} is reported under a claim that is another's`, seq);
        }
        if (event.event === "transmission.doubtful") {
          push(facts.doubtful, nameOf(event.messageId), seq);
          facts.doubtfulIds.add(event.messageId);
        }
        if (
          event.event === "transmission.expired" ||
          (event.event === "transmission.refused" && event.fields.permanence === "permanent")
        ) {
          push(facts.givenUp, event.messageId, seq);
        }
        break;
      case "heard": {
        const { submission, reply } = event;
        facts.heard.push({ submission, reply, seq, knownAt: event.knownAt });
        if (reply.code === -1) fails("P9", `s${submission.number} was not answered: ${reply.text}`, seq);
        for (const id of event.undurable) {
          // Given up in the very moment: the reverse-path is told.
          if (facts.givenUp.has(messageIdOf(id, FROM_DOMAIN))) continue;
          fails("P4", `s${submission.number} heard 250 and ${id} is nowhere`, seq);
        }
        break;
      }
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

/**
 * Another gateway has said that the attempt is doubtful, before `seq` and after it was noted: it has taken over.
 * Never so with a ledger that is not shared.
 */
function isTakenOver({ doubtful }: Facts, { attempt, notedSeq }: Made, seq: number): boolean {
  const lines = notedSeq === undefined ? undefined : doubtful.get(nameOf(attempt.messageId));
  return lines?.some((line) => line > (notedSeq ?? seq) && line < seq) === true;
}

/** P3, P6, P10: what went more than once. */
function checkCopies(facts: Facts, plan: Plan): void {
  const { attempts, doubtful, violations } = facts;
  const byId = new Map<string, Made[]>();
  const bySubmission = new Map<string, Made>();
  for (const made of attempts.values()) {
    if (made.takenSeq === undefined) continue;
    const { id, messageId, content } = made.attempt;
    push(byId, id, made);
    const key = `${messageId} ${content.marker}`;
    const before = bySubmission.get(key);
    if (before === undefined) bySubmission.set(key, made);
    else if (before.attempt.content.text !== content.text) {
      violations.push({ promise: "P10", text: `other octets of ${messageId}`, seq: made.takenSeq });
    }
  }
  const { identity, ledger } = plan.config;
  for (const copies of byId.values()) {
    copies.sort((a, b) => a.seq - b.seq);
    for (const [at, copy] of copies.entries()) {
      const before = copies[at - 1];
      if (before === undefined) continue;
      const { messageId } = copy.attempt;
      // A fingerprint is a repeat within its window only.
      if (identity.unkeyed === "fingerprint" && copy.attempt.messageId !== before.attempt.messageId) {
        if (copy.at - before.at > identity.fingerprint_window) continue;
      }
      const isDoubtful = before.answer !== "accepted";
      const promise = isDoubtful ? "P6" : "P3";
      const seq = copy.seq;
      // That one was noted, and doubtful to another gateway, before it was made; or this one was.
      const isAfterPause =
        (before.isExposed && isTakenOver(facts, before, seq)) ||
        (copy.isExposed && isTakenOver(facts, copy, before.seq));
      // Then this gateway has relayed it without having seen the other's mail, whatever its policy.
      if (isAfterPause && ledger.doubtful !== "resend") continue;
      // Nothing was recorded of that copy: a fingerprint's next submission is not its repeat.
      const isAnew = isAfterPause && messageId !== before.attempt.messageId;
      const lines = doubtful.get(nameOf(before.attempt.messageId)) ?? [];
      const isLogged = isAfterPause || lines.some((line) => line > before.seq && line < seq);
      if (ledger.doubtful !== "resend") {
        violations.push({ promise, text: `${messageId} went twice under ${ledger.doubtful}`, seq });
      } else if (!isLogged) {
        violations.push({ promise, text: `${messageId} went twice, and not as doubtful`, seq });
      } else if (!isAnew && dateOf(copy) !== dateOf(before)) {
        violations.push({ promise: "P6", text: `${messageId} went again with another Date`, seq });
      }
    }
  }
  // Last, so that what is wrong with one attempt is said once.
  for (const made of attempts.values()) {
    const hasNone = made.answer === "doubtful" || made.answer === "cut";
    if (!hasNone) continue;
    const { messageId } = made.attempt;
    // With a shared ledger by whoever takes over, who may do so while its gateway is paused before the call.
    const since = made.isExposed ? (made.notedSeq ?? made.seq) : made.seq;
    if (doubtful.get(nameOf(messageId))?.some((line) => line > since)) continue;
    // It has told nobody, and whoever submits again hears of the doubt first.
    if (facts.gone.some(({ gateway }) => gateway === made.attempt.gateway)) continue;
    violations.push({ promise: "P6", text: `no line says that ${messageId} is doubtful`, seq: made.seq });
  }
}

const dateOf = (made: Made): string | undefined => /^Date: (.*)\r$/m.exec(made.attempt.content.text)?.[1];

/** P9: what was refused is not sent. */
function checkAnswers({ attempts, heard, violations }: Facts, plan: Plan): void {
  const refused = new Set<string>();
  for (const { submission, reply } of heard) {
    if (reply.code < 500) continue;
    // The upstream may take a mail for one recipient and refuse it for another, which makes the reply.
    if (plan.config.smtp.reply === "relayed" && submission.mail.recipients.length > 1) continue;
    refused.add(submission.marker);
  }
  for (const { takenSeq, attempt } of attempts.values()) {
    const { marker, reports } = attempt.content;
    if (takenSeq === undefined || reports !== undefined || !refused.has(marker ?? "")) continue;
    violations.push({ promise: "P9", text: `${marker} was refused and sent`, seq: takenSeq });
  }
}

/** P5: what was accepted and is neither relayed nor reported nor, under a policy that says so, put aside. */
function checkLosses(
  { attempts, heard, doubtful, doubtfulIds, givenUp, gone, takenOver, violations }: Facts,
  plan: Plan,
  until: number,
): void {
  const putsAside = plan.config.ledger.doubtful !== "resend";
  const settled = new Set<string>();
  const settledOf = new Set<string>();
  /** By marker and recipient, and by recipient alone. */
  const reported = new Set<string>();
  /** By Message-ID, which is another for each submission of a fingerprint. */
  const attempted = new Set<string>();
  for (const { attempt, takenSeq, seq } of attempts.values()) {
    if (seq > until) continue;
    const { id, messageId, recipient } = attempt;
    attempted.add(messageId);
    const isAside = putsAside && doubtful.has(nameOf(messageId));
    const isTaken = takenSeq !== undefined && takenSeq < until;
    if (isTaken || isAside) settled.add(id);
    const { marker, reports } = attempt.content;
    if (reports === undefined) {
      if (isTaken || isAside) settledOf.add(`${marker} ${recipient}`);
    } else if (isTaken || isAside || givenUp.has(messageId)) {
      reported.add(`${marker} ${reports}`);
      reported.add(reports);
    }
  }
  // What ended before its first attempt and whose Message-ID says nothing of its submission.
  const known = new Set(heard.flatMap(({ submission }) => submission.ids));
  const ended = [...givenUp.keys()].filter((messageId) => messageId.endsWith(`@${HOSTNAME}>`));
  if (putsAside) ended.push(...doubtfulIds);
  const unknown = new Set(
    ended.filter((messageId) => !attempted.has(messageId) && !known.has(nameOf(messageId))),
  );

  const settledElsewhere = (mail: Mail, recipient: string): boolean =>
    plan.config.identity.unkeyed === "fingerprint" &&
    heard.some(
      ({ submission }) => submission.mail === mail && settledOf.has(`${submission.marker} ${recipient}`),
    );
  const losses = new Map<string, Violation>();
  for (const { submission, reply, seq, knownAt } of heard) {
    if (reply.code !== 250 || seq > until) continue;
    const { marker, mail, ids, task } = submission;
    const isNew = reply.text.includes("queued as") && !reply.text.includes("repeats");
    for (const [at, recipient] of mail.recipients.entries()) {
      const id = ids[at];
      if (id === undefined ? settledOf.has(`${marker} ${recipient}`) : settled.has(id)) continue;
      // The same content taken over by another gateway: a fingerprint, and its submission is another.
      if (id === undefined && plan.sharing !== undefined && settledElsewhere(mail, recipient)) continue;
      // Its process died between the mark and the call of the upstream.
      if (putsAside && id !== undefined && doubtful.has(id)) continue;
      const isOwn = isNew && !(id !== undefined && takenOver.has(id));
      if (reported.has(isOwn ? `${marker} ${recipient}` : recipient)) continue;
      const counted = gone.filter((one) => knownAt < one.aliveUntil);
      if (counted.some((one) => isLostWith(one, submission, id, recipient))) continue;
      if (mail.reversePath === "" && id !== undefined && givenUp.has(messageIdOf(id, FROM_DOMAIN))) continue;
      if (!isNew && id === undefined && [...settledOf].some((one) => one.endsWith(` ${recipient}`))) continue;
      if (losses.has(recipient)) continue;
      losses.set(recipient, {
        promise: "P5",
        text: `${marker} of ${task.name} to ${recipient} is lost`,
        seq,
      });
    }
  }
  if (losses.size > unknown.size) violations.push(...losses.values());
}

/** A gateway that is gone for good has taken the mail with it, or the report on it. */
function isLostWith(
  { spooled }: Facts["gone"][number],
  { ids, mail }: Submission,
  id: string | undefined,
  recipient: string,
): boolean {
  if (id !== undefined && spooled.includes(`"id":"${id}"`)) return true;
  if (ids.includes(undefined) && spooled.includes(`"recipient":"${recipient}"`)) return true;
  return mail.reversePath !== "" && spooled.includes(`Final-Recipient: rfc822; ${recipient}`);
}
