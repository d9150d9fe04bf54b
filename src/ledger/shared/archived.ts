// What a record of a shared ledger counts for outside of it. Pure.

import { type ArchiveRecord, archived } from "../archive/archive.ts";
import { isInDoubt, type RecordState, type Relaying } from "./engine.ts";

/** As LedgerRecord in engine.ts. */
export interface Standing {
  readonly key: Uint8Array;
  readonly state: RecordState;
  readonly digest: Uint8Array;
  readonly firstDate: string | undefined;
  readonly relayed: Relaying | undefined;
  readonly changedAt: number;
}

/** Undefined: it is claimed and was never attempted. */
export function recordOf(standing: Standing): ArchiveRecord | undefined {
  const { key, state, digest, changedAt, firstDate = "" } = standing;
  const relayed = standing.relayed && { time: standing.relayed.at, digest: standing.relayed.digest };
  if (isInDoubt(state)) return archived(key, relayed, { firstDate, changedAt, digest });
  return relayed && { key, relayed };
}
