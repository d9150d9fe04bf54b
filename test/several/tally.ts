// The count over all gateways: what the upstream took of each mail, and whether a line in some gateway's log
// said before a further copy that the mail was doubtful.
import type { Taken } from "../support/message-counts.ts";
import type { LogLine } from "../support/process.ts";
import type { Mail } from "./mailers.ts";

export interface Count {
  readonly mails: number;
  /** The upstream has none of it. */
  readonly lost: number;
  /** Further copies that no line explains. */
  readonly twice: number;
  /** Mails that some gateway said to be doubtful. */
  readonly doubtful: number;
  /** Further copies that such a line explains. */
  readonly copies: number;
  /** What does not agree, one sentence each. */
  readonly faults: readonly string[];
}

export function countOf(mails: readonly Mail[], taken: readonly Taken[], lines: readonly LogLine[]): Count {
  const copiesOf = new Map<string, Taken[]>();
  for (const one of taken) push(copiesOf, one.recipients[0] ?? "", one);
  const doubtsOf = new Map<string, number[]>();
  for (const { event, recipient, time } of lines) {
    if (event === "transmission.doubtful") push(doubtsOf, String(recipient), Date.parse(String(time)));
  }
  const faults: string[] = [];
  let [lost, twice, doubtful, copies] = [0, 0, 0, 0];
  for (const { recipient } of mails) {
    const all = copiesOf.get(recipient) ?? [];
    const doubts = doubtsOf.get(recipient) ?? [];
    if (doubts.length > 0) doubtful++;
    if (all.length === 0) {
      lost++;
      faults.push(`${recipient} is lost: the upstream never got it`);
    }
    if (new Set(all.map(({ messageId }) => messageId)).size > 1) {
      faults.push(`${recipient} was relayed under several Message-IDs`);
    }
    for (const [earlier, { takenAt }] of all.slice(1).entries()) {
      const said = doubts.filter((loggedAt) => loggedAt <= takenAt).length;
      if (said > earlier) copies++;
      else {
        twice++;
        faults.push(
          `${recipient}: copy ${earlier + 2} went with ${said} lines transmission.doubtful before it`,
        );
      }
    }
  }
  return { mails: mails.length, lost, twice, doubtful, copies, faults };
}

function push<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
