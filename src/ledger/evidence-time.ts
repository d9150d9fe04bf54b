// Whether evidence is of the mail that is in doubt, or of an earlier mail of the same id: one that was relayed, and
// forgotten by an operator, or let pass by `since`, or that has expired. Pure.
import { CLOCKS_APART_MS } from "../runtime/clock.ts";

/**
 * @param at when the upstream took what it speaks of, if it says so
 * @param earlier when an earlier mail of the id was relayed, if one was
 * @param forgottenBefore what was relayed before this time may have expired
 */
export function isOfThisMail(
  at: number | undefined,
  earlier: number | undefined,
  forgottenBefore: number,
): boolean {
  if (at === undefined) return earlier === undefined;
  return at >= forgottenBefore && (earlier === undefined || at > earlier + CLOCKS_APART_MS);
}
