// Odd mails: the upstream refuses them as if it took nothing, while it takes every other mail, and goes on so long after
// all other faults. P13: they stop no other mail.
import type { Chance } from "./chance.ts";
import type { Facts } from "./facts.ts";
import type { Event } from "./history.ts";
import { lossesOf } from "./losses.ts";
import type { Plan, Task } from "./plan.ts";

/**
 * From the end of all other faults until the upstream takes odd mails too. Within it every other mail has its turn:
 * retries and tries under a pause are a minute apart, a gateway is away for half a minute, a lease lasts a minute.
 */
export const ODD_MS = 15 * 60_000;

/** Mailboxes to which mail is odd: in most histories none. */
export function planOdd(chance: Chance, tasks: readonly Task[]): ReadonlySet<string> {
  if (!chance.happens(0.3)) return new Set();
  const share = chance.pick([0.2, 0.5]);
  const mailboxes = tasks.flatMap(({ mails }) => mails.flatMap(({ recipients }) => recipients));
  return new Set(mailboxes.filter(() => chance.happens(share)));
}

/** What was accepted before the other faults ended has had its turn when odd mails are taken too. */
export function checkOthers(facts: Facts, plan: Plan, events: readonly Event[]): void {
  const healed = events.find(({ kind }) => kind === "healed");
  const over = events.find(({ kind }) => kind === "odd_over");
  if (healed === undefined || over === undefined) return;
  const isOther = (recipient: string, seq: number) => seq < healed.seq && !plan.odd.has(recipient);
  for (const { seq, text } of lossesOf(facts, plan, over.seq, false, isOther)) {
    facts.violations.push({ promise: "P13", text: `${text}, or waits behind odd mails`, seq });
  }
}
