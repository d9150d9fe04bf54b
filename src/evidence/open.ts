// Puts together what takes evidence, and what finds out at a gateway of several what the others have settled by theirs.
import type { Evidence, EvidenceParts } from "./evidence.ts";
import { createEvidence } from "./evidence.ts";
import { createLookUps, type LookUpParts } from "./look-ups.ts";
import { createTelling, type TellingParts } from "./telling.ts";

export interface OpenedEvidence extends Evidence {
  start(): void;
  stop(): Promise<void>;
}

export interface OpenEvidenceParts
  extends Omit<EvidenceParts, "doubtful" | "ledger" | "telling">,
    LookUpParts {
  readonly ledger: EvidenceParts["ledger"] & LookUpParts["ledger"];
  readonly history: EvidenceParts["history"] & TellingParts["history"];
}

/** @param isShared other gateways may settle what this one holds */
export function openEvidence(parts: OpenEvidenceParts, isShared: boolean): OpenedEvidence {
  const doubtful: EvidenceParts["doubtful"] = (id) => parts.inDoubt.get(id)?.transmission;
  const { take } = createEvidence({ ...parts, doubtful, telling: createTelling(parts) });
  const lookUps = createLookUps(parts);
  return {
    take,
    start() {
      if (isShared) lookUps.start();
    },
    stop: lookUps.stop,
  };
}
