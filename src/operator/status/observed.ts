// What a gateway in mode "observe" says of itself, for the screen and for the page. Pure.
import { countOf } from "../../runtime/amounts.ts";
import type { Status } from "./schema.ts";

export interface ObservedText {
  /** What "enforce" would have dropped. */
  readonly repeats: string;
  /** What else it would not have relayed; undefined: nothing. */
  readonly others: string | undefined;
}

export function observedText({
  repeats,
  conflicts,
  doubtful,
  refused,
}: NonNullable<Status["observed"]>): ObservedText {
  const mails = (count: number, what: string): string =>
    `${countOf(count)} ${count === 1 ? "mail" : "mails"} ${what}`;
  const others = [
    ...(conflicts === 0 ? [] : [mails(conflicts, "refused as another one of the same id")]),
    ...(refused === 0 ? [] : [mails(refused, "refused for a missing or bad task id")]),
    ...(doubtful === 0 ? [] : [mails(doubtful, "kept back as in doubt")]),
  ];
  return {
    repeats: `${countOf(repeats)} ${repeats === 1 ? "repeat" : "repeats"} would have been dropped`,
    others: others.length === 0 ? undefined : others.join(", "),
  };
}
