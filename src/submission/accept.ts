// What becomes of one submission: derive, claim, spool, answer. The order is what the promises rest on:
// claimed before it is spooled (P1), durable before 250 (P4), and nothing kept of what was refused (P9).
import { idRightOf } from "../identity/id-right.ts";
import type { Claim, ClaimResult, Ledger } from "../ledger/ledger.ts";
import { sameBody, sameFromAndSubject } from "../message/digest.ts";
import { fieldValue } from "../message/header.ts";
import { prepare } from "../message/rewrite.ts";
import { receivedValue } from "../message/trace.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { StorageError } from "../runtime/storage.ts";
import { makeSubmissionId, type SpooledTransmission, type SubmissionId } from "../spool/record.ts";
import type { Spool } from "../spool/spool.ts";
import { fingerprintOf } from "./decode.ts";
import { type Keying, type KeyingOptions, keySubmission } from "./keying.ts";
import type { Client, SubmissionHandler } from "./listener.ts";
import { type ReceivedContent, type ReceiveLimits, receiveContent } from "./receive.ts";
import { type Reply, replies } from "./reply.ts";
import type { Envelope } from "./session.ts";

export interface AcceptParts {
  readonly ledger: Ledger;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Told of each transmission once it is durable. */
  readonly queued: (transmission: AcceptedTransmission) => void;
}

export interface AcceptedTransmission {
  readonly key: { readonly submission: SubmissionId; readonly index: number };
  readonly claim: Claim;
  readonly transmission: SpooledTransmission;
  /** Attempted before, under another submission, with no answer: policy decides (P6). */
  readonly doubtful: boolean;
}

export interface AcceptOptions extends KeyingOptions {
  readonly hostname: string;
  readonly limits: ReceiveLimits;
  readonly conflict: "reject" | "drop";
  /** Log sender and recipients. */
  readonly addresses: boolean;
}

/** One recipient on the way through. */
interface Candidate {
  readonly recipient: string;
  readonly id: string;
  readonly messageId: string;
}

