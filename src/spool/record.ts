// The octets of the spool: keys and values of its store. Pure.
//
//   s<submission>                 → a Submission as JSON, then the header, then a body kept in place
//   b<submission>                 → a BodyFile as JSON, where the body has a file of its own
//   t<submission>/<index>         → a SpooledTransmission as JSON
//   k                             → ledger and identity of the last start (ledger/last-start.ts)
//   p                             → upstreams that an operator has paused (dispatch/operator-pauses.ts)
//
// Submission ids begin with the time; in base32, whose digits come after its letters and sort before them, so the store's
// order is not that of acceptance.

import type { SenderDomains } from "../identity/id-right.ts";
import type { Id } from "../identity/message-id.ts";
import type { MailRequest, RecipientRequest } from "../message/notify.ts";
import type { PreparedHeader } from "../message/rewrite.ts";
import { encodeBase32 } from "../runtime/base32.ts";
import { bufferOf } from "../runtime/buffer-view.ts";
import { shortText } from "../runtime/short-text.ts";

/** 16 characters of base32: 6 octets of time, 4 of chance. Named in the reply and in the log. */
export type SubmissionId = string;

/** What all transmissions of one mail transaction share. */
export interface Submission extends MailRequest {
  readonly id: SubmissionId;
  /** Milliseconds since the epoch. */
  readonly acceptedAt: number;
  /** Without angle brackets; empty for the null reverse-path. */
  readonly reversePath: string;
  /** For the log; absent when the submission was unkeyed. */
  readonly task?: string | undefined;
  /** Absent in a report, and in older records. */
  readonly submitter?: StoredSubmitter | undefined;
  /** A report of ours. */
  readonly report?: true;
  /** The header as it will leave, but for its octets and the fields of each transmission. */
  readonly header: Omit<PreparedHeader, "octets">;
  readonly headerSize: number;
  readonly bodySize: number;
  readonly bodyIn: "record" | "file";
  readonly eightBit: boolean;
}

/** One recipient's share of a submission; with what dispatch has to know of it without reading the content. */
export interface SpooledTransmission extends Partial<LastAttempt> {
  readonly id: Id;
  /** With angle brackets. */
  readonly messageId: string;
  /** Its submission named no task. */
  readonly unkeyed?: true | undefined;
  readonly recipient: string;
  /** That of its submission, kept here too so that a lost content can be reported; older records have none. */
  readonly reversePath?: string;
  /** Octets of the content, but for the fields of each transmission. */
  readonly size: number;
  /** Whose mail it is; every attempt is routed by it. */
  readonly sender: SenderDomains;
  /** The digest of the claim, as hexadecimal digits: the claim is made again at the next start. */
  readonly digest: string;
  /** See ClaimRequest.since; kept so that the next start makes the same claim. */
  readonly since?: number | undefined;
  /** The first Date of an id that was attempted before under another submission. */
  readonly firstDate?: string | undefined;
  /** When its submission was accepted, milliseconds since the epoch. */
  readonly acceptedAt: number;
  /** Attempts that have ended without the mail being relayed. */
  readonly attempts: number;
  /** Not before this, milliseconds since the epoch. */
  readonly dueAt: number;
  /** It waits for evidence or an operator, and is not attempted; see `holdOf`. */
  readonly held?: true;
  /** Why it is held; says nothing of what is not. */
  readonly hold?: Hold;
  /**
   * It is held for its doubt until this time only, so that evidence may come: milliseconds since the epoch. Policy acts
   * then. Says nothing of what is not held.
   */
  readonly evidenceUntil?: number;
  /** An operator has decided that it is attempted again although it is in doubt, whatever the policy is. It is for one attempt. */
  readonly resend?: true;
  /** The client did not get 250: it waits for the verdict, or submits again. */
  readonly awaited?: true | undefined;
  /** Which notifications the client asked for. */
  readonly request?: RecipientRequest | undefined;
  /** The reverse-path has a notification that it takes longer. */
  readonly warned?: true;
  /** It has ended, and stays for its report: nothing is attempted any more, and no claim is held. */
  readonly ended?: Ending;
}

/** doubt: the upstream may have it. operator: a person decided that it waits. */
export type Hold = "doubt" | "operator";

/** What is kept of the attempt that ended last, for people. Nothing is decided by it. */
export interface LastAttempt {
  /** What the upstream said, or what kept it from saying anything: a line of at most 200 octets. */
  readonly lastReply: string;
  /** Milliseconds since the epoch. */
  readonly lastAttemptAt: number;
  readonly lastUpstream: string;
}

