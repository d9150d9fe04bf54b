// The promises of docs/design.md held against one history. Pure: it knows what clients and operators heard, what
// the upstream took and what was logged, and nothing of how the gateway works.
import { checkCopies } from "./copies.ts";
import { checkDecisions } from "./decisions.ts";
import { configAt, type Facts, gather, type Violation } from "./facts.ts";
import type { Event } from "./history.ts";
import { checkForgotten, checkLosses } from "./losses.ts";
import { checkObserved } from "./observing.ts";
import { checkOthers } from "./odd.ts";
import { checkOrders } from "./orders.ts";
import { checkPauses } from "./pauses.ts";
import type { Plan } from "./plan.ts";
import { checkProofs } from "./proofs.ts";

export interface Checked {
  readonly violations: Violation[];
  /**
   * Attempts that were made after the end of their claim because their gateway was paused between the noted
   * attempt and the call of the upstream, which docs/protocol.md says remains possible.
   */
  readonly exposed: number;
}

export function check(events: readonly Event[], plan: Plan): Checked {
  const facts = gather(events);
  checkCopies(facts, plan);
  checkAnswers(facts);
  if (plan.observer !== undefined) return checkObserver(facts, plan, events);
  checkDecisions(facts, plan);
  checkOrders(facts);
  checkForgotten(facts);
  checkOthers(facts, plan, events);
  checkPauses(facts, plan, events);
  checkProofs(facts, plan);
  // Nothing may need a restart to go on, and a restart may lose nothing.
  const idle = events.filter(({ kind }) => kind === "idle");
  for (const event of idle) {
    const isDecided = plan.operator?.decidesAll === true && event === idle.at(-1);
    checkLosses(facts, plan, event.seq, isDecided);
  }
  return checkedOf(facts);
}

function checkedOf({ attempts, violations }: Facts): Checked {
  const exposed = [...attempts.values()].filter(({ isExposed, attempt }) => isExposed && !attempt.isHeld);
  return { violations: violations.sort((a, b) => a.seq - b.seq), exposed: exposed.length };
}

/** Where gateways observe, mails keep their own Message-IDs: what is checked by derived ones is checked otherwise. */
function checkObserver(facts: Facts, plan: Plan, events: readonly Event[]): Checked {
  const idle = events.filter(({ kind }) => kind === "idle").map(({ seq }) => seq);
  checkObserved(facts, plan, idle);
  return checkedOf(facts);
}

/** P9: what was refused is not sent. */
function checkAnswers(facts: Facts): void {
  const { attempts, heard, violations } = facts;
  const refused = new Set<string>();
  for (const { submission, reply, seq } of heard) {
    if (reply.code < 500) continue;
    // The upstream may take a mail for one recipient and refuse it for another, which makes the reply.
    const { smtp } = configAt(facts, submission.gateway, seq);
    if (smtp.reply === "relayed" && submission.mail.recipients.length > 1) continue;
    refused.add(submission.marker);
  }
  for (const { takenSeq, attempt } of attempts.values()) {
    const { marker, reports } = attempt.content;
    if (takenSeq === undefined || reports !== undefined || !refused.has(marker ?? "")) continue;
    violations.push({ promise: "P9", text: `${marker} was refused and sent`, seq: takenSeq });
  }
}
