// What an operator has paused is not attempted: from the answer on, over restarts, until they want it resumed or its time is
// over.
import type { Facts } from "./facts.ts";
import type { Event, PauseOrder } from "./history.ts";
import type { Plan } from "./plan.ts";

interface Paused {
  readonly order: PauseOrder;
  readonly askedAt: number;
  readonly fromSeq: number;
}

export function checkPauses(facts: Facts, plan: Plan, events: readonly Event[]): void {
  const asked = new Map<number, Event & { readonly kind: "pause_asked" }>();
  const paused: Paused[] = [];
  for (const event of events) {
    if (event.kind === "pause_asked") asked.set(event.order.number, event);
    if (event.kind !== "pause_answered" || event.said !== "done" || event.order.what !== "pause") continue;
    const { order, at } = asked.get(event.order.number) as Event & { readonly kind: "pause_asked" };
    // Its end is a time of day, and somebody sets the clock.
    if (order.forMs === undefined || plan.jumps.length === 0) {
      paused.push({ order, askedAt: at, fromSeq: event.seq });
    }
  }
  for (const { order, askedAt, fromSeq } of paused) {
    /** What was asked since, answered or not: it may have taken effect. */
    const endSeq = Math.min(
      ...[...asked.values()]
        .filter((other) => other.order.gateway === order.gateway && other.order.number !== order.number)
        .filter((other) => other.order.what === "resume" || other.order.forMs !== undefined)
        .filter((other) => !isAnsweredBefore(other.order.number, order.number, events, asked))
        .map(({ seq }) => seq),
    );
    for (const { attempt, seq, at } of facts.attempts.values()) {
      const { gateway, calledSeq, messageId } = attempt;
      if (gateway !== order.gateway || calledSeq <= fromSeq || calledSeq >= endSeq) continue;
      if (order.forMs !== undefined && at >= askedAt + order.forMs) continue;
      const text = `${messageId} is attempted, and p${order.number} has paused its upstream`;
      facts.violations.push({ promise: "decision", text, seq });
    }
  }
}

/** The one was over before the other was asked for. */
function isAnsweredBefore(
  one: number,
  other: number,
  events: readonly Event[],
  asked: ReadonlyMap<number, Event>,
): boolean {
  const answer = events.find((event) => event.kind === "pause_answered" && event.order.number === one);
  const since = asked.get(other)?.seq ?? 0;
  return answer !== undefined && answer.seq < since;
}
