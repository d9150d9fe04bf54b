// An operator beside the load: lists what is doubtful and decides about it, rightly, now and then twice at once, through
// the gateway's socket, until the gateway is gone or the load is over.
import type { DoubtfulEntry } from "../../src/operator/doubtful.ts";
import type { OperatorRequest } from "../../src/operator/requests.ts";
import { askGateway } from "../../src/operator/socket.ts";
import type { MessageCounts } from "../support/message-counts.ts";
import type { Chance } from "./chance.ts";

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
  const ask = (request: OperatorRequest) => askGateway(dataFolder, request);
  try {
    while (!isOver()) {
      const listed = await ask({ request: "doubtful.list" });
      if (listed === undefined) return;
      const requests = chance
        .shuffled(listed as DoubtfulEntry[])
        .slice(0, AT_ONCE)
        .flatMap((entry) => decisionsOn(entry, upstream, chance));
      await Promise.all(requests.map(ask));
      if (requests.length === 0) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  } catch {
    // The gateway was killed in the middle; what it has decided is durable or undone.
  }
}

/** What is attempted again at this moment may be taken in the next: nobody can say that it was not. */
function decisionsOn(
  { id, messageId, standing }: DoubtfulEntry,
  upstream: Pick<MessageCounts, "counts">,
  chance: Chance,
): OperatorRequest[] {
  if (messageId === undefined) return [];
  const decide = (decision: "relayed" | "not-relayed"): OperatorRequest => ({
    ...{ request: "doubtful.resolve", id, decision, reason: "the upstream's own log" },
  });
  const relayed = decide("relayed");
  if (upstream.counts().has(messageId)) return chance.fraction() < 0.5 ? [relayed, relayed] : [relayed];
  return standing === "held" ? [decide("not-relayed")] : [];
}