export function createSubmissionHandler(parts: AcceptParts, options: AcceptOptions): SubmissionHandler {
  const { ledger, spool, clock, random, log } = parts;

  return async (envelope, client, source) => {
    const id = makeSubmissionId(clock.now(), random.octets(4));
    const received = await receive(id, source);
    if (received.kind === "refused") {
      log.warn("submission.refused", { submission: id, reply: received.reply.text });
      return received.reply;
    }
    const { content } = received;
    let reply: Reply;
    try {
      reply = await decide(id, envelope, client, content);
    } catch (error) {
      reply = replyFor(error);
      log.error("submission.failed", {
        submission: id,
        error: error instanceof Error ? error.stack : String(error),
      });
    }
    return reply;
  };

  /** The disk may fail while the content comes in; the client going away is the caller's concern. */
  async function receive(id: SubmissionId, source: AsyncIterable<Uint8Array>) {
    try {
      return await receiveContent(source, options.limits, () => spool.createBody(id));
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      log.error("spool.unavailable", { submission: id, error: error.message });
      for await (const _ of source);
      return { kind: "refused" as const, reply: replyFor(error) };
    }
  }

  async function decide(
    id: SubmissionId,
    envelope: Envelope,
    client: Client,
    content: ReceivedContent,
  ): Promise<Reply> {
    let claims: readonly Claim[] = [];
    let kept = false;
    try {
      const now = clock.now();
      const keying = await keySubmission(content.fields, envelope.envid, options, random, now, () =>
        fingerprintOf(octetsOf(id, content)),
      );
      if ("code" in keying) {
        log.warn("submission.refused", { submission: id, reply: keying.text });
        return keying;
      }
      const candidates = candidatesOf(keying, envelope, content);
      const { digest } = content;
      const results = await ledger.claim(
        candidates.map((candidate) => ({
          id: candidate.id,
          digest,
          ...(keying.since === undefined ? {} : { since: keying.since }),
        })),
      );
      claims = results.flatMap((result) => (result.kind === "repeat" ? [] : [result.claim]));
      const facts = { submission: id, ...(keying.task === undefined ? {} : { task: keying.task }) };
      if (keying.canConflict && hasConflict(results, digest)) {
        log.warn("submission.conflict", { ...facts, policy: options.conflict });
        if (options.conflict === "reject") return replies.conflict(options.partHeader);
      }
      const repeats = logRepeats(candidates, results, digest, facts);
      if (claims.length === 0) return repeatReply(repeats);

      const accepted = await enterSpool(id, now, keying, envelope, client, content, candidates, results);
      kept = true;
      ledger.accepted(claims);
      log.info("submission.accepted", {
        ...facts,
        ...(options.addresses ? { from: envelope.reversePath, recipients: envelope.recipients } : {}),
        queued: accepted.length,
        repeats: repeats.length,
        size: content.bodySize,
      });
      for (const transmission of accepted) parts.queued(transmission);
      return repeats.length === 0
        ? replies.queued(id)
        : replies.partlyQueued(id, accepted.length, repeats.length);
    } finally {
      if (!kept) {
        if (claims.length > 0) await ledger.release(claims);
        if (content.body === undefined) await spool.removeBody(id);
      }
    }
  }

  /** Distinct ids in the order of RCPT: two recipients may share one only by sharing the address. */
  function candidatesOf(keying: Keying, envelope: Envelope, content: ReceivedContent): Candidate[] {
    const from = fieldValue(content.fields, "from");
    const idRight = idRightOf({ from, reversePath: envelope.reversePath, hostname: options.hostname });
    return envelope.recipients.map((recipient) => {
      const id = keying.idFor(recipient);
      return { recipient, id, messageId: keying.messageIdFor(id, idRight) };
    });
  }

  function logRepeats(
    candidates: readonly Candidate[],
    results: readonly ClaimResult[],
    digest: Uint8Array,
    facts: Readonly<Record<string, unknown>>,
  ): Candidate[] {
    return candidates.filter((candidate, index) => {
      const result = results[index];
      if (result?.kind !== "repeat") return false;
      log.info("transmission.repeat", {
        ...facts,
        messageId: candidate.messageId,
        ...(options.addresses ? { recipient: candidate.recipient } : {}),
        standing: result.standing,
        ...(sameBody(result.digest, digest) ? {} : { bodyDiffers: true }),
      });
      return true;
    });
  }

  async function enterSpool(
    id: SubmissionId,
    now: number,
    keying: Keying,
    envelope: Envelope,
    client: Client,
    content: ReceivedContent,
    candidates: readonly Candidate[],
    results: readonly ClaimResult[],
  ): Promise<AcceptedTransmission[]> {
    const received = receivedValue({
      ...client,
      hostname: options.hostname,
      submissionId: id,
      date: now,
    });
    const { octets, ...header } = prepare(content.fields, {
      received,
      taskFields: [...options.headers, options.partHeader],
      acceptedAt: now,
      keepMessageId: keying.keepMessageId,
    });
    const digest = Buffer.from(content.digest).toString("hex");
    const accepted: AcceptedTransmission[] = [];
    for (const [index, { recipient, id: transmissionId, messageId }] of candidates.entries()) {
      const result = results[index];
      if (result === undefined || result.kind === "repeat") continue;
      accepted.push({
        key: { submission: id, index: accepted.length },
        claim: result.claim,
        doubtful: result.kind === "doubtful",
        transmission: {
          id: transmissionId,
          messageId,
          recipient,
          digest,
          acceptedAt: now,
          attempts: 0,
          dueAt: now,
          ...(keying.since === undefined ? {} : { since: keying.since }),
          ...(result.kind === "doubtful" ? { firstDate: result.firstDate } : {}),
        },
      });
    }
    await spool.accept({
      submission: {
        id,
        acceptedAt: now,
        reversePath: envelope.reversePath,
        ...(keying.task === undefined ? {} : { task: keying.task }),
        ...(envelope.envid === undefined ? {} : { envid: envelope.envid }),
        header,
        headerSize: octets.length,
        bodySize: content.bodySize,
        bodyIn: content.body === undefined ? "file" : "record",
        eightBit: content.eightBit,
      },
      header: octets,
      body: content.body,
      transmissions: accepted.map(({ transmission }) => transmission),
    });
    return accepted;
  }

  /** The message as it came, for the fingerprint. */
  async function* octetsOf(id: SubmissionId, content: ReceivedContent): AsyncGenerator<Uint8Array> {
    for (const field of content.fields) yield field.raw;
    yield Buffer.from("\r\n");
    if (content.body !== undefined) yield content.body;
    else yield* spool.readBody(id);
  }
}

/** Another mail under the same id: From or Subject differ (the body may, a retry renders it anew). */
const hasConflict = (results: readonly ClaimResult[], digest: Uint8Array): boolean =>
  results.some((result) => result.kind !== "claimed" && !sameFromAndSubject(result.digest, digest));

const repeatReply = ([first, ...others]: readonly Candidate[]): Reply =>
  first !== undefined && others.length === 0
    ? replies.repeat(first.messageId)
    : replies.repeats(1 + others.length);

const replyFor = (error: unknown): Reply =>
  error instanceof StorageError && error.code === "full" ? replies.full : replies.unavailable;
