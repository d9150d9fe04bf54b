// P5: what was accepted and is neither relayed nor reported nor, under a policy or by a decision that says so,
// put aside.
import { messageIdOf } from "../../src/identity/message-id.ts";
import { type Facts, nameOf, push, type Violation } from "./facts.ts";
import { forgottenBefore } from "./forgets.ts";
import { ownMessageIdOf, type Submission } from "./history.ts";
import { isRemoved, mayBeHeld, mayComeAnew } from "./orders.ts";
import { configsOf, FROM_DOMAIN, HOSTNAME, hasFingerprints, type Mail, type Plan } from "./plan.ts";

interface Loss extends Violation {
  /** Of its submission. */
  readonly marker: string;
  /** A line says that it failed: a report may be about it. */
  readonly isGivenUp: boolean;
}

/** @param until where all is idle */
export function checkLosses(facts: Facts, plan: Plan, until: number, isDecided: boolean): void {
  facts.violations.push(...lossesOf(facts, plan, until, isDecided));
}

/**
 * What was accepted before and has not come to an end until then.
 *
 * @param isDecided an operator has decided about everything: nothing is held any more
 * @param isMeant others are not looked at
 */
export function lossesOf(
  facts: Facts,
  plan: Plan,
  until: number,
  isDecided: boolean,
  isMeant: (recipient: string, seq: number) => boolean = () => true,
): Loss[] {
  const { attempts, heard, doubtful, givenUp, gone, takenOver, decisions, decisionLines } = facts;

  /** By id, or its Message-ID: an operator says that it is relayed; or policy has put it aside, with a line. */
  const isAside = (id: string | undefined, name: string): boolean => {
    const taken =
      (id === undefined ? undefined : decisions.get(id))?.filter((one) => one.askedSeq < until) ?? [];
    if (taken.some(({ decided }) => decided.decision === "relayed")) return true;
    const line = doubtful
      .get(name)
      ?.filter(({ seq, policy, isOfFailedStart }) => seq < until && !(isOfFailedStart && policy === "resend"))
      .at(-1);
    if (line === undefined || line.policy === "resend") return false;
    if (isDecided && line.policy === "hold") return false;
    return !taken.some(({ next, endSeq }) => next === "queued" && endSeq > line.seq);
  };

  /** By id: where it was last seen to have come to its end. */
  const settled = new Map<string, number>();
  const settledOf = new Set<string>();
  /** By marker and recipient, and by recipient alone. */
  const reported = new Set<string>();
  /** By Message-ID, which is another for each submission of a fingerprint; and by id. */
  const attempted = new Set<string>();
  for (const { attempt, takenSeq, seq } of attempts.values()) {
    if (seq > until) continue;
    const { id, messageId, recipient } = attempt;
    attempted.add(messageId).add(id);
    const isSettled = (takenSeq !== undefined && takenSeq < until) || isAside(id, nameOf(messageId));
    // Put aside is for good, as far as can be known.
    const settledSeq = takenSeq !== undefined && takenSeq < until ? takenSeq : Number.POSITIVE_INFINITY;
    if (isSettled) settled.set(id, Math.max(settledSeq, settled.get(id) ?? -1));
    const { marker, reports } = attempt.content;
    if (reports === undefined) {
      if (isSettled) settledOf.add(`${marker} ${recipient}`);
    } else if (isSettled || givenUp.has(messageId)) {
      for (const one of reports) reported.add(`${marker} ${one}`).add(one);
    }
  }
  // What ended before its first attempt and whose Message-ID says nothing of its submission.
  const known = new Set(heard.flatMap(({ submission }) => submission.ids));
  const ended = [...givenUp.keys()].filter((messageId) => messageId.endsWith(`@${HOSTNAME}>`));
  for (const [name, lines] of doubtful) {
    if (isAside(undefined, name)) ended.push(...lines.map(({ messageId }) => messageId));
  }
  for (const id of decisions.keys()) if (isAside(id, id)) ended.push(id);
  const unknown = new Set(ended.filter((name) => !attempted.has(name) && !known.has(nameOf(name))));

  const mayFingerprint = configsOf(plan).some(hasFingerprints);
  const endedElsewhere = (mail: Mail, recipient: string): boolean =>
    mayFingerprint &&
    heard
      .filter(({ submission }) => submission.mail === mail)
      .map(({ submission }) => `${submission.marker} ${recipient}`)
      .some((one) => settledOf.has(one) || reported.has(one));
  /**
   * An unkeyed mail keeps its Message-ID, which all its recipients have: which of them it is about nobody can tell.
   * Of a fingerprint it may be another submission's.
   */
  const isOwnAside = (submission: Submission): boolean =>
    heard
      .filter(({ submission: one }) => one === submission || (mayFingerprint && one.mail === submission.mail))
      .map((one) => ownMessageIdOf(one.submission))
      .some(
        (own) =>
          doubtful.get(own)?.some(({ seq, policy }) => seq < until && policy !== "resend") === true ||
          decisionLines.some(
            ({ seq, messageId, decision }) => seq < until && messageId === own && decision === "relayed",
          ),
      );
  const losses = new Map<string, Loss>();
  for (const { submission, reply, seq, knownAt } of heard) {
    if (reply.code !== 250 || seq > until) continue;
    const { marker, mail, ids, task } = submission;
    const isNew = reply.text.includes("queued as") && !reply.text.includes("repeats");
    for (const [at, recipient] of mail.recipients.entries()) {
      if (!isMeant(recipient, seq)) continue;
      const id = ids[at];
      if (id === undefined && settledOf.has(`${marker} ${recipient}`)) continue;
      // What was relayed before it was forgotten is another mail.
      const anew = id === undefined ? -1 : forgottenBefore(facts, id, facts.submitted.get(marker) ?? seq);
      if (id !== undefined && (settled.get(id) ?? -1) > anew) continue;
      if (id !== undefined && isRemoved(facts, id, facts.submitted.get(marker) ?? seq, until)) continue;
      if (id !== undefined && mayBeHeld(facts, id, until)) continue;
      // The same content taken over by another gateway: a fingerprint, and its submission is another.
      if (id === undefined && plan.sharing !== undefined && endedElsewhere(mail, recipient)) continue;
      if (id === undefined && isOwnAside(submission)) continue;
      // Its process died between the mark and the call of the upstream.
      if (id !== undefined && isAside(id, id)) continue;
      // So too of its report, which may be about several recipients.
      if (
        id !== undefined &&
        facts.notices.get(id)?.some((one) => isAside(nameOf(one), nameOf(one))) === true
      )
        continue;
      const isOwn = isNew && !(id !== undefined && takenOver.has(id));
      if (reported.has(isOwn ? `${marker} ${recipient}` : recipient)) continue;
      // The same task and recipient is reported once a day, and the log has a line for each failure.
      const isSaid = id !== undefined && facts.reported.get(id)?.some((line) => line < until) === true;
      if (isSaid && reported.has(recipient)) continue;
      const counted = gone.filter((one) => knownAt < one.aliveUntil);
      if (counted.some((one) => isLostWith(one, submission, id, recipient))) continue;
      if (mail.reversePath === "" && id !== undefined && givenUp.has(messageIdOf(id, FROM_DOMAIN))) continue;
      if (!isNew && id === undefined && [...settledOf].some((one) => one.endsWith(` ${recipient}`))) continue;
      if (losses.has(recipient)) continue;
      losses.set(recipient, {
        promise: "P5",
        text: `${marker} of ${task.name} to ${recipient} is lost`,
        ...{ seq, marker },
        isGivenUp: givenUp.has(id === undefined ? ownMessageIdOf(submission) : messageIdOf(id, FROM_DOMAIN)),
      });
    }
  }
  return losses.size > explained(unknown, losses.values()) ? [...losses.values()] : [];
}

