// What the driver and the gateway under test say to each other.
import type { Taken } from "../../src/evidence/evidence.ts";
import type { SmtpTimeouts } from "../../src/upstream/smtp/timeouts.ts";

/**
 * Gateways that are broken on purpose, to show that the count sees it: what they call durable is not, or
 * what they must remove first stays.
 */
export type Defect = "accept unsynced" | "attempt unsynced" | "settlement unsynced" | "filter kept";

/** Known before the start; in the environment, as JSON. */
export interface Plan {
  /** Die at the nth occurrence of this step. */
  readonly step?: string;
  readonly nth?: number;
  /** Milliseconds by which the gateway's clock is ahead of the machine's. */
  readonly clockOffsetMs?: number;
  readonly timeouts?: Partial<SmtpTimeouts>;
  /** A file for the lengths of the stores' logs whenever they are durable. */
  readonly syncNotes?: string;
  readonly defect?: Defect | undefined;
}

export type Order =
  | { readonly kind: "arm"; readonly step: string; readonly nth: number }
  /** As arm, once it has been told to stop. */
  | { readonly kind: "arm-at-stop"; readonly step: string; readonly nth: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "tell-when-dry" }
  /** The upstream says that it took this id. Its answer has the same number, and may come after those of later orders. */
  | { readonly kind: "prove"; readonly number: number; readonly id: string };

/** `waiting`: transmissions that were still not relayed when the patience had ended. */
export type Answer = { readonly kind: "done" } | { readonly kind: "dry"; readonly waiting: number };

export interface Proved {
  readonly kind: "proved";
  readonly number: number;
  readonly said: Taken;
}
