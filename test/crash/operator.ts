// An operator beside the load: lists what is doubtful and decides about it, rightly, now and then twice at once, through
// the gateway's socket, until the gateway is gone or the load is over.
import type { Decision, DoubtfulEntry } from "../../src/operator/doubtful.ts";
import { gatewayDesk } from "../../src/operator/http/client.ts";
import { gatewayForget } from "../../src/operator/http/forget-client.ts";
import type { MessageCounts } from "../support/message-counts.ts";
import type { Chance } from "./chance.ts";
import type { Tracked } from "./tally.ts";

/** Decisions at once. */
const AT_ONCE = 6;

/** Between two looks at an empty list. */
const LOOK_MS = 10;

/** @param upstream what it has taken is what the operator knows */
export async function operate(
  dataFolder: string,
  upstream: Pick<MessageCounts, "counts">,
  chance: Chance,
  isOver: () => boolean,
): Promise<void> {
  const desk = gatewayDesk(dataFolder);
  try {
    while (!isOver()) {
      const decided = chance
        .shuffled(await desk.list())
        .slice(0, AT_ONCE)
        .flatMap((entry) => decisionsOn(entry, upstream, chance));
      await Promise.all(
        decided.map(({ id, decision }) => desk.resolve(id, decision, "the upstream's own log")),
      );
      if (decided.length === 0) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  } catch {
    // The gateway has gone, or was killed in the middle; what it has decided is durable or undone.
  }
}

/** Between two wishes: most of what is taken is forgotten within a load. */
const WISH_MS = 5;

/**
 * Has relayed mails forgotten, each once, and their tasks send again.
 *
 * @param again submits it once more
 * @param isLast this time round is the last one
 */
export async function forget(
  dataFolder: string,
  upstream: Pick<MessageCounts, "taken">,
  track: (recipient: string) => Pick<Tracked, "wishes" | "answered"> | undefined,
  again: (recipient: string) => Promise<void>,
  isLast: () => boolean,
): Promise<void> {
  const desk = gatewayForget(dataFolder);
  try {
    for (let isDone = false; !isDone; ) {
      isDone = isLast();
      for (const { messageId, recipients } of [...upstream.taken].reverse()) {
        const recipient = recipients[0] ?? "";
        const mail = track(recipient);
        if (mail === undefined || !mail.answered || mail.wishes > 0) continue;
        // Before it is asked: nobody knows what becomes of it when the gateway is killed.
        mail.wishes += 1;
        const { ok } = await desk.forget(messageId, { reason: "a test" });
        if (ok) await again(recipient);
        else mail.wishes -= 1;
      }
      await new Promise((resolve) => setTimeout(resolve, WISH_MS));
    }
  } catch {
    // As above.
  }
}

interface Decided {
  readonly id: string;
  readonly decision: Decision;
}

/** What is attempted again at this moment may be taken in the next: nobody can say that it was not. */
function decisionsOn(
  { id, messageId, standing }: DoubtfulEntry,
  upstream: Pick<MessageCounts, "counts">,
  chance: Chance,
): Decided[] {
  if (messageId === undefined) return [];
  const relayed: Decided = { id, decision: "relayed" };
  if (upstream.counts().has(messageId)) return chance.fraction() < 0.5 ? [relayed, relayed] : [relayed];
  return standing === "held" ? [{ id, decision: "not-relayed" }] : [];
}
