// Until when a mail in doubt waits for evidence, and what policy does then: for lists, the API, pages and explain. Pure.
import type { DoubtfulPolicy } from "../dispatch/doubt.ts";
import { countOf } from "../runtime/amounts.ts";
import { listensUntil, type SpooledTransmission } from "../spool/record.ts";

/** Both, or neither: nothing waits for evidence then. */
export interface Listens {
  /** Policy leaves it alone until then, so that evidence may come; RFC 3339. */
  readonly listensUntil?: string;
  /** What policy does then. */
  readonly policy?: DoubtfulPolicy;
}

export function listensOf(transmission: SpooledTransmission, policy: DoubtfulPolicy): Listens {
  const until = listensUntil(transmission);
  return until === undefined ? {} : { listensUntil: new Date(until).toISOString(), policy };
}

/** Only the queues of SES's events have a wait. @returns "3 wait for SES's events" */
export const waits = (count: number): string =>
  `${countOf(count)} ${count === 1 ? "waits" : "wait"} for SES's events`;

/** What happens when none has come. */
export const THEN: Readonly<Record<DoubtfulPolicy, string>> = {
  resend: "it is sent again, with the same Message-ID",
  hold: "it is held until somebody decides, and SES's events still settle it",
  drop: "it counts as relayed",
};
