// The upstream's own events beside the load: of each mail that it took they say so, in no order, now and then twice, and
// again until the gateway has answered that nothing is left to settle. What was not answered is said to the next process.
import { isToAskAgain } from "../../src/evidence/evidence.ts";
import type { MessageCounts } from "../support/message-counts.ts";
import type { Chance } from "./chance.ts";
import type { TestedGateway } from "./gateway-process.ts";

export interface Witness {
  /** Resolves when it is over and all that was taken by then is answered, or the gateway is gone. */
  say(gateway: Pick<TestedGateway, "prove">, isOver: () => boolean): Promise<void>;
  /** The ids of which it has said so. */
  readonly said: ReadonlySet<string>;
}

const TWICE = 0.2;

/** Between two rounds: an event is asked about again when the attempt has ended. */
const ROUND_MS = 5;

/** @param upstream what it takes from now on */
export function createWitness(upstream: Pick<MessageCounts, "taken">, chance: Chance): Witness {
  let seen = upstream.taken.length;
  let left: string[] = [];
  const ids = new Set<string>();

  function look(): void {
    for (; seen < upstream.taken.length; seen++) {
      const [, id] = /^<([a-z2-7]{32})@/.exec(upstream.taken[seen]?.messageId ?? "") ?? [];
      if (id === undefined) continue;
      ids.add(id);
      left.push(id);
      if (chance.fraction() < TWICE) left.push(id);
    }
  }

  return {
    said: ids,
    async say(gateway, isOver) {
      for (;;) {
        const isLast = isOver();
        look();
        const asked = chance.shuffled(left);
        left = [];
        const said = await Promise.all(asked.map((id) => gateway.prove(id)));
        left.push(...asked.filter((_, at) => isToAskAgain(said[at] ?? "away")));
        if (said.includes(undefined) || (isLast && left.length === 0)) return;
        await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
      }
    },
  };
}
