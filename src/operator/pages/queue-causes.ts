// Groups mails that wait by why they do: by their last reply, without what differs from one recipient to the next. Pure.
import type { LastReply } from "../queue/words.ts";

export interface Cause {
  /** The reply they share; "…" is what differs. */
  readonly text: string;
  readonly count: number;
  /** Those that wait for a later time, and that a retry has due now: not those in doubt, whose reader may get a second copy. */
  readonly retriable: readonly string[];
}

/** Most mails first. */
export function causesOf(replies: readonly LastReply[]): readonly Cause[] {
  const causes = new Map<string, { text: string; count: number; retriable: string[] }>();
  for (const { id, state, doubtful, lastReply } of replies) {
    if (lastReply === undefined || (state !== "waiting" && state !== "due")) continue;
    const text = causeOf(lastReply);
    const cause = causes.get(text) ?? { text, count: 0, retriable: [] };
    cause.count += 1;
    if (state === "waiting" && doubtful !== true) cause.retriable.push(id);
    causes.set(text, cause);
  }
  return [...causes.values()].sort((one, other) => other.count - one.count);
}

/** Codes of RFC 5321 and RFC 3463, alone or as one word. */
const CODES = /^(?:[245]\d\d(?:-[245]\.\d{1,3}\.\d{1,3})?|[245]\.\d{1,3}\.\d{1,3})$/;

/** A word, and the punctuation around it. */
const WORD = /^([<>()[\]{}"',;:=]*)(.*?)([<>()[\]{}"',;:=.!?]*)$/su;

/** An address, a place, a number, or an id. */
const VARIES = /[@\d]|:\/\//;

/** Word by word, so that it takes no longer for odd texts. */
export function causeOf(reply: string): string {
  const words = reply
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((whole) => {
      const [, before = "", word = "", after = ""] = WORD.exec(whole) ?? [];
      return VARIES.test(word) && !CODES.test(word) ? `${before}…${after}` : whole;
    });
  return words.filter((word, at) => word !== "…" || words[at - 1] !== "…").join(" ");
}
