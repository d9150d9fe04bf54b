// What was said to clients against what arrived at the upstream.
import type { Arrival } from "./sink.ts";

/** A 250 after a final dot. */
export interface Taken {
  readonly submission: string;
  /** As many mails as it stands for; undefined when it is known only that there is one at least. */
  readonly mails: number | undefined;
}

export interface Heard {
  readonly taken: Taken[];
  /** Message-IDs that were said to be repeats. */
  readonly repeats: string[];
  /** Final dots answered 250 with neither, which must not happen. */
  readonly unknown: string[];
  /** Mails that all of `taken` stands for, at least. */
  mails: number;
}

export const createHeard = (): Heard => ({ taken: [], repeats: [], unknown: [], mails: 0 });

/** @param recipients how many are distinct, where that is known */
export function hear(heard: Heard, text: string, recipients: number | undefined): void {
  const queued = /^2\.0\.0 queued as ([a-z0-9]+)$/.exec(text)?.[1];
  const partly = /^2\.0\.0 (\d+) queued as ([a-z0-9]+), \d+ repeats/.exec(text);
  const repeat = /^2\.0\.0 repeat of (<[^>]+>), not relayed again$/.exec(text)?.[1];
  if (queued !== undefined || partly !== null)
    heard.mails += partly === null ? (recipients ?? 1) : Number(partly[1]);
  if (queued !== undefined) heard.taken.push({ submission: queued, mails: recipients });
  else if (partly !== null) heard.taken.push({ submission: partly[2] as string, mails: Number(partly[1]) });
  else if (repeat !== undefined) heard.repeats.push(repeat);
  else if (!/^2\.0\.0 \d+ repeats, not relayed again$/.test(text)) heard.unknown.push(text);
}

export interface Account {
  readonly taken: number;
  readonly repeats: number;
  readonly arrived: number;
  /** Mails whose 250 nobody heard: the client had gone. */
  readonly unheard: number;
  readonly faults: readonly string[];
}

/** Mail without a task goes by its own Message-ID, which all its recipients share and others may have too. */
const DERIVED = /^<[a-z2-7]{32}@/;

export function accountFor(heard: Heard, arrivals: readonly Arrival[]): Account {
  const faults = heard.unknown.map((text) => `a 250 to a final dot that says neither: ${text}`);
  const bySubmission = new Map<string, Set<string>>();
  const messageIds = new Set<string>();
  for (const { submission, messageId, recipient } of arrivals) {
    if (DERIVED.test(messageId) && messageIds.has(messageId)) faults.push(`arrived twice: ${messageId}`);
    messageIds.add(messageId);
    const recipients = bySubmission.get(submission) ?? new Set();
    if (recipients.has(recipient)) faults.push(`submission ${submission} arrived twice for ${recipient}`);
    bySubmission.set(submission, recipients.add(recipient));
  }
  const said = new Set<string>();
  for (const { submission, mails } of heard.taken) {
    const arrived = bySubmission.get(submission)?.size ?? 0;
    if (said.has(submission)) faults.push(`two 250s for submission ${submission}`);
    said.add(submission);
    if (arrived === 0 || (mails !== undefined && arrived !== mails)) {
      faults.push(`submission ${submission}: ${mails ?? "some"} taken, ${arrived} arrived`);
    }
  }
  for (const messageId of heard.repeats) {
    if (!messageIds.has(messageId)) faults.push(`a repeat of what did not arrive: ${messageId}`);
  }
  let unheard = 0;
  for (const submission of bySubmission.keys()) if (!said.has(submission)) unheard++;
  return {
    taken: heard.taken.length,
    repeats: heard.repeats.length,
    arrived: arrivals.length,
    unheard,
    faults,
  };
}
