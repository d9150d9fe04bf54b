// What becomes of one submission: derive, claim, spool, answer. The order is what the promises rest on:
// claimed before it is spooled (P1), durable before 250 (P4), and nothing of a refused mail is kept (P9).

import type { Policy } from "../access/policy.ts";
import type { HistoryNotes } from "../history/history.ts";
import { idRightFor, type SenderDomains, senderDomainsOf } from "../identity/id-right.ts";
import type { Id } from "../identity/message-id.ts";
import type { Claim, ClaimResult, Ledger } from "../ledger/ledger.ts";
import { sameBody, sameFromAndSubject } from "../message/digest.ts";
import { fieldValue, fieldValues } from "../message/header.ts";
import { type Loop, loopOf } from "../message/hops.ts";
import type { ReferencesPolicy } from "../message/rewrite.ts";
import { sesNamesOf } from "../message/ses-fields.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log, LogFields } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { makeSubmissionId, type SubmissionId } from "../spool/record.ts";
import type { Spool } from "../spool/spool.ts";
import { type Answer, type Awaiting, durableAnswer, verdictAnswer } from "./answer.ts";
import type { Client, Envelope, SubmissionHandler } from "./contract.ts";
import { createSubmissionCounting, type SubmissionCounters } from "./counting.ts";
import { fingerprintOf } from "./decode.ts";
import { type Doubted, type DoubtfulOptions, resubmitted } from "./doubtful.ts";
import { type Accepted, type Claimed, toSpool } from "./enter.ts";
import { createHints } from "./hints.ts";
import { type Keying, type KeyingOptions, keyByChance, keySubmission } from "./keying.ts";
import { createObservedLog, type Observed, observedVerdict } from "./observed.ts";
import { octetsOf, type ReceivedContent, type ReceiveLimits, receiveContent } from "./receive.ts";
import type { ReceiveBudget } from "./receive-budget.ts";
import { createRepeatLog } from "./repeat-log.ts";
import { type Reply, replies, replyForFailure } from "./reply.ts";
import { createTurns } from "./turns.ts";

export interface AcceptParts {
  readonly ledger: Ledger;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly history: Pick<HistoryNotes, "accepted" | "repeated" | "observed">;
  readonly counters: SubmissionCounters;
  /** Called with each transmission once it is durable. */
  readonly queued: (accepted: Accepted) => void;
  /** Given when clients get the upstream's verdict; else they get 250 once their mail is durable. */
  readonly awaiting: Awaiting | undefined;
  readonly policy: Pick<Policy, "from" | "sesNames" | "namespaceOf">;
  /** What contents being received may hold in memory together. */
  readonly budget: ReceiveBudget;
  /** Whether the disk has room for so many octets of a body more; always when left out. */
  readonly takeRoom?: ((octets: number) => Promise<boolean>) | undefined;
}

export interface AcceptOptions extends KeyingOptions, DoubtfulOptions {
  /** Nothing is dropped or refused for its identity; see observed.ts. */
  readonly observes: boolean;
  readonly hostname: string;
  /** The random name of the data folder, in the trace of each mail. */
  readonly traceName: string;
  /** Received fields that a mail may have. */
  readonly hopsMax: number;
  readonly limits: ReceiveLimits;
  /** What becomes of another mail under a known id; "strict" counts another body as one. */
  readonly conflict: "reject" | "strict" | "drop";
  /** See RewriteOptions; of mail with a task. */
  readonly references: ReferencesPolicy;
  /** See RewriteOptions. */
  readonly keepIdFields: readonly string[];
  /** Log sender and recipients. */
  readonly addresses: boolean;
}

/** One recipient with what the ledger said of its id. */
interface Candidate {
  readonly recipient: string;
  readonly id: Id;
  readonly messageId: string;
  readonly result: ClaimResult;
}

/** One mail transaction, its content received. */
interface Submission {
  readonly id: SubmissionId;
  readonly envelope: Envelope;
  readonly client: Client;
  readonly content: ReceivedContent;
}

