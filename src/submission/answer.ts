// What a submission is answered: one reply for all its recipients, as SMTP has it, and one for each of them,
// as LMTP does (RFC 2033 §4.2).
import type { Id } from "../identity/message-id.ts";
import { type Reply, replies } from "./reply.ts";

/** The reply for the whole. */
export type Answer = Reply & {
  /** By recipient, where recipients hear different things; the others hear the reply for the whole. */
  readonly each?: ReadonlyMap<string, Reply>;
};

export interface AnsweredRecipient {
  readonly id: Id;
  readonly recipient: string;
  readonly messageId: string;
}

/** How a submission hears what became of its mail. */
export interface Awaiting {
  /** To be called before the claim is accepted. */
  open(id: Id): void;
  /** The verdicts on the recipients of a submission; those that nobody was told to wait for count as relayed. */
  answer(recipients: readonly AnsweredRecipient[]): Promise<Answer>;
}

const eachOf = <One extends { recipient: string }>(
  recipients: readonly One[],
  reply: (one: One) => Reply,
): [string, Reply][] => recipients.map((one) => [one.recipient, reply(one)]);

/** The mail is durable, or a repeat (P4). */
export function durableAnswer(
  submission: string,
  queued: readonly AnsweredRecipient[],
  repeats: readonly AnsweredRecipient[],
): Answer {
  const whole = durableReply(submission, queued.length, repeats);
  // All hear the same.
  if (repeats.length === 0 || queued.length + repeats.length === 1) return whole;
  return {
    ...whole,
    each: new Map([
      ...eachOf(queued, () => replies.queued(submission)),
      ...eachOf(repeats, ({ messageId }) => replies.repeat(messageId)),
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

/** How the recipients of a submission stand whose client waits for the upstream. */
export interface Awaited {
  readonly queued: readonly AnsweredRecipient[];
  /** Repeats of what was relayed, or is on its way. */
  readonly repeats: readonly AnsweredRecipient[];
  /** Those of the repeats that are on their way. */
  readonly underway: readonly AnsweredRecipient[];
  /** Doubtful, and held. */
  readonly withheld: readonly AnsweredRecipient[];
}

export async function verdictAnswer(
  awaiting: Awaiting,
  { queued, repeats, underway, withheld }: Awaited,
): Promise<Answer> {
  const { each, ...whole } = await awaiting.answer([...queued, ...underway]);
  const relayed = (reply: Reply | undefined): boolean => reply === undefined || reply.code === 250;
  return {
    ...replyOver(whole, queued.length, repeats, withheld.length),
    each: new Map([
      ...(each ?? []),
      ...eachOf(
        repeats.filter(({ recipient }) => relayed(each?.get(recipient))),
        ({ messageId }) => replies.repeat(messageId),
      ),
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
