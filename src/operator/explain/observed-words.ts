// What mode "observe" has relayed and "enforce" would not have, in words. Pure.
import type { Would } from "../../history/prevented.ts";

/** As much of it as who asks may see. */
export interface ShownObserved {
  readonly would?: Would | undefined;
  readonly first?: string | undefined;
  readonly copy?: string | undefined;
}

const WOULD: Readonly<Record<Would, { readonly what: string; readonly become: string }>> = {
  repeat: { what: "a repeat", become: "dropped" },
  conflict: { what: "another mail under its id", become: "refused" },
  doubtful: { what: "a mail in doubt, submitted again", become: "kept back" },
  refused: { what: "a mail whose task id is missing or bad", become: "refused" },
};

/** An event of the first mail, or of the copy. */
export function observedWords({ would = "repeat", first, copy }: ShownObserved): string {
  const { what, become } = WOULD[would];
  if (copy !== undefined)
    return `${what} was relayed too, as ${copy}; enforced, it would have been ${become}`;
  const of = first === undefined ? "" : ` (the first one is ${first})`;
  return `observed as ${what}${of}; enforced, it would have been ${become}`;
}

/** Of the first mail: how many were relayed beside it; undefined: none. */
export function besideWords(events: readonly ShownObserved[]): string | undefined {
  const copies = events.filter(({ copy }) => copy !== undefined);
  if (copies.length === 0) return undefined;
  const repeats = copies.filter(({ would }) => would === "repeat").length;
  const others = copies.length - repeats;
  const parts = [
    ...(repeats === 0 ? [] : [`${repeats} repeat${repeats === 1 ? "" : "s"}`]),
    ...(others === 0 ? [] : [`${others} other mail${others === 1 ? "" : "s"} of its id`]),
  ];
  return `${parts.join(" and ")} relayed too, in mode observe`;
}

/** Of the copy; undefined: it is none. */
export function copyWords(events: readonly ShownObserved[]): string | undefined {
  const own = events.find(({ copy }) => copy === undefined);
  if (own === undefined) return undefined;
  const words = observedWords(own);
  return ` ${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}
