// Histories of gateways that observe, and are switched to "enforce" and back, each at a time of its own: an observer drops,
// refuses and changes nothing for the identity of a mail, and what it has relayed counts for one that enforces.
import { configAt, type Facts } from "./facts.ts";
import { ownMessageIdOf, type Submission } from "./history.ts";
import { HOSTNAME, type Plan } from "./plan.ts";

/** @param idle where all is */
export function checkObserved(facts: Facts, plan: Plan, idle: readonly number[]): void {
  checkDurable(facts);
  checkReplies(facts);
  checkOctets(facts);
  for (const until of idle) checkRelayed(facts, plan, until);
  checkRemembered(facts);
}

const submittedAt = ({ submitted }: Facts, { marker }: Submission): number => submitted.get(marker) ?? 0;

const observes = (facts: Facts, submission: Submission): boolean =>
  configAt(facts, submission.gateway, submittedAt(facts, submission)).identity.mode === "observe";

/** It was refused for good, or its lifetime is over. */
const isGivenUp = ({ givenUp }: Facts, submission: Submission): boolean =>
  givenUp.has(ownMessageIdOf(submission));

/** So was some mail of the id, which thereby is free. */
const isIdGivenUp = (facts: Facts, id: string): boolean =>
  facts.heard.some(({ submission }) => submission.ids.includes(id) && isGivenUp(facts, submission));

/** Its first copy had no answer, and what goes beside it leaves it so: it is in no spool. */
const isInDoubt = ({ heard, doubtful }: Facts, id: string): boolean =>
  heard.some(({ submission }) => submission.ids.includes(id) && doubtful.has(ownMessageIdOf(submission)));

/**
 * P4 by the mailers' own Message-IDs, as the log has no others of what was observed. To a client that waits 250 says that its
 * own mail was taken, whatever has become of the first copy.
 */
function checkDurable(facts: Facts): void {
  const { violations } = facts;
  const others = violations.filter(({ promise }) => promise !== "P4");
  violations.splice(0, violations.length, ...others);
  for (const { submission, undurable, seq } of facts.heard) {
    if (configAt(facts, submission.gateway, seq).smtp.reply === "relayed") continue;
    for (const id of undurable) {
      if (isIdGivenUp(facts, id) || isInDoubt(facts, id)) continue;
      violations.push({ promise: "P4", text: `${submission.marker} heard 250 and ${id} is nowhere`, seq });
    }
  }
}

function checkReplies(facts: Facts): void {
  for (const { submission, reply, seq } of facts.heard) {
    if (!observes(facts, submission)) continue;
    const isDropped = reply.code === 250 && /\brepeats?\b/.test(reply.text);
    const isRefused = reply.code >= 500 && !reply.text.includes("refused by the upstream");
    if (!isDropped && !isRefused) continue;
    const text = `${submission.marker} is observed, and hears ${reply.code} ${reply.text}`;
    facts.violations.push({ promise: "observe", text, seq });
  }
}

/** An observer leaves the mailer's Message-ID, and no mark. */
function checkOctets(facts: Facts): void {
  const byMarker = new Map(facts.heard.map(({ submission }) => [submission.marker, submission]));
  for (const { attempt, seq } of facts.attempts.values()) {
    const { marker, reports, text } = attempt.content;
    const submission = byMarker.get(marker ?? "");
    if (submission === undefined || reports !== undefined) continue;
    const isMarked = /^X-Mailonce-ID: /m.test(text);
    const isOwn = text.includes(`\r\nMessage-ID: ${ownMessageIdOf(submission)}\r\n`);
    const isObserved = observes(facts, submission);
    if (isMarked === isObserved || (isObserved && !isOwn)) {
      const said = `${marker} goes ${isMarked ? "with" : "without"} a mark and ${isOwn ? "its own" : "another"} Message-ID`;
      facts.violations.push({ promise: "observe", text: said, seq });
    }
  }
}

/** Each mail that an observer has accepted is relayed itself, or its failure reported, or it is held. */
function checkRelayed(facts: Facts, plan: Plan, until: number): void {
  const { attempts, doubtful, givenUp, gone, takenOver, foundDead } = facts;
  const relayed = new Set<string>();
  const relayedIds = new Set<string>();
  const reported = new Set<string>();
  for (const { attempt, takenSeq } of attempts.values()) {
    const { marker, reports } = attempt.content;
    for (const recipient of reports ?? []) reported.add(recipient);
    if (reports !== undefined || takenSeq === undefined || takenSeq > until) continue;
    relayed.add(`${marker} ${attempt.recipient}`);
    relayedIds.add(attempt.id);
  }
  const doubted = [...doubtful.values()].flat().map(({ messageId }) => messageId);
  const isReportOver = [...givenUp.keys(), ...doubted].some((name) => name.endsWith(`@${HOSTNAME}>`));
  for (const { submission, reply, seq } of facts.heard) {
    if (reply.code !== 250 || seq > until || !observes(facts, submission)) continue;
    const { marker, mail, ids } = submission;
    const own = ownMessageIdOf(submission);
    for (const [at, recipient] of mail.recipients.entries()) {
      const id = ids[at];
      if (relayed.has(`${marker} ${recipient}`)) continue;
      const isReported = mail.reversePath === "" || reported.has(recipient) || isReportOver;
      if (givenUp.has(own) && isReported) continue;
      if (doubtful.get(own)?.some((line) => line.seq < until && line.policy === "hold") === true) continue;
      if (gone.some(({ gateway }) => gateway === submission.gateway)) continue;
      // Its gateway was away, and another one has taken over its claim for the next copy.
      const isElsewhere = id === undefined || takenOver.has(id) || foundDead.has(id);
      if (plan.sharing !== undefined && isElsewhere && (id === undefined || relayedIds.has(id))) continue;
      const text = `${marker} to ${recipient} was accepted by an observer, and is neither relayed nor reported`;
      facts.violations.push({ promise: "observe", text, seq });
    }
  }
}

/** Once a task's mail was taken, a later submission of it finds an id that has been attempted. */
function checkRemembered(facts: Facts): void {
  const { attempts, takenOver, foundDead, violations } = facts;
  const byMarker = new Map(facts.heard.map(({ submission }) => [submission.marker, submission]));
  const made = [...attempts.values()].sort((one, other) => one.seq - other.seq);
  const firstOf = new Map<string, number>();
  const accepted = new Map<Submission["mail"], { recipient: string; endSeq: number; marker: string }[]>();
  for (const { attempt, answer, endSeq, seq } of made) {
    const submission = byMarker.get(attempt.content.marker ?? "");
    if (submission === undefined || attempt.content.reports !== undefined) continue;
    const { mail, marker, ids } = submission;
    const { id, recipient } = attempt;
    const isFirst = !firstOf.has(id);
    firstOf.set(id, seq);
    const isDerived = ids[mail.recipients.indexOf(recipient)] === id;
    const earlier = accepted
      .get(mail)
      ?.find((one) => one.recipient === recipient && one.endSeq < submittedAt(facts, submission));
    if (isFirst && isDerived && earlier !== undefined) {
      const isFree = isIdGivenUp(facts, id) || takenOver.has(id) || foundDead.has(id);
      const text = `${earlier.marker} to ${recipient} was taken, and ${marker} goes as if it were the first`;
      if (!isFree) violations.push({ promise: "observe", text, seq });
    }
    if (answer === "accepted") {
      const list = accepted.get(mail) ?? [];
      accepted.set(mail, [...list, { recipient, endSeq, marker }]);
    }
  }
}
