// Puts together what takes evidence, and what finds out at a gateway of several what the others have settled by theirs.
import type { Evidence, EvidenceParts } from "./evidence.ts";
import { createEvidence } from "./evidence.ts";
import { createLookUps, type LookUpParts } from "./look-ups.ts";
import { createTelling, type Telling, type TellingParts } from "./telling.ts";

export interface OpenedEvidence extends Evidence, Pick<Telling, "takenAgain"> {
  start(): void;
  stop(): Promise<void>;
}

export interface OpenEvidenceParts
  extends Omit<EvidenceParts, "doubtful" | "ledger" | "telling" | "decisions">,
    LookUpParts {
  readonly ledger: EvidenceParts["ledger"] & LookUpParts["ledger"];
  readonly history: EvidenceParts["history"] & TellingParts["history"];
  readonly counters: EvidenceParts["counters"] & TellingParts["counters"];
}

export interface EvidenceOptions extends Pick<TellingParts, "sourceOf" | "late"> {
  /** Other gateways may settle what this one holds. */
  readonly isShared: boolean;
}

export function openEvidence(
  parts: OpenEvidenceParts,
  { isShared, ...options }: EvidenceOptions,
): OpenedEvidence {
  const doubtful: EvidenceParts["doubtful"] = (id) => parts.inDoubt.get(id)?.transmission;
  const telling = createTelling({ ...parts, ...options });
  const { take } = createEvidence({ ...parts, doubtful, telling });
  const lookUps = createLookUps(parts);
  return {
    take,
    takenAgain: telling.takenAgain,
    start() {
      if (isShared) lookUps.start();
    },
    async stop() {
      await Promise.all([lookUps.stop(), telling.done()]);
    },
  };
}
