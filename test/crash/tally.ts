// The count: what clients were told, what the upstream took, what was logged, and whether they agree.

import type { Taken } from "../support/message-counts.ts";
import type { LogLine } from "../support/process.ts";

export type Policy = "resend" | "hold" | "drop";
/** What 250 stands for: durable in the spool, or taken by the upstream. */
export type Reply = "queued" | "relayed";

/** One mail of one task to one recipient, over all its submissions; or the notice about one. */
export interface Tracked {
  /** Unique to it, so that everything about it is found by this. */
  readonly recipient: string;
  /** A client has read 250. */
  answered: boolean;
  /** Times at which the upstream took a copy. */
  readonly copies: number[];
  readonly messageIds: Set<string>;
  /** Times of its lines transmission.doubtful. */
  readonly doubtful: number[];
  /** Lines evidence.settled. */
  proven: number;
  /** A line says that the upstream refused it for good, or an operator. */
  refused: boolean;
  /** Wishes of an operator that it be forgotten, which were granted or may have been. */
  wishes: number;
  /** Times that it was taken for new by that. */
  anew: number;
  /** Times that an operator took it out of the queue, or may have. */
  removals: number;
  /** Times that it was taken for new by that. */
  takenBack: number;
  /** The gateway has forgotten it after 250, which only a notice to the reverse-path may explain. */
  forgotten: boolean;
}

export interface Tally {
  /** Follows what becomes of it from now on. */
  track(recipient: string): Tracked;
  heard(line: LogLine): void;
  took(taken: Taken): void;
  /** The reply to a submission of it. */
  replied(tracked: Tracked, text: string): void;
  /** What does not agree, one sentence each. To be asked when all were redelivered and the queue is dry. */
  faults(tracked: Iterable<Tracked>): string[];
}

export function createTally(policy: Policy, reply: Reply = "queued"): Tally {
  const all = new Map<string, Tracked>();

  function about(recipient: string): Tracked {
    let tracked = all.get(recipient);
    if (tracked === undefined) {
      tracked = {
        recipient,
        answered: false,
        copies: [],
        messageIds: new Set(),
        doubtful: [],
        proven: 0,
        refused: false,
        wishes: 0,
        anew: 0,
        removals: 0,
        takenBack: 0,
        forgotten: false,
      };
      all.set(recipient, tracked);
    }
    return tracked;
  }

  function faultsOf(one: Tracked): string[] {
    const { recipient, copies, doubtful } = one;
    const faults: string[] = [];
    const say = (text: string) => faults.push(`${recipient}: ${text}`);
    if (one.proven > 1) say(`was settled by evidence ${one.proven} times`);
    if (one.messageIds.size > 1) say(`was relayed under ${[...one.messageIds].join(" and ")}`);
    if (one.forgotten && !one.refused) say("was answered 250 and then taken for new");
    if (one.answered && copies.length === 0 && reply === "relayed")
      say("was answered 250, and the upstream never got it");
    else if (one.answered && copies.length === 0 && (policy === "resend" || doubtful.length === 0))
      say(`is lost: 250 was said, the upstream never got it, ${doubtful.length} lines say doubtful`);
    else if (copies.length < 1 + one.anew && (policy === "resend" || doubtful.length === 0) && !one.refused)
      say(`is lost: it was taken for new ${one.anew} times, and the upstream got ${copies.length}`);
    if (policy !== "resend" && copies.length > 1 + one.wishes) say(`was relayed ${copies.length} times`);
    for (const [earlier, takenAt] of copies.slice(1).entries()) {
      const said = doubtful.filter((loggedAt) => loggedAt <= takenAt).length;
      if (said + one.wishes <= earlier)
        say(`copy ${earlier + 2} went with only ${said} lines transmission.doubtful before it`);
    }
    return faults;
  }

  return {
    track: about,
    heard(line) {
      if (typeof line.recipient !== "string") return;
      const tracked = about(line.recipient);
      if (line.event === "transmission.doubtful") tracked.doubtful.push(Date.parse(String(line.time)));
      if (line.event === "evidence.settled") tracked.proven += 1;
      if (line.event === "transmission.refused" && line.permanence === "permanent") tracked.refused = true;
      if (line.event === "operator.bounced") tracked.refused = true;
    },
    took({ recipients: [recipient = ""], takenAt, messageId }) {
      const tracked = about(recipient);
      tracked.copies.push(takenAt);
      tracked.messageIds.add(messageId);
    },
    replied(tracked, text) {
      if (!text.startsWith("250 ")) return;
      if (tracked.answered && !text.includes("repeat of")) {
        if (tracked.anew < tracked.wishes) tracked.anew += 1;
        else if (tracked.takenBack < tracked.removals) tracked.takenBack += 1;
        else tracked.forgotten = true;
      }
      tracked.answered = true;
    },
    faults(tracked) {
      const faults: string[] = [];
      for (const one of tracked) {
        faults.push(...faultsOf(one));
        // A client that waits for the verdict is told of a doubt, for as long as nobody has decided on it.
        const isTold = reply === "relayed" && policy === "hold" && one.doubtful.length > 0;
        if (!one.answered && !isTold) faults.push(`${one.recipient}: was not accepted`);
        if (!one.forgotten) continue;
        const notice = about(noticeOf(one.recipient));
        if (
          notice.copies.length === 0 &&
          !notice.refused &&
          (policy === "resend" || notice.doubtful.length === 0)
        )
          faults.push(`${one.recipient}: refused for good, and nobody was told`);
        faults.push(...faultsOf(notice));
      }
      return faults;
    },
  };
}

/** The reverse-path of a mail: where the notice about it goes. */
export const noticeOf = (recipient: string): string => recipient.replace("@example.com", "@sender.example");