/** How many losses those may explain: one each, and a report all that has failed of one submission. */
function explained(unknown: ReadonlySet<string>, losses: Iterable<Loss>): number {
  const failed = new Map<string, Loss[]>();
  for (const loss of losses) if (loss.isGivenUp) push(failed, loss.marker, loss);
  const counts = [...failed.values()].map(({ length }) => length).sort((a, b) => b - a);
  // An operator decides by the id, which says nothing of whose it is.
  const isReport = (name: string): boolean => !name.startsWith("<") || name.endsWith(`@${HOSTNAME}>`);
  const reports = [...unknown].filter(isReport).length;
  const further = counts.slice(0, reports).reduce((sum, count) => sum + count - 1, 0);
  return unknown.size + further;
}

interface Accepted {
  readonly marker: string;
  readonly gateway: number;
  /** Some of it was: who has it may be another gateway. */
  readonly isRepeat: boolean;
  readonly since: number;
  readonly seq: number;
}

/**
 * What was accepted before is accepted anew: it was forgotten meanwhile, and only its queue has saved it by another
 * delivery.
 */
export function checkForgotten(facts: Facts): void {
  const { attempts, heard, givenUp, reported, submitted, decisions, takenOver, gone, violations } = facts;
  /**
   * The gateway that has it was found dead meanwhile, and others forget what nobody has attempted there: a claim whose
   * answer was lost takes it over without a line, and is given up. Of a repeat it may be any but the one that attempts.
   */
  const wasAway = (id: string, one: Accepted, attempting: number, to: number): boolean =>
    facts.foundDead
      .get(id)
      ?.some(
        ({ seq, holder }) =>
          seq > one.since && seq < to && holder !== attempting && (one.isRepeat || holder === one.gateway),
      ) === true;
  /**
   * It failed, and its report may still wait: for others of its submission, or for the disk. A repeat may come after the
   * failure and before the report, while the mail is still under way.
   */
  const mayWait = (id: string, { since, isRepeat }: Accepted, to: number): boolean => {
    const isReported = (from: number) =>
      reported.get(id)?.some((line) => line > from && line < since) === true;
    return (
      givenUp
        .get(messageIdOf(id, FROM_DOMAIN))
        ?.some((line) => line < to && (line > since || (isRepeat && !isReported(line)))) === true
    );
  };
  const accepted = new Map<string, Accepted[]>();
  for (const { submission, reply, seq, knownAt, undurable } of heard) {
    if (reply.code !== 250) continue;
    for (const [at, id] of submission.ids.entries()) {
      if (id === undefined || takenOver.has(id) || undurable.includes(id)) continue;
      // Then nobody hears of its failure.
      if (submission.mail.reversePath === "" && givenUp.has(messageIdOf(id, FROM_DOMAIN))) continue;
      const recipient = submission.mail.recipients[at] ?? "";
      if (gone.some((one) => knownAt < one.aliveUntil && isLostWith(one, submission, id, recipient)))
        continue;
      const since = submitted.get(submission.marker) ?? seq;
      const isRepeat = reply.text.includes("repeat");
      push(accepted, id, { marker: submission.marker, gateway: submission.gateway, isRepeat, since, seq });
    }
  }
  const first = new Map<string, number>();
  /** By recipient: reports on their way, of which a crash may have taken the line. */
  const reports = new Map<string, number[]>();
  for (const { attempt, seq, takenSeq } of attempts.values()) {
    for (const recipient of attempt.content.reports ?? []) push(reports, recipient, seq);
    if (takenSeq === undefined) continue;
    first.set(attempt.id, Math.min(takenSeq, first.get(attempt.id) ?? takenSeq));
  }
  for (const { attempt, seq } of attempts.values()) {
    const { id, content } = attempt;
    const anew = submitted.get(content.marker ?? "");
    if (anew === undefined || content.reports !== undefined || (first.get(id) ?? seq) < seq) continue;
    if (decisions.get(id)?.some((one) => one.next !== "relayed" && one.askedSeq < seq) === true) continue;
    if (mayComeAnew(facts, id, seq)) continue;
    // It counted as relayed, and was forgotten by an operator.
    if (facts.forgets.get(id)?.some((one) => one.askedSeq < seq) === true) continue;
    const forgotten = accepted
      .get(id)
      ?.find(
        (one) =>
          one.marker !== content.marker &&
          one.seq < anew &&
          !wasAway(id, one, attempt.gateway, anew) &&
          reported.get(id)?.some((line) => line > one.since && line < seq) !== true &&
          !mayWait(id, one, seq) &&
          reports.get(attempt.recipient)?.some((report) => report > one.since) !== true,
      );
    if (forgotten === undefined) continue;
    violations.push({
      promise: "P5",
      text: `${forgotten.marker} to ${attempt.recipient} was forgotten, and comes anew with ${content.marker}`,
      seq: forgotten.seq,
    });
  }
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
