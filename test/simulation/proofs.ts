// What evidence has done: whatever was answered is durable, what is settled is not attempted any more, and policy gives
// evidence its time.
import { isToAskAgain } from "../../src/evidence/evidence.ts";
import { type Facts, type Made, push, startBefore } from "./facts.ts";
import type { Event, Told } from "./history.ts";
import { configsOf, hasFingerprints, type Plan } from "./plan.ts";

/** For so long a gateway that has started reads evidence that has come already, if a doubt waits for as long. */
const READ_MS = 120_000;

/** Evidence that was taken, or may have been. */
export interface Proven extends Told {
  readonly askedSeq: number;
  /** Where it was answered; never, when nobody knows. */
  readonly endSeq: number;
  /** Undefined: nobody knows. */
  readonly said: "settled" | "known" | undefined;
  readonly isDurable: boolean;
}

export function gatherProofs(events: readonly Event[], proofs: Facts["proofs"]): void {
  const asked = new Map<number, Proven>();
  /** By id: where the ledger last gave no answer, so that it may have settled the id all the same. */
  const unanswered = new Map<unknown, number>();
  for (const event of events) {
    if (event.kind === "logged" && event.event === "evidence.later")
      unanswered.set(event.fields.id, event.seq);
    if (event.kind === "evidence_asked") {
      const unknown = { endSeq: Number.POSITIVE_INFINITY, said: undefined, isDurable: true };
      asked.set(event.told.number, { ...event.told, askedSeq: event.seq, ...unknown });
    } else if (event.kind === "evidence_answered") {
      const { told, said, isDurable, seq } = event;
      const before = asked.get(told.number);
      // One that failed on the way may take effect later.
      if (before === undefined || typeof said === "object") continue;
      if (isToAskAgain(said)) {
        if ((unanswered.get(told.id) ?? -1) < before.askedSeq) asked.delete(told.number);
      } else asked.set(told.number, { ...before, endSeq: seq, said, isDurable });
    }
  }
  for (const one of asked.values()) push(proofs, one.id, one);
}

/** Evidence may have settled the id between the two. */
export const isProven = ({ proofs }: Facts, id: string, from: number, to: number): boolean =>
  proofs.get(id)?.some(({ said, askedSeq, endSeq }) => said !== "known" && askedSeq < to && endSeq > from) ===
  true;

export function checkProofs(facts: Facts, plan: Plan): void {
  const { proofs, violations } = facts;
  // Of the next submission of a fingerprint it says nothing.
  if (plan.witness === undefined || configsOf(plan).some(hasFingerprints)) return;
  const fails = (text: string, seq: number) => violations.push({ promise: "evidence", text, seq });
  const byId = new Map<string, Made[]>();
  for (const made of facts.attempts.values()) push(byId, made.attempt.id, made);
  for (const [id, all] of proofs) {
    // An operator may have decided otherwise, or let another mail have the id.
    if (facts.decisions.has(id) || facts.forgets.has(id) || facts.orders.has(id)) continue;
    // After a pause nobody knows of it went under a claim that had ended (docs/protocol.md, what remains possible).
    if (byId.get(id)?.some(({ isExposed }) => isExposed) === true) continue;
    for (const { number, said, isDurable, endSeq } of all) {
      if (said !== undefined && !isDurable)
        fails(`e${number}: ${said}, and ${id} is not durably relayed`, endSeq);
      if (said !== "settled") continue;
      for (const { attempt, notedSeq, seq } of byId.get(id) ?? []) {
        if (attempt.calledSeq < endSeq || (notedSeq ?? endSeq) < endSeq) continue;
        fails(`${attempt.messageId} is attempted, and was settled by e${number}`, seq);
      }
    }
  }
  // A clock that is set ends the wait early or late.
  if (plan.jumps.length > 0) return;
  for (const [id, all] of byId) {
    if (facts.decisions.has(id) || facts.forgets.has(id) || facts.orders.has(id)) continue;
    for (const [at, made] of all.entries()) {
      const before = all[at - 1];
      if (before === undefined || before.isExposed || made.isExposed) continue;
      if (before.answer !== "doubtful" && before.answer !== "cut") continue;
      const { waitMs } = plan.witness;
      // From its note on, which a slow disk or engine keeps from its call for some time.
      if (made.at - before.at < waitMs / 2)
        fails(`${made.attempt.messageId} is attempted before evidence has had its time`, made.seq);
      const start = startBefore(facts, made.attempt.gateway, made.seq);
      if (before.seq < start.seq && made.at - start.at < Math.min(waitMs, READ_MS) / 2)
        fails(`${made.attempt.messageId} is attempted before a start can have read evidence`, made.seq);
    }
  }
}
