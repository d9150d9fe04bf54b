// P3, P6, P10: what the upstream took more than once, and what it left without an answer.
import {
  configAt,
  type DoubtLine,
  type Facts,
  isTakenOver,
  type Made,
  nameOf,
  push,
  type Taken,
} from "./facts.ts";
import { isForgotten } from "./forgets.ts";
import { isResent } from "./orders.ts";
import { configsOf, hasFingerprints, type Plan } from "./plan.ts";
import { isProven } from "./proofs.ts";

export function checkCopies(facts: Facts, plan: Plan): void {
  const { attempts, violations } = facts;
  const byId = new Map<string, Made[]>();
  const bySubmission = new Map<string, Made>();
  for (const made of attempts.values()) {
    if (made.takenSeq === undefined) continue;
    const { id, messageId, recipient, content } = made.attempt;
    push(byId, id, made);
    const key = `${messageId} ${recipient} ${content.marker}`;
    const before = bySubmission.get(key);
    if (before === undefined) bySubmission.set(key, made);
    // What went after a pause nobody knows of, or is not there as an operator says: a gateway that took over meanwhile
    // has set the Date.
    else if (mayBeRedated(facts, before, made) && undated(before) === undated(made)) continue;
    else if (before.attempt.content.text !== content.text) {
      violations.push({ promise: "P10", text: `other octets of ${messageId}`, seq: made.takenSeq });
    }
  }
  for (const copies of byId.values()) checkCopiesOf(facts, plan, copies);
  // Last, so that what is wrong with one attempt is said once.
  for (const made of attempts.values()) checkSaid(facts, made);
}

const mayBeRedated = ({ decisions }: Facts, before: Made, made: Made): boolean =>
  before.isExposed ||
  made.isExposed ||
  decisions
    .get(made.attempt.id)
    ?.some(
      ({ decided, askedSeq, endSeq }) =>
        decided.decision === "not-relayed" && askedSeq < made.seq && endSeq > before.seq,
    ) === true;

/** @param copies of one id */
function checkCopiesOf(facts: Facts, plan: Plan, copies: Made[]): void {
  const { doubtful, violations } = facts;
  const { fingerprint_window: window } = plan.config.identity;
  const mayFingerprint = configsOf(plan).some(hasFingerprints);
  /** Decisions that allow one copy each. */
  const cleared = new Set(
    (facts.decisions.get(copies[0]?.attempt.id ?? "") ?? []).filter(
      ({ decided }) => decided.decision === "not-relayed",
    ),
  );
  const resent = new Set(
    (facts.orders.get(copies[0]?.attempt.id ?? "") ?? []).filter(
      ({ kind, resend }) => kind === "retry" && resend,
    ),
  );
  const wishes = new Set(facts.forgets.get(copies[0]?.attempt.id ?? "") ?? []);
  copies.sort((a, b) => a.seq - b.seq);
  for (const [at, copy] of copies.entries()) {
    const before = copies[at - 1];
    if (before === undefined) continue;
    const { messageId, gateway } = copy.attempt;
    const { seq } = copy;
    // A fingerprint is a repeat within its window only.
    if (mayFingerprint && messageId !== before.attempt.messageId && copy.at - before.at > window) continue;
    const promise = before.answer === "accepted" ? "P3" : "P6";
    // That one was noted, and doubtful to another gateway, before it was made; or this one was.
    const isAfterPause =
      (before.isExposed && isTakenOver(facts, before, seq)) ||
      (copy.isExposed && isTakenOver(facts, copy, before.seq));
    const policy = configAt(facts, gateway, seq).ledger.doubtful;
    // Then this gateway has relayed it without having seen the other's mail, whatever its policy.
    if (isAfterPause && policy !== "resend") continue;
    // Nothing was recorded of that copy: a fingerprint's next submission is not its repeat.
    const isAnew = isAfterPause && messageId !== before.attempt.messageId;
    // An unkeyed mail keeps its Message-ID: of a fingerprint the two copies have two.
    const names = new Set([before, copy].map(({ attempt }) => nameOf(attempt.messageId)));
    const line = [...names]
      .flatMap((name) => doubtful.get(name) ?? [])
      .sort((a, b) => a.seq - b.seq)
      .filter((one) => one.gateway === gateway && one.seq > before.seq && one.seq < seq)
      .at(-1);
    const isLogged = isAfterPause || line?.policy === "resend";
    // The gateway that took over has not seen a copy that was made after a pause, but the one before it.
    const seen = before.isExposed ? copies.slice(0, at).findLast((one) => !one.isExposed) : undefined;
    const isDated =
      [before, copy].some(isUnmarked) ||
      [before, seen].some((one) => one !== undefined && dateOf(copy) === dateOf(one));
    if (isLogged && (isAnew || isDated)) continue;
    if (isDecided(facts, cleared, before, copy)) continue;
    if (isForgotten(facts, wishes, before, copy)) continue;
    if (isDated && isResent(resent, before, copy)) continue;
    if (isLogged) violations.push({ promise: "P6", text: `${messageId} went again with another Date`, seq });
    else if (line !== undefined)
      violations.push({ promise, text: `${messageId} went twice under ${line.policy}`, seq });
    else violations.push({ promise, text: `${messageId} went twice, and not as doubtful`, seq });
  }
}

