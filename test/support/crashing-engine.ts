// An Engine that tells of each call of a claim before it is made and after it has resolved, so that whoever listens can
// end the process at exactly that point. It changes nothing about what the engine does.
import type { Change, Engine } from "../../src/ledger/shared/engine.ts";

/** A call on its way: about to be made, or made and not yet known to the caller. */
export interface EngineMoment {
  readonly call: "engine";
  readonly when: "before" | "after";
  readonly of: "insert" | "take" | "change";
  /** What records become; of change. */
  readonly to: readonly Change["to"][];
}

export function createCrashingEngine(inner: Engine, reached: (moment: EngineMoment) => void): Engine {
  async function told<T>(
    of: EngineMoment["of"],
    make: () => Promise<T>,
    to: readonly Change["to"][] = [],
  ): Promise<T> {
    reached({ call: "engine", when: "before", of, to });
    const result = await make();
    reached({ call: "engine", when: "after", of, to });
    return result;
  }

  // Not a copy of it: some of what it has is asked anew each time.
  return Object.assign(Object.create(inner) as Engine, {
    insert: (incarnation, batch) => told("insert", () => inner.insert(incarnation, batch)),
    take: (incarnation, batch) => told("take", () => inner.take(incarnation, batch)),
    change: (batch) =>
      told(
        "change",
        () => inner.change(batch),
        batch.map(({ to }) => to),
      ),
  } satisfies Pick<Engine, "insert" | "take" | "change">);
}
