// Where operators' decisions meet what dispatch is doing. An id is busy while it is attempted, and while policy acts on
// its doubt: what comes of that is not written yet. A decision that it was relayed is possible all the same, and the
// work that keeps the id busy carries it out at its end.
import type { Id } from "../identity/message-id.ts";
import type { Decided } from "../ledger/ledger.ts";

export interface Decisions {
  /** Runs work on an id, which is busy until it ends. Works of one id may be nested. */
  during<T>(id: Id, work: () => Promise<T>): Promise<T>;
  isBusy(id: Id): boolean;
  /**
   * Makes a decision, which `relayed` waits for from now on, and then carries it out. Rejects as either does.
   *
   * @param decide the ledger's call
   */
  make(
    id: Id,
    decide: () => Promise<Decided>,
    carryOut: (decided: Decided) => Promise<void>,
  ): Promise<Decided>;
  /**
   * To be asked by work: whether an operator has decided since it began, or is deciding, that the id was relayed.
   * Undefined, as a rule: nobody has.
   */
  relayed(id: Id): Promise<boolean> | undefined;
}

interface Busy {
  works: number;
  /** Decisions that are not carried out yet. */
  open: number;
  isRelayed: Promise<boolean> | undefined;
}

export function createDecisions(): Decisions {
  const ids = new Map<Id, Busy>();

  function open(id: Id): Busy {
    const found = ids.get(id);
    if (found !== undefined) return found;
    const busy: Busy = { works: 0, open: 0, isRelayed: undefined };
    ids.set(id, busy);
    return busy;
  }

  const close = (id: Id, { works, open: decisions }: Busy): void => {
    if (works === 0 && decisions === 0) ids.delete(id);
  };

  return {
    async during(id, work) {
      const busy = open(id);
      busy.works++;
      try {
        return await work();
      } finally {
        busy.works--;
        close(id, busy);
      }
    },

    isBusy: (id) => (ids.get(id)?.works ?? 0) > 0,

    async make(id, decide, carryOut) {
      const busy = open(id);
      busy.open++;
      const before = busy.isRelayed;
      const made = decide();
      busy.isRelayed = made.then(
        async (decided) => decided === "relayed" || (await before) === true,
        async () => (await before) === true,
      );
      try {
        const decided = await made;
        await carryOut(decided);
        return decided;
      } finally {
        busy.open--;
        close(id, busy);
      }
    },

    relayed: (id) => ids.get(id)?.isRelayed,
  };
}