/** An operator has said that the upstream does not have it: that allows one more copy. */
function isDecided(facts: Facts, decisions: Set<Taken>, before: Made, copy: Made): boolean {
  const lines = facts.doubtful.get(nameOf(before.attempt.messageId)) ?? [];
  const [first] = [...decisions]
    // Of a copy after a pause it may have been this one that was decided about, before the other was made.
    .filter((one) => one.askedSeq < copy.seq)
    .filter((one) => isAbout(one, before, lines) || (copy.isExposed && isAbout(one, copy, lines)))
    .sort((a, b) => a.endSeq - b.endSeq);
  return first !== undefined && decisions.delete(first);
}

/**
 * At its own gateway nothing can be decided about an attempt before it has ended, or is doubtful to another gateway;
 * at another one as soon as that takes it over.
 */
function isAbout({ decided, endSeq }: Taken, made: Made, lines: readonly DoubtLine[]): boolean {
  const noted = made.notedSeq ?? made.seq;
  if (decided.gateway !== made.attempt.gateway) return endSeq > noted;
  const doubted = lines.map(({ seq }) => seq).find((seq) => seq > noted);
  return endSeq > Math.min(made.endSeq, doubted ?? Number.POSITIVE_INFINITY);
}

/** An attempt without an answer has a line that says so. */
function checkSaid(facts: Facts, made: Made): void {
  const { answer, attempt, isExposed, notedSeq, seq } = made;
  if (answer !== "doubtful" && answer !== "cut") return;
  const { id, messageId, gateway } = attempt;
  // With a shared ledger by whoever takes over, who may do so while its gateway is paused before the call.
  const since = isExposed ? (notedSeq ?? seq) : seq;
  if (facts.doubtful.get(nameOf(messageId))?.some((line) => line.seq > since)) return;
  if (facts.takenOver.get(id)?.some((line) => line.gateway !== gateway && line.seq > since) === true) return;
  // It has told nobody, and whoever submits again hears of the doubt first.
  if (facts.gone.some((one) => one.gateway === gateway)) return;
  // An operator has taken it out of a data folder, and the line about that says that it is in doubt.
  if (facts.orders.get(id)?.some((one) => one.kind === "remove" && one.endSeq > since) === true) return;
  // Evidence has settled it first.
  if (isProven(facts, id, since, Number.POSITIVE_INFINITY)) return;
  // An operator has decided about this very attempt, or that it does not matter; and a line says so.
  const decisions = facts.decisions.get(id) ?? [];
  if (
    decisions.some(
      (one) => one.decided.decision === "relayed" && one.endSeq > Math.min(since, attempt.calledSeq),
    )
  )
    return;
  if (decisions.some((one) => isAbout(one, made, []))) return;
  facts.violations.push({ promise: "P6", text: `no line says that ${messageId} is doubtful`, seq });
}

/** A gateway that observes leaves each mail its Date. */
const isUnmarked = ({ attempt }: Made): boolean => !/^X-Mailonce-ID: /m.test(attempt.content.text);

const undated = ({ attempt }: Made): string => attempt.content.text.replace(/^Date: .*\r\n/m, "");
const dateOf = (made: Made): string | undefined => /^Date: (.*)\r$/m.exec(made.attempt.content.text)?.[1];
