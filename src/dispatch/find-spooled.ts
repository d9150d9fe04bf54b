// Where a transmission of the spool is, by its id: for people. What is found may be another state by then.
import type { Id } from "../identity/message-id.ts";
import type { TransmissionKey } from "../spool/record.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { InDoubt } from "./doubt.ts";
import type { Holds } from "./holds.ts";
import type { QueueState } from "./queue-state.ts";
import type { Reports } from "./reports.ts";

export interface FoundSpooled {
  readonly key: TransmissionKey;
  /** ended: it only waits for its report. */
  readonly state: QueueState | "ended";
}

export type FindSpooled = (id: Id) => FoundSpooled | undefined;

export interface FindSpooledParts {
  readonly dispatcher: Pick<Dispatcher, "find">;
  readonly inDoubt: InDoubt;
  readonly holds: Pick<Holds, "find">;
  readonly reports: Pick<Reports, "find">;
}

export function createFindSpooled(parts: FindSpooledParts): FindSpooled {
  const { dispatcher, inDoubt, holds, reports } = parts;
  return (id) => {
    const queued = dispatcher.find(id);
    if (queued !== undefined) return { key: queued.queued.key, state: queued.state };
    const held = holds.find(id) ?? inDoubt.get(id);
    if (held !== undefined) return { key: held.queued.key, state: "held" };
    const ended = reports.find(id);
    return ended && { key: ended, state: "ended" };
  };
}
