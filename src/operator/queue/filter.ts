// Which mails of the queue are meant: the same filters in commands and over HTTP.
import { z } from "zod";
import { canonicalRecipient } from "../../address/recipient.ts";
import { domain, duration } from "../../config/values.ts";
import type { QueueState } from "../../dispatch/queue-state.ts";
import type { SpooledTransmission, Submission } from "../../spool/record.ts";

/** ended: it only waits for its report, and is not in the queue any more. */
export const STATES = ["due", "waiting", "underway", "held", "ended"] as const satisfies readonly (
  | QueueState
  | "ended"
)[];
export type ListedState = (typeof STATES)[number];

/** Characters of a value. */
const VALUE_MAX = 998;

const text = z.string().min(1).max(VALUE_MAX);

const address = text.transform((value, context) => {
  const canonical = canonicalRecipient(value);
  if (canonical.ok) return canonical.recipient;
  context.addIssue({ code: "custom", message: canonical.fault });
  return z.NEVER;
});

/** All of them are optional; a mail is meant if each one that is given fits. */
export const filterShape = {
  /** The recipient. */
  to: address.optional(),
  /** The reverse-path; "<>" is the null one. */
  from: z.union([z.literal("<>").transform(() => ""), address]).optional(),
  /** That of the recipient. */
  domain: domain.optional(),
  task: text.optional(),
  /** A name of the configuration: mail that may go by it. */
  upstream: text.optional(),
  /** Who submitted it. */
  user: text.optional(),
  state: z.enum(STATES).optional(),
  /** It was accepted, or freed by an operator, so long ago. */
  older: duration.optional(),
};

export const filterSchema = z.strictObject(filterShape);

/** As it is written. */
export type FilterInput = z.input<typeof filterSchema>;
export type QueueFilter = z.output<typeof filterSchema>;

/** What a filter looks at, beside the record. */
export interface Seen {
  readonly state: ListedState;
  /** The name of its lane. */
  readonly upstream: string;
}

const canonicalOf = (path: string): string => {
  const canonical = canonicalRecipient(path);
  return canonical.ok ? canonical.recipient : path;
};

/** Whether all but `needsSubmission` fits. */
export function fits(
  filter: QueueFilter,
  transmission: SpooledTransmission,
  seen: Seen,
  now: number,
): boolean {
  const { to, domain: host, upstream, state, older } = filter;
  if (state === undefined ? seen.state === "ended" : seen.state !== state) return false;
  if (older !== undefined && now - transmission.acceptedAt < older) return false;
  if (upstream !== undefined && seen.upstream !== upstream && !seen.upstream.split(", ").includes(upstream)) {
    return false;
  }
  if (to === undefined && host === undefined) return true;
  const recipient = canonicalOf(transmission.recipient);
  return (to === undefined || recipient === to) && (host === undefined || recipient.endsWith(`@${host}`));
}

/** Some of it is known of the submission only, which costs another read. */
export const needsSubmission = ({ from, task, user }: QueueFilter): boolean =>
  from !== undefined || task !== undefined || user !== undefined;

export const fitsSubmission = (
  { from, task, user }: QueueFilter,
  submission: Submission | undefined,
): boolean =>
  (from === undefined || (submission !== undefined && canonicalOf(submission.reversePath) === from)) &&
  (task === undefined || submission?.task === task) &&
  (user === undefined || submission?.submitter?.user === user);

/** What the lanes know without reading a mail: nothing else is asked for. */
export const isOfLanes = ({ state, upstream, ...others }: QueueFilter): boolean =>
  state !== "ended" && Object.values(others).every((value) => value === undefined);

/** The filter as it is written. */
export function inputOf({ from, older, ...others }: QueueFilter): FilterInput {
  return {
    ...others,
    ...(from === undefined ? {} : { from: from === "" ? "<>" : from }),
    ...(older === undefined ? {} : { older: older % 1_000 === 0 ? `${older / 1_000}s` : `${older}ms` }),
  };
}
