// Where operators' decisions meet what dispatch is doing. An id is busy while it is attempted, and while policy acts on
// its doubt: what comes of that is not written yet. A decision that it was relayed is possible all the same, and the
// work that keeps the id busy carries it out at its end. A decision that it was not relayed and work keep each other out.
import type { Id } from "../identity/message-id.ts";
import type { Decided } from "../ledger/ledger.ts";

export interface Decisions {
  /**
   * Runs work on an id, which is busy from now on until it ends. Works of one id may be nested. What is decided apart is
   * waited for first.
   *
   * @param work told whether its doubt has been decided meanwhile: it was not relayed
   */
  during<T>(id: Id, work: (isCleared: boolean) => Promise<T>): Promise<T>;
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
  /** As `make`, that it was not relayed: "busy" at once while work is under way, and work that comes waits for its end. */
  makeApart(
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
  /** Those that are made apart: whether one of them was made. Undefined when all are carried out. */
  isCleared: Promise<boolean> | undefined;
}

export function createDecisions(): Decisions {
  const ids = new Map<Id, Busy>();

  function open(id: Id): Busy {
    const found = ids.get(id);
    if (found !== undefined) return found;
    const busy: Busy = { works: 0, open: 0, isRelayed: undefined, isCleared: undefined };
    ids.set(id, busy);
    return busy;
  }

  const close = (id: Id, { works, open: decisions }: Busy): void => {
    if (works === 0 && decisions === 0) ids.delete(id);
  };

  const isBusy: Decisions["isBusy"] = (id) => (ids.get(id)?.works ?? 0) > 0;

  const make: Decisions["make"] = async (id, decide, carryOut) => {
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
  };

  return {
    async during(id, work) {
      const busy = open(id);
      busy.works++;
      try {
        return await work(busy.isCleared !== undefined && (await busy.isCleared));
      } finally {
        busy.works--;
        close(id, busy);
      }
    },

    isBusy,
    make,

    async makeApart(id, decide, carryOut) {
      if (isBusy(id)) return "busy";
      const busy = open(id);
      const before = busy.isCleared;
      const made = make(id, decide, carryOut);
      const isCleared = made
        .then(
          (decided) => decided === "queued" || decided === "absent",
          () => false,
        )
        .then(async (isMade) => {
          const isAny = (await before) === true || isMade;
          if (busy.isCleared === isCleared) busy.isCleared = undefined;
          return isAny;
        });
      busy.isCleared = isCleared;
      return await made;
    },

    relayed: (id) => ids.get(id)?.isRelayed,
  };
}