/** How a transmission ended that is to be reported to the reverse-path. */
export interface Ending {
  readonly reason: "refused" | "expired" | "lost" | "relayed";
  /** What the upstream said, one line. */
  readonly reply: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Who submitted a mail: what they may mail, and how much, holds for reports to them too. */
export interface StoredSubmitter {
  readonly address: string;
  readonly user?: string | undefined;
}

/** What the file of a body has to be. */
export interface BodyFile {
  readonly octets: number;
  readonly crc32: number;
}

/** Names one transmission in the spool. */
export interface TransmissionKey {
  readonly submission: SubmissionId;
  readonly index: number;
}

const fromUtf8 = new TextDecoder();

const SUBMISSION = "s";
const BODY = "b";
const TRANSMISSION = "t";

/** Every key of one kind: a prefix is one octet, so the range ends at the next octet. */
const rangeOf = (prefix: string) => ({
  gte: Buffer.from(prefix),
  lt: Buffer.from(String.fromCharCode(prefix.charCodeAt(0) + 1)),
});
export const ALL_SUBMISSIONS = rangeOf(SUBMISSION);
export const ALL_BODIES = rangeOf(BODY);
export const ALL_TRANSMISSIONS = rangeOf(TRANSMISSION);

/** No older mailonce reads or removes these two. */
export const START_KEY: Uint8Array = Buffer.from("k");
export const PAUSES_KEY: Uint8Array = Buffer.from("p");

export const submissionKey = (id: SubmissionId): Uint8Array => Buffer.from(SUBMISSION + id);
export const bodyKey = (id: SubmissionId): Uint8Array => Buffer.from(BODY + id);
/** Of the key of a submission, or of its body. */
export const submissionOfKey = (key: Uint8Array): SubmissionId => fromUtf8.decode(key.subarray(1));

/** Six digits: SMTP has no limit on recipients, but the configuration has. */
export const transmissionKey = ({ submission, index }: TransmissionKey): Uint8Array =>
  Buffer.from(`${TRANSMISSION}${submission}/${String(index).padStart(6, "0")}`);

export function transmissionOfKey(key: Uint8Array): TransmissionKey {
  const [submission = "", index = ""] = fromUtf8.decode(key.subarray(1)).split("/");
  return { submission, index: Number(index) };
}

/** @param random 4 octets */
export function makeSubmissionId(now: number, random: Uint8Array): SubmissionId {
  const octets = Buffer.alloc(10);
  octets.writeUIntBE(now, 0, 6);
  octets.set(random.subarray(0, 4), 6);
  return encodeBase32(octets);
}

export function encodeSubmission(
  submission: Submission,
  header: Uint8Array,
  body: Uint8Array | undefined,
): Uint8Array {
  const json = JSON.stringify(submission);
  const jsonOctets = Buffer.byteLength(json);
  const bodyOctets = body?.length ?? 0;
  const value = Buffer.allocUnsafe(4 + jsonOctets + header.length + bodyOctets);
  value.writeUInt32BE(jsonOctets);
  value.write(json, 4);
  value.set(header, 4 + jsonOctets);
  if (body !== undefined) value.set(body, 4 + jsonOctets + header.length);
  return value;
}

export interface StoredSubmission {
  readonly submission: Submission;
  readonly header: PreparedHeader;
  /** Undefined when the body has a file of its own. */
  readonly body: Uint8Array | undefined;
}

/** @throws when the octets are not all there */
export function decodeSubmission(value: Uint8Array): StoredSubmission {
  const octets = bufferOf(value);
  const headerAt = 4 + octets.readUInt32BE();
  const submission = JSON.parse(octets.toString("utf8", 4, headerAt)) as Submission;
  const bodyAt = headerAt + submission.headerSize;
  const size = bodyAt + (submission.bodyIn === "record" ? submission.bodySize : 0);
  if (size !== octets.length) throw new Error(`it has ${octets.length} octets in place of ${size}`);
  return {
    submission,
    header: { octets: octets.subarray(headerAt, bodyAt), ...submission.header },
    body: submission.bodyIn === "record" ? octets.subarray(bodyAt) : undefined,
  };
}

export const encodeTransmission = (transmission: SpooledTransmission): Uint8Array =>
  Buffer.from(JSON.stringify(transmission));

export const decodeTransmission = (value: Uint8Array): SpooledTransmission =>
  JSON.parse(fromUtf8.decode(value)) as SpooledTransmission;

export const encodeBodyFile = (body: BodyFile): Uint8Array => Buffer.from(JSON.stringify(body));

export const decodeBodyFile = (value: Uint8Array): BodyFile => JSON.parse(fromUtf8.decode(value)) as BodyFile;

/** Octets; a reply of some lines is cut. */
export const LAST_REPLY_MAX = 200;

export const lastAttemptOf = (upstream: string, reply: string, at: number): LastAttempt => ({
  lastReply: shortText(reply, LAST_REPLY_MAX),
  lastAttemptAt: at,
  lastUpstream: shortText(upstream, LAST_REPLY_MAX),
});

/**
 * Why it is held, if it is. An older mailonce holds without saying why, for a doubt; and it leaves the reason there when
 * it frees what this one held.
 */
export const holdOf = ({ held, hold }: SpooledTransmission): Hold | undefined =>
  held === true ? (hold ?? "doubt") : undefined;

/** The transmission when nothing holds it back any more: due now, and its lifetime begins anew. */
export const freed = (transmission: SpooledTransmission, now: number): SpooledTransmission => ({
  ...unheld(transmission),
  acceptedAt: now,
  dueAt: now,
});

export function unheld(transmission: SpooledTransmission): SpooledTransmission {
  const { held: _, hold: __, evidenceUntil: ___, ...free } = transmission;
  return free;
}

/** Until when it waits for evidence, if it does. */
export const listensUntil = (transmission: SpooledTransmission): number | undefined =>
  holdOf(transmission) === "doubt" ? transmission.evidenceUntil : undefined;
