// How long a benchmark measures, and that what it compares is measured in turns.
import { parseArgs } from "node:util";

export interface Timing {
  /** Of each measurement, about. */
  readonly seconds: number;
  readonly turns: number;
}

/** From the command line: --seconds and --turns. */
export function timing(fallback: Timing): Timing {
  const { values } = parseArgs({ options: { seconds: { type: "string" }, turns: { type: "string" } } });
  return {
    seconds: Number(values.seconds ?? fallback.seconds),
    turns: Number(values.turns ?? fallback.turns),
  };
}

/**
 * Measures each in turn, so many times, so that a slow minute of the machine meets all of them. Each turn begins with
 * another one, so that none is always measured after the same.
 */
export async function inTurns<Item, Measured>(
  turns: number,
  items: readonly Item[],
  measure: (item: Item) => Promise<Measured>,
): Promise<Map<Item, Measured[]>> {
  const measured = new Map<Item, Measured[]>(items.map((item) => [item, []]));
  for (let turn = 0; turn < turns; turn++) {
    for (const index of items.keys()) {
      const item = items[(index + turn) % items.length] as Item;
      measured.get(item)?.push(await measure(item));
    }
  }
  return measured;
}
