// What an operator hears of a decision is so, once, and stays so.
import type { Facts, Taken, Wished } from "./facts.ts";
import { configsOf, hasFingerprints, type Plan } from "./plan.ts";

export function checkDecisions(facts: Facts, plan: Plan): void {
  const { decisions, attempts, violations } = facts;
  const mayFingerprint = configsOf(plan).some(hasFingerprints);
  const fails = (text: string, seq: number) => violations.push({ promise: "decision", text, seq });
  for (const [id, all] of decisions) {
    const answered = all.filter(({ next }) => next !== undefined).sort((a, b) => a.endSeq - b.endSeq);
    for (const [at, one] of answered.entries()) {
      const { number } = one.decided;
      if (!one.isDurable) fails(`d${number} is answered, and ${id} is not durably relayed`, one.endSeq);
      const before = answered[at - 1];
      if (before !== undefined && !mayFollow(facts, id, before, one, mayFingerprint))
        fails(
          `d${number} is taken though d${before.decided.number} was, and there was no doubt since`,
          one.endSeq,
        );
      if (!isLogged(facts, one)) fails(`no line says what d${number} has decided`, one.endSeq);
    }
    // A fingerprint's next submission is another mail.
    if (mayFingerprint) continue;
    const relayed = answered.find(({ next }) => next === "relayed");
    if (relayed === undefined) continue;
    for (const { attempt, isExposed, seq } of attempts.values()) {
      if (attempt.id !== id || isExposed || attempt.calledSeq < relayed.endSeq) continue;
      const isForgotten = ({ askedSeq, endSeq }: Wished): boolean =>
        askedSeq < seq && endSeq > relayed.askedSeq;
      if (facts.forgets.get(id)?.some(isForgotten) === true) continue;
      violations.push({
        promise: "P3",
        text: `${attempt.messageId} is attempted, and was decided as relayed`,
        seq,
      });
    }
  }
}

/** What is relayed stays so, but for a fingerprint; else a second decision needs a doubt of its own. */
function mayFollow(facts: Facts, id: string, before: Taken, after: Taken, mayFingerprint: boolean): boolean {
  const mayBeAnew = mayFingerprint || facts.forgets.has(id);
  if (before.next === "relayed" && after.askedSeq > before.endSeq && !mayBeAnew) return false;
  const isSince = (seq: number) => seq > before.askedSeq && seq < after.endSeq;
  // A process may end between the mark of an attempt and the call of the upstream.
  return (
    [...facts.attempts.values()].some(({ attempt, endSeq }) => attempt.id === id && isSince(endSeq)) ||
    facts.noted.get(id)?.some(isSince) === true ||
    facts.ends.some(({ seq }) => isSince(seq))
  );
}

/** At the gateway that was asked, before it has answered. */
function isLogged({ decisionLines }: Facts, { decided, askedSeq, endSeq }: Taken): boolean {
  return decisionLines.some(
    ({ seq, gateway, id, decision }) =>
      gateway === decided.gateway &&
      seq > askedSeq &&
      seq < endSeq &&
      id === decided.id &&
      decision === decided.decision,
  );
}
