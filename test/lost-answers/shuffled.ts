// Events on their way: which one arrives next is chance, as SES promises no order.
import type { Chance } from "../crash/chance.ts";

export interface Shuffled {
  publish(event: object): Promise<void>;
  /** Publishes what is on its way still; from then on nothing stays there. */
  end(): Promise<void>;
}

/** @param most on their way at a time */
export function createShuffled(
  publish: (event: object) => Promise<void>,
  chance: Chance,
  most: number,
): Shuffled {
  const onTheirWay: object[] = [];
  let room = most;

  async function pass(): Promise<void> {
    const at = chance.below(onTheirWay.length);
    const [event] = onTheirWay.splice(at, 1);
    if (event !== undefined) await publish(event);
  }

  return {
    async publish(event) {
      onTheirWay.push(event);
      if (onTheirWay.length > room) await pass();
    },
    async end() {
      room = 0;
      while (onTheirWay.length > 0) await pass();
    },
  };
}