/** What is to be done about the recipients of one submission. */
interface Sorted {
  readonly claimed: readonly Claimed[];
  readonly repeats: readonly Candidate[];
  /** Repeats of mail whose verdict another client waits for. */
  readonly awaited: readonly Candidate[];
  /** Doubtful, held, and not in the spool: the client gets that reply, and submits again. */
  readonly withheld: readonly Candidate[];
  /** Of mode "observe": to be relayed under another id. */
  readonly observed: readonly Observed[];
}

export function createSubmissionHandler(parts: AcceptParts, options: AcceptOptions): SubmissionHandler {
  const { ledger, spool, clock, random, log, history, awaiting, policy } = parts;
  /** Of all contents that are decoded for their fingerprints. */
  const turns = createTurns();
  const said = createRepeatLog({ clock, log, history }, options.addresses);
  const observing = createObservedLog({ log, history }, options.addresses);
  const counting = createSubmissionCounting(parts.counters);
  const hintAt = createHints(options, { clock, log });
  const taskFields = new Set([...options.headers, options.partHeader].map((name) => name.toLowerCase()));

  return async (envelope, client, source) => {
    const id = makeSubmissionId(clock.now(), random.octets(4));
    const share = parts.budget.open();
    try {
      const received = await receiveContent(
        source,
        options.limits,
        () => spool.createBody(id),
        share,
        parts.takeRoom,
      );
      const replied = counting.received();
      if (received.kind === "content") {
        return replied(await decideOrFail({ id, envelope, client, content: received.content }));
      }
      const { reply, cause } = received;
      if (cause === undefined) return replied(refuse(id, client, reply));
      log.error("spool.unavailable", { submission: id, error: String(cause) });
      return replied(reply);
    } finally {
      share.close();
    }
  };

  function refuse(submission: SubmissionId, { address, user }: Client, reply: Reply): Reply {
    log.warn("submission.refused", { submission, reply: reply.text, client: address, user });
    return reply;
  }

  async function decideOrFail(submission: Submission): Promise<Answer> {
    try {
      return await decide(submission);
    } catch (error) {
      const cause = error instanceof Error ? error.stack : String(error);
      log.error("submission.failed", { submission: submission.id, error: cause });
      return replyForFailure(error);
    }
  }

  async function decide(submission: Submission): Promise<Answer> {
    const { id, envelope, client, content } = submission;
    /** What has to be given up unless the mail enters the spool. */
    let claims: readonly Claim[] = [];
    let entering = false;
    try {
      const now = clock.now();
      const loop = loopOf(content.fields, options.hopsMax, options.traceName);
      if (loop !== undefined) return refuse(id, client, loopReply(loop, options.hopsMax));
      const notTheirs = policy.from(client.user, fieldValues(content.fields, "from"));
      if (notTheirs !== undefined) return refuse(id, client, replies.notAllowed(notTheirs.reason));
      const notNamed = policy.sesNames(client.user, sesNamesOf(content.fields));
      if (notNamed !== undefined) return refuse(id, client, replies.notAllowed(notNamed.reason));
      const namespace = policy.namespaceOf(client.user);
      const keyed = await keySubmission(content.fields, envelope, namespace, options, random, now, () =>
        fingerprintOf(
          octetsOf(content, () => spool.readBody(id)),
          turns,
        ),
      );
      const refusal = "code" in keyed ? keyed : undefined;
      if (refusal !== undefined && !options.observes) return refuse(id, client, refusal);
      const keying = "code" in keyed ? keyByChance(content.fields, random) : keyed;
      hintAt(id, client.user, content, keying);
      const facts = { submission: id, task: keying.task };
      const from = fieldValue(content.fields, "from");
      const sender = senderDomainsOf({ from, reversePath: envelope.reversePath });
      const candidates = await claimAll(keying, sender, submission, envelope.recipients);
      claims = candidates.flatMap(({ result }) => (result.kind === "repeat" ? [] : [result.claim]));
      const conflicts = keying.canConflict ? candidates.filter((one) => isConflict(one, content)) : [];
      if (conflicts.length > 0 && !options.observes) {
        log.warn("submission.conflict", { ...facts, policy: options.conflict });
        if (options.conflict !== "drop") {
          counting.conflicts(conflicts.length, keying);
          return replies.conflict(options.partHeader);
        }
      }
      if (keying.canConflict) said.doubtful(candidates, content.digest, facts);

      const apart = options.observes
        ? await setApart(candidates, conflicts)
        : await sortOut(candidates, facts);
      claims = apart.claimed.map(({ claim }) => claim);
      const besides = await claimBeside(apart.observed, sender, submission);
      const sorted = { ...apart, claimed: [...apart.claimed, ...besides] };
      claims = sorted.claimed.map(({ claim }) => claim);
      said.repeats([...sorted.repeats, ...sorted.awaited], content.digest, facts, keying);
      if (sorted.claimed.length > 0) {
        entering = true;
        await enter(submission, now, keying, sender, sorted);
      }
      counting.decided(sorted, keying);
      for (const [index, one] of sorted.observed.entries()) {
        observing.observed(one, besides[index] as Claimed, content.digest, facts);
      }
      if (refusal !== undefined) {
        observing.refused(sorted.claimed, refusal, {
          submission: id,
          client: client.address,
          user: client.user,
        });
        counting.wouldBeRefused(sorted.claimed.length);
      }
      claims = [];
      return { ...(await answerTo(id, awaiting, sorted)), messageId: messageIdOfFirst(candidates, besides) };
    } finally {
      if (claims.length > 0) await ledger.release(claims);
      // Once it was to enter, the spool looks after the body, also when that failed.
      if (!entering && content.body === undefined) await spool.removeBody(id);
    }
  }

  /** Claims the id of each recipient; recipients are distinct, so their ids are. */
  async function claimAll(
    keying: Keying,
    sender: SenderDomains,
    { content }: Submission,
    recipients: readonly string[],
  ): Promise<Candidate[]> {
    const idRight = idRightFor(sender, options.hostname);
    const named = recipients.map((recipient) => {
      const id = keying.idFor(recipient);
      return { recipient, id, messageId: keying.messageIdFor(id, idRight) };
    });
    const claimed = { digest: content.digest, since: keying.since };
    const results = await ledger.claim(named.map(({ id }) => ({ id, ...claimed })));
    return named.map(({ recipient, id, messageId }, index) => ({
      recipient,
      id,
      messageId,
      result: results[index] as ClaimResult,
    }));
  }

  /** Another mail under the same id: From or Subject differ. The body may, since a retry renders it anew. */
  function isConflict({ result }: Candidate, content: ReceivedContent): boolean {
    if (result.kind === "claimed") return false;
    const { digest: first } = result;
    if (!sameFromAndSubject(first, content)) return true;
    return options.conflict === "strict" && !sameBody(first, content.digest);
  }

  /** Applies policy to ids that were attempted before without an answer and are not in the spool. */
  async function sortOut(candidates: readonly Candidate[], facts: LogFields): Promise<Sorted> {
    const claimed: Claimed[] = [];
    const repeats: Candidate[] = [];
    const awaited: Candidate[] = [];
    const withheld: Candidate[] = [];
    const treatmentOf = (one: Doubted) => resubmitted(options, one, clock.now(), awaiting !== undefined);
    for (const candidate of candidates) {
      const { messageId, result } = candidate;
      if (result.kind === "repeat") (result.standing === "awaited" ? awaited : repeats).push(candidate);
      else if (result.kind === "claimed") claimed.push(claimedOf(candidate, result));
      else if (treatmentOf(result) === "withhold") {
        await ledger.release([result.claim]);
        withheld.push(candidate);
      } else if (treatmentOf(result) === "drop") {
        log.warn("transmission.doubtful", { ...facts, messageId, cause: ATTEMPTED_BEFORE, policy: "drop" });
        const isRelayed = (await ledger.settle(result.claim, "relayed")) === "settled";
        if (isRelayed) counting.dropped();
        const { digest } = result;
        const standing = isRelayed ? "relayed" : "awaited";
        // Stale: another gateway has taken it over meanwhile and answers for it, maybe by another policy.
        (isRelayed ? repeats : awaited).push({ ...candidate, result: { kind: "repeat", standing, digest } });
      } else claimed.push(claimedOf(candidate, result));
    }
    return { claimed, repeats, awaited, withheld, observed: [] };
  }

  /** In mode "observe", in place of sorting out: each is relayed, under its own id or under another. */
  async function setApart(
    candidates: readonly Candidate[],
    conflicts: readonly Candidate[],
  ): Promise<Sorted> {
    const claimed: Claimed[] = [];
    const observed: Observed[] = [];
    for (const candidate of candidates) {
      const { result } = candidate;
      const isConflict = options.conflict !== "drop" && conflicts.includes(candidate);
      const verdict = observedVerdict(result, isConflict, options, clock.now());
      if (verdict !== undefined) {
        // The ledger keeps the doubt, and the claim is free for whoever ends it.
        if (result.kind === "doubtful") await ledger.release([result.claim]);
        observed.push({ ...candidate, verdict });
      } else if (result.kind !== "repeat") claimed.push(claimedOf(candidate, result));
    }
    return { claimed, repeats: [], awaited: [], withheld: [], observed };
  }

  /** The same recipients, in their order, each under an id of chance. */
  async function claimBeside(
    observed: readonly Observed[],
    sender: SenderDomains,
    submission: Submission,
  ): Promise<Claimed[]> {
    if (observed.length === 0) return [];
    const keying = keyByChance(submission.content.fields, random);
    const recipients = observed.map(({ recipient }) => recipient);
    const candidates = await claimAll(keying, sender, submission, recipients);
    return candidates.map((candidate) => {
      if (candidate.result.kind === "repeat") throw new Error(`${candidate.id}, drawn by chance, is known`);
      return claimedOf(candidate, candidate.result);
    });
  }

  async function enter(
    submission: Submission,
    now: number,
    keying: Keying,
    sender: SenderDomains,
    { claimed, repeats, awaited, observed }: Sorted,
  ): Promise<void> {
    const { envelope, client, content } = submission;
    const entry = toSpool({
      id: submission.id,
      envelope,
      client,
      content,
      now,
      keying,
      sender,
      claimed,
      awaited: awaiting !== undefined,
      hostname: options.hostname,
      traceName: options.traceName,
      taskFields,
      references: options.references,
      keepIdFields: options.keepIdFields,
      isUnmarked: options.observes,
    });
    await spool.accept(entry.submission);
    if (awaiting !== undefined) for (const { id } of claimed) awaiting.open(id);
    ledger.accepted(
      claimed.map(({ claim }) => claim),
      awaiting !== undefined,
    );
    log.info("submission.accepted", {
      submission: submission.id,
      task: keying.task,
      unkeyed: keying.task === undefined ? true : undefined,
      identity: keying.identity === "sdk" ? "sdk" : undefined,
      user: client.user,
      from: options.addresses ? envelope.reversePath : undefined,
      recipients: options.addresses ? envelope.recipients : undefined,
      queued: claimed.length,
      repeats: repeats.length + awaited.length,
      observed: options.observes ? observed.length : undefined,
      size: content.bodySize,
    });
    const { address, user } = client;
    const { task } = keying;
    const { reversePath } = envelope;
    history.accepted({ submission: submission.id, task, client: address, user, reversePath }, claimed);
    for (const accepted of entry.accepted) parts.queued(accepted);
  }
}

const loopReply = (loop: Loop, hopsMax: number): Reply =>
  loop === "own-trace" ? replies.cameBack : replies.tooManyHops(hopsMax);

function claimedOf(
  { recipient, id, messageId }: Candidate,
  result: Exclude<ClaimResult, { kind: "repeat" }>,
): Claimed {
  const { claim, since } = result;
  if (result.kind === "claimed") return { recipient, id, messageId, claim, since };
  return {
    recipient,
    id,
    messageId,
    claim,
    since,
    firstDate: result.firstDate,
    doubtSince: result.changedAt,
  };
}

/** What the first recipient's mail is known by. */
const messageIdOfFirst = ([first]: readonly Candidate[], besides: readonly Claimed[]): string | undefined =>
  besides.find(({ recipient }) => recipient === first?.recipient)?.messageId ?? first?.messageId;

const ATTEMPTED_BEFORE = "attempted before without an answer";

const answerTo = (submission: SubmissionId, awaiting: Awaiting | undefined, sorted: Sorted) => {
  const { claimed, repeats, awaited, withheld } = sorted;
  if (awaiting === undefined) return durableAnswer(submission, claimed, repeats, awaited);
  return verdictAnswer(awaiting, { queued: claimed, repeats, awaited, withheld });
};
