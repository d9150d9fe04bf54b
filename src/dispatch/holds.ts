// What is held, so that no lane has it: by an operator, or since it is in doubt. Its lifetime does not pass, and its claim
// goes on.
import type { Id } from "../identity/message-id.ts";
import { holdOf, listensUntil } from "../spool/record.ts";
import type { InDoubt } from "./doubt.ts";
import type { QueuedTransmission } from "./queue.ts";
import type { Held } from "./queue-state.ts";

export interface Holds {
  /** An operator holds it, and it is not in doubt; what is in doubt says itself whether it is held. */
  add(queued: QueuedTransmission): void;
  delete(id: Id): void;
  find(id: Id): Held | undefined;
  all(): Iterable<Held>;
}

export function createHolds(inDoubt: InDoubt): Holds {
  const byOperator = new Map<Id, QueuedTransmission>();
  return {
    add: (queued) => void byOperator.set(queued.claim.id, queued),
    delete: (id) => void byOperator.delete(id),

    find(id) {
      const queued = byOperator.get(id);
      if (queued !== undefined) return { queued, by: "operator" };
      const doubtful = inDoubt.get(id);
      const by = doubtful && holdOf(doubtful.transmission);
      return doubtful && by && { queued: doubtful.queued, by };
    },

    *all() {
      for (const queued of byOperator.values()) yield { queued, by: "operator" };
      for (const { queued, transmission } of inDoubt.values()) {
        const by = holdOf(transmission);
        if (by !== undefined) yield { queued, by, listensUntil: listensUntil(transmission) };
      }
    },
  };
}
