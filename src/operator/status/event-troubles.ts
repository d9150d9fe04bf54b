// What an operator should know of a queue that has what upstreams say later about their mails. Mail goes on all the same,
// so none of it degrades the gateway. Pure.
import { durationOf } from "../../runtime/amounts.ts";
import { adviceForEvents } from "./advice.ts";
import type { Trouble } from "./schema.ts";

export interface EventsFacts {
  readonly queue: string;
  /** It can't be used: nothing is received, or what was received is not removed. */
  readonly silent?: { readonly since: number; readonly reason: string; readonly call: string };
  /** Nothing is received, since the ledger can't be asked: since when, milliseconds since the epoch. */
  readonly heldUpSince?: number;
  /** It had mails of another ledger, by that one's name. */
  readonly shared?: { readonly with: string; readonly seenAt: number };
  /** What comes is read so late, longer after it came than a doubt waits for it. */
  readonly behind?: { readonly ms: number; readonly waitMs: number };
}

/** A ledger that is away for a moment is nothing to look at. */
const HELD_UP_MS = 60_000;

/** What belongs to another ledger is seen again within two minutes, as long as it is in the queue. */
const SHARED_MS = 10 * 60_000;

const trouble = (text: string, more: Pick<Trouble, "since" | "reason" | "todo">): Trouble => ({
  ...{ kind: "events", degrades: false, text },
  ...more,
});

export function eventTroubles(
  { queue, silent, heldUpSince, shared, behind }: EventsFacts,
  now: number,
): Trouble[] {
  const found: Trouble[] = [];
  if (silent !== undefined) {
    const text =
      silent.call === "receive"
        ? "the events of SES can't be read, so doubt is not settled"
        : "the events of SES are read, but not removed from their queue, so they come again";
    const since = new Date(silent.since).toISOString();
    const reason = `${queue}: ${silent.reason}`;
    found.push(trouble(text, { since, reason, todo: adviceForEvents(silent.reason) }));
  }
  if (heldUpSince !== undefined && now - heldUpSince >= HELD_UP_MS) {
    found.push(
      trouble("the events of SES wait for the ledger, so doubt is not settled", {
        since: new Date(heldUpSince).toISOString(),
        reason: `the ledger can't be asked about what came from ${queue}, or can't write`,
        todo: "Nothing is lost: they are read when the ledger or its disk can be used again",
      }),
    );
  }
  if (behind !== undefined) {
    const [late, wait] = [durationOf(behind.ms), durationOf(behind.waitMs)];
    found.push(
      trouble(`the events of SES are ${late} behind, and doubt waits ${wait} for them`, {
        reason: `what was read last had been in ${queue} for so long`,
        todo: "It catches up by itself; a longer ses.events.wait keeps doubt from policy until then: docs/ses-events.md",
      }),
    );
  }
  if (shared !== undefined && now - shared.seenAt <= SHARED_MS) {
    found.push(
      trouble("a queue of SES's events is shared with another ledger", {
        reason: `${queue} has events of mails that carry mailonce-ledger=${shared.with}`,
        todo: "Give each ledger a configuration set, a topic and a queue of its own: docs/ses-events.md",
      }),
    );
  }
  return found;
}
