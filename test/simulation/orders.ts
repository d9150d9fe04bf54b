// What an operator orders about mails of the queue: what is answered is so and is logged, what is held is not attempted, and
// what is removed is knowingly nobody's any more. That a bounce is reported is held by losses.ts, as of any failure.
import { type Facts, type Given, type Made, push } from "./facts.ts";
import type { Event } from "./history.ts";

/** Those that were carried out, or may have been. */
export function gatherOrders(events: readonly Event[], orders: Facts["orders"]): void {
  const asked = new Map<number, Given>();
  for (const event of events) {
    if (event.kind === "order_asked") {
      const { order, seq } = event;
      const unknown = { endSeq: Number.POSITIVE_INFINITY, next: undefined, isDurable: true, already: false };
      asked.set(order.number, { ...order, askedSeq: seq, ...unknown });
    } else if (event.kind === "order_answered") {
      const { order, said, isDurable, seq } = event;
      const before = asked.get(order.number);
      if (before === undefined || "failed" in said) continue;
      if ("refused" in said) asked.delete(order.number);
      else asked.set(order.number, { ...before, ...said, endSeq: seq, isDurable });
    }
  }
  for (const one of asked.values()) push(orders, one.id, one);
}

export function checkOrders(facts: Facts): void {
  const { orders, orderLines, attempts, violations } = facts;
  const fails = (text: string, seq: number) => violations.push({ promise: "order", text, seq });
  for (const [id, all] of orders) {
    for (const { number, gateway, kind, askedSeq, endSeq, next, already, isDurable } of all) {
      if (next === undefined) continue;
      const named = `o${number}`;
      if (!isDurable) fails(`${named} is answered, and is not durable`, endSeq);
      const isLine = (line: (typeof orderLines)[number]): boolean =>
        line.gateway === gateway && line.id === id && line.seq > askedSeq && line.seq < endSeq;
      if (!already && !orderLines.some(isLine)) fails(`no line says what ${named} has ordered`, endSeq);
      if (kind !== "hold") continue;
      // Until anything else is ordered or decided about it there, or another gateway takes it over and gives it up again.
      const isOther = (one: Given): boolean =>
        one.gateway === gateway && one.kind !== "hold" && one.endSeq > askedSeq;
      const until = Math.min(
        ...all.filter(isOther).map((one) => Math.max(one.askedSeq, endSeq)),
        ...(facts.decisions.get(id) ?? [])
          .filter((one) => one.decided.gateway === gateway && one.endSeq > askedSeq)
          .map((one) => Math.max(one.askedSeq, endSeq)),
        ...(facts.takenOver.get(id) ?? []).filter(({ seq }) => seq > askedSeq).map(({ seq }) => seq),
      );
      for (const { attempt, seq } of attempts.values()) {
        if (attempt.id !== id || attempt.gateway !== gateway) continue;
        if (attempt.calledSeq > endSeq && attempt.calledSeq < until) {
          fails(`${attempt.messageId} is attempted, and was held by ${named}`, seq);
        }
      }
    }
  }
}

/** It was taken out of the queue after it was accepted: nobody answers for it. */
export const isRemoved = ({ orders }: Facts, id: string, acceptedSeq: number, until: number): boolean =>
  orders.get(id)?.some((one) => one.kind === "remove" && one.askedSeq < until && one.endSeq > acceptedSeq) ===
  true;

/** Somebody may hold it then. */
export const mayBeHeld = ({ orders, releasedAt }: Facts, id: string, until: number): boolean =>
  orders.get(id)?.some(({ kind, askedSeq }) => kind === "hold" && askedSeq < until) === true &&
  !releasedAt.some((seq) => seq < until);

/** Ordered to leave the queue before: what comes then is a new mail. */
export const mayComeAnew = ({ orders }: Facts, id: string, seq: number): boolean =>
  orders.get(id)?.some(({ kind, askedSeq }) => (kind === "remove" || kind === "bounce") && askedSeq < seq) ===
  true;

/**
 * An operator wanted the copy, though the one before may have arrived: that allows one.
 *
 * @param left those of the id that have allowed none yet; this one is taken out
 */
export function isResent(left: Set<Given>, before: Made, copy: Made): boolean {
  const [first] = [...left]
    .filter((one) => one.askedSeq < copy.seq && one.endSeq > (before.notedSeq ?? before.seq))
    .sort((a, b) => a.endSeq - b.endSeq);
  return first !== undefined && left.delete(first);
}
