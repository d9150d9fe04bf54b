// The answer to a submission: one reply for all its recipients, as in SMTP, and one for each, as in LMTP (RFC
// 2033 §4.2).
import type { Id } from "../identity/message-id.ts";
import { type Reply, replies } from "./reply.ts";

/** The reply for the whole. */
export type Answer = Reply & {
  /** By recipient, where replies differ; the other recipients get the reply for the whole. */
  readonly each?: ReadonlyMap<string, Reply>;
  /** Of the first recipient, where the mail was claimed, new or not. With angle brackets. */
  readonly messageId?: string | undefined;
};

export interface AnsweredRecipient {
  readonly id: Id;
  readonly recipient: string;
  readonly messageId: string;
}

/** How a submission learns the verdict about its mail. */
export interface Awaiting {
  /** To be called before the claim is accepted. */
  open(id: Id): void;
  /** The verdicts on those recipients of a submission that this or another client waits for. */
  answer(recipients: readonly AnsweredRecipient[]): Promise<Answer>;
}

const eachOf = <One extends { recipient: string }>(
  recipients: readonly One[],
  reply: (one: One) => Reply,
): [string, Reply][] => recipients.map((one) => [one.recipient, reply(one)]);

/**
 * The mail is durable, or a repeat (P4).
 *
 * @param awaited repeats whose fate another client waits for: no 250 can rest on it
 */
export function durableAnswer(
  submission: string,
  queued: readonly AnsweredRecipient[],
  repeats: readonly AnsweredRecipient[],
  awaited: readonly AnsweredRecipient[],
): Answer {
  const durable = durableReply(submission, queued.length, repeats);
  // A retry is safe: queued mail is a repeat then.
  const whole = awaited.length === 0 ? durable : replies.awaited;
  // All get the same.
  if (queued.length + repeats.length + awaited.length === 1) return whole;
  if (repeats.length + awaited.length === 0) return whole;
  return {
    ...whole,
    each: new Map([
      ...eachOf(queued, () => replies.queued(submission)),
      ...eachOf(repeats, ({ messageId }) => replies.repeat(messageId)),
      ...eachOf(awaited, () => replies.awaited),
    ]),
  };
}

function durableReply(submission: string, queued: number, repeats: readonly AnsweredRecipient[]): Reply {
  if (repeats.length === 0) return replies.queued(submission);
  return queued > 0 ? replies.partlyQueued(submission, queued, repeats.length) : repeatReply(repeats);
}

/** @param repeats at least one */
function repeatReply(repeats: readonly AnsweredRecipient[]): Reply {
  const [first] = repeats;
  return repeats.length === 1 && first !== undefined
    ? replies.repeat(first.messageId)
    : replies.repeats(repeats.length);
}

/** The recipients of a submission whose client waits for the upstream, by their state. */
export interface Awaited {
  readonly queued: readonly AnsweredRecipient[];
  /** Repeats of mail that was relayed, or that a gateway is bound to relay or report. */
  readonly repeats: readonly AnsweredRecipient[];
  /** Repeats whose verdict another client waits for. */
  readonly awaited: readonly AnsweredRecipient[];
  /** Doubtful, and held. */
  readonly withheld: readonly AnsweredRecipient[];
}

export async function verdictAnswer(
  awaiting: Awaiting,
  { queued, repeats, awaited, withheld }: Awaited,
): Promise<Answer> {
  const { each, ...whole } = await awaiting.answer([...queued, ...awaited]);
  const relayed = awaited.filter(({ recipient }) => each?.get(recipient)?.code === 250);
  const repeated = [...repeats, ...relayed];
  return {
    ...replyOver(whole, queued.length, repeated, withheld.length),
    each: new Map([
      ...(each ?? []),
      ...eachOf(repeated, ({ messageId }) => replies.repeat(messageId)),
      ...eachOf(withheld, () => replies.doubtful),
    ]),
  };
}

function replyOver(
  verdicts: Reply,
  queued: number,
  repeats: readonly AnsweredRecipient[],
  withheld: number,
): Reply {
  if (withheld > 0) return replies.doubtful;
  return queued > 0 || repeats.length === 0 || verdicts.code !== 250 ? verdicts : repeatReply(repeats);
}
