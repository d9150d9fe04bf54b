// What was said to clients against what arrived at the upstream.
import { numberIn } from "./api/calls.ts";
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
  /** Message-IDs in the API's answers 200, without angle brackets. */
  readonly sent: string[];
  /** What became of each call, by its number. */
  readonly calls: CallEnd[];
  /** Mails that all of `taken` and `sent` stand for, at least. */
  mails: number;
}

/** "unheard": the client was gone before the answer, or nobody knows where its request ended. */
type CallEnd = "taken" | "refused" | "unheard";

export const createHeard = (): Heard => ({
  ...{ taken: [], repeats: [], unknown: [], sent: [], calls: [] },
  mails: 0,
});

/** @param said the Message-ID of an answer 200; undefined where the call was refused, or is no mail */
export function hearCall(heard: Heard, number: number, said: string | "unheard" | undefined): void {
  const before = heard.calls[number];
  if (said === undefined) heard.calls[number] = before ?? "refused";
  else if (said === "unheard") heard.calls[number] = said;
  else {
    heard.sent.push(said);
    heard.mails++;
    if (before !== "unheard") heard.calls[number] = "taken";
  }
}

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
  const sent = new Set<string>();
  for (const messageId of heard.sent) {
    if (!sent.has(messageId) && !messageIds.has(`<${messageId}>`)) {
      faults.push(`an answer 200 for what did not arrive: ${messageId}`);
    }
    sent.add(messageId);
  }
  const answered = new Set<string>();
  for (const { submission, messageId } of arrivals) {
    if (sent.has(messageId.slice(1, -1))) answered.add(submission);
  }
  let unheard = 0;
  for (const [submission, recipients] of bySubmission) {
    if (said.has(submission) || answered.has(submission)) continue;
    unheard++;
    const numbers = [...recipients].flatMap((recipient) => numberIn(recipient) ?? []);
    const end = numbers.length === 0 ? "unheard" : heard.calls[numbers[0] as number];
    if (end !== "unheard") {
      faults.push(`submission ${submission} for ${[...recipients]} of call ${numbers[0]}, which was ${end}`);
    }
  }
  return {
    taken: heard.taken.length + sent.size,
    repeats: heard.repeats.length + heard.sent.length - sent.size,
    arrived: arrivals.length,
    unheard,
    faults,
  };
}
