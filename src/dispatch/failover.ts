// Several upstreams in order, as one. The next is called only when it is certain that the one before does
// not have the message, and would take no other now either. It tries nothing twice and keeps no message.
import type { Id } from "../identity/message-id.ts";
import type { Log } from "../runtime/log.ts";
import type { Rate } from "../runtime/rate.ts";
import type { Outcome, Transmission, Upstream, UpstreamLimits } from "../upstream/upstream.ts";
import type { BackoffRange } from "./backoff.ts";
import { createPause, type Pause, type PauseParts, pauseFor } from "./pause.ts";

/** One upstream of a list. It may be in several lists: that it takes nothing is found out once for all. */
export interface Member {
  readonly upstream: Upstream;
  readonly rate: Rate;
  readonly pause: Pause;
  readonly log: Log;
  /** An operator has paused it. */
  readonly isStopped: () => boolean;
  /** A single transmission is trying whether it is back. */
  isTried: boolean;
  /** The last one that tried in vain; it is not the next to try, if another comes by. */
  lastTry: Id | undefined;
}

export function createMember(
  upstream: Upstream,
  rate: Rate,
  parts: PauseParts,
  retry: BackoffRange,
  isStopped = (): boolean => false,
): Member {
  const pause = createPause(parts, retry, { upstream: upstream.name }, () => {});
  return { upstream, rate, pause, log: parts.log, isStopped, isTried: false, lastTry: undefined };
}

/** Ends the wait of its pause; any transmission may try, the one that tried in vain too. */
export function tryMemberNow(member: Member): void {
  member.lastTry = undefined;
  member.pause.tryNow("by operator");
}

type Down = Extract<Outcome, { kind: "down" }>;

/**
 * After `down` the next one is called, within the same attempt: nothing has left, so the note that was made of the
 * attempt before it (P2) covers the next call too, and a crash in between leaves it doubtful as it would have been.
 * Every other outcome ends the attempt: a doubtful call above all, since the upstream may have the message, and
 * `refused` and `later`, which are answers about this message.
 *
 * An upstream that is down is left out while its pause lasts, and then tried by one
 * transmission at a time. When all are paused all are tried, since nothing better is left; that this does
 * not happen for each message is due to the pause of the lane. One that an operator has paused is never tried.
 *
 * @param members at least one, the preferred first
 */
export function createFailover(members: readonly [Member, ...Member[]]): Upstream & { readonly rate: Rate } {
  const upstreams = members.map(({ upstream }) => upstream);
  const memoryPerOctet = Math.max(...upstreams.map((upstream) => upstream.memoryPerOctet ?? 0));

  const admits = ({ pause, isTried, isStopped }: Member): boolean =>
    !isStopped() && (pause.standing() === "none" || (pause.standing() === "probing" && !isTried));

  /** As `admits`, for this transmission; one that has just tried in vain lets another by, once. */
  const admitsOne = (member: Member, { id }: Transmission): boolean => {
    if (!admits(member)) return false;
    if (member.pause.standing() === "none" || member.lastTry !== id) return true;
    member.lastTry = undefined;
    return false;
  };

  async function callOne(member: Member, transmission: Transmission, signal: AbortSignal): Promise<Outcome> {
    const { upstream, pause, log } = member;
    const isTry = pause.standing() === "probing" && !member.isTried;
    if (isTry) member.isTried = true;
    const mark = pause.mark();
    const outcome = await upstream.transmit(transmission, signal);
    if (isTry) {
      member.isTried = false;
      member.lastTry = transmission.id;
    }
    if (outcome.kind === "down") pause.failed(pauseFor(outcome, false));
    else if (pause.answered(mark)) log.info("dispatch.resumed", { upstream: upstream.name });
    return { upstream: upstream.name, ...outcome };
  }

  async function transmit(transmission: Transmission, signal: AbortSignal): Promise<Outcome> {
    const admitted = members.filter((member) => admitsOne(member, transmission));
    const refusals: Down[] = [];
    for (const [index, member] of (admitted.length > 0 ? admitted : members).entries()) {
      if (member.isStopped()) continue;
      // The lane has taken a token for the first only. Should the next have none, it says so itself.
      if (index > 0) member.rate.take();
      const outcome = await callOne(member, transmission, signal);
      if (outcome.kind !== "down" || signal.aborted) return outcome;
      refusals.push(outcome);
    }
    return allDown(refusals);
  }

  return {
    name: upstreams.map(({ name }) => name).join(", "),
    limits: strictest(upstreams.map(({ limits }) => limits)),
    ...(memoryPerOctet > 0 ? { memoryPerOctet } : {}),
    rate: {
      take: () => (members.find(admits) ?? members.find((one) => !one.isStopped()) ?? members[0]).rate.take(),
    },
    transmit,
    async close() {
      for (const { pause } of members) pause.cancel();
    },
  };
}

/** One outcome for all. Asked again when the first of them may be back, which is soon unless all named a time. */
function allDown(refusals: readonly Down[]): Down {
  const [first] = refusals;
  // An operator has paused each of them since the attempt began.
  if (first === undefined) return { kind: "down", reply: "an operator has paused it" };
  const times = refusals.map(({ retryAfterMs }) => retryAfterMs ?? 0);
  const retryAfterMs = Math.min(...times);
  return {
    kind: "down",
    reply: refusals.length === 1 ? first.reply : repliesOf(refusals),
    ...(retryAfterMs > 0 ? { retryAfterMs } : {}),
  };
}

/** As much as fits into one line of the log and of a report. */
const REPLY_MAX = 500;
const repliesOf = (refusals: readonly Down[]): string =>
  refusals
    .map(({ upstream, reply }) => `${upstream}: ${reply}`)
    .join("; ")
    .slice(0, REPLY_MAX);

/** What every one of them takes: a mail may have to go by any. */
export function strictest(limits: readonly UpstreamLimits[]): UpstreamLimits {
  return {
    messageOctets: Math.min(...limits.map(({ messageOctets }) => messageOctets)),
    lineOctets: Math.min(...limits.map(({ lineOctets }) => lineOctets)),
    smtpUtf8: limits.every(({ smtpUtf8 }) => smtpUtf8),
  };
}
