// Histories that broke a promise once, each by a defect that was found by it and is gone. A change of plan.ts
// gives a seed another history; then such a list has to be found anew, on the sources of that time.

export interface KnownSeed {
  readonly seed: number;
  readonly found: string;
}

export const KNOWN_SEEDS: readonly KnownSeed[] = [
  { seed: 36, found: "a refusal after a doubtful attempt wiped the doubt, and with it the first Date" },
  { seed: 269, found: "the same, after a restart" },
  { seed: 405, found: "under `drop`, a settlement that the disk refused led to a second copy" },
  { seed: 639, found: "the same, of a report" },
  { seed: 432, found: "the same, right after the accept: a rejection that nobody handled ended the process" },
  { seed: 331, found: "a pause by the time of day lasted for hours once the clock was set back" },
  { seed: 483, found: "the same, with mail left that waited" },
  { seed: 1761, found: "a report whose commit failed and took effect lay in the spool until the next start" },
  {
    seed: 112,
    found: "with `reply = relayed`, what was answered 554 came back after a loss of power and went",
  },
  { seed: 256, found: "the same, with one recipient" },
  { seed: 274, found: "with `reply = relayed`, a held id was never answered as doubtful after a restart" },
];

/** Of gateways that share a ledger. */
export const KNOWN_SHARED_SEEDS: readonly KnownSeed[] = [
  {
    seed: 1420,
    found:
      "what a claim without an answer had left was looked for, and the next claim's relayed id was released",
  },
  { seed: 20213, found: "a refusal under a claim that another gateway had taken over was reported" },
  { seed: 30430, found: "the same" },
  { seed: 42090, found: "so was what had expired under such a claim" },
  {
    seed: 50102,
    found: "a repeat, 250, of what a dead gateway had, said by one that could not tell who was dead",
  },
  { seed: 50436, found: "so a gateway that was paused while it started took its own mail out of the spool" },
  {
    seed: 3000743,
    found:
      "an engine that failed while a claim was found to be lost left it to be attempted, without its doubt",
  },
  {
    seed: 3002283,
    found: "a repeat, 250, of what a gateway had that died while another id of the submission was waited for",
  },
];
