// Whether a mail is in a loop (RFC 5321 §6.3): by the number of its Received fields, and by those that this
// gateway wrote itself. Host names don't show it: two gateways may have the same, and one may have two.
import type { HeaderField } from "./header.ts";

/**
 * A mail may come back: a list server that hands on through the same gateway sends it a second time. Nothing that
 * works sends it a fourth time.
 */
const OWN_MAX = 3;

export type Loop = "too-many-hops" | "own-trace";

/** The mark of this gateway in its Received fields: a comment with the random name of its data folder. */
export const traceMark = (name: string): string => `(mailonce ${name})`;

/**
 * The evidence that the mail is in a loop, or undefined.
 *
 * @param hopsMax Received fields that are allowed
 * @param traceName of this gateway
 */
export function loopOf(fields: readonly HeaderField[], hopsMax: number, traceName: string): Loop | undefined {
  const received = fields.filter(({ name }) => name === "received");
  if (received.length > hopsMax) return "too-many-hops";
  if (received.length < OWN_MAX) return undefined;
  const mark = traceMark(traceName);
  // A server on the way may have folded it anew.
  const own = received.filter((field) =>
    field
      .value()
      .replace(/[ \t]+/g, " ")
      .includes(mark),
  );
  return own.length >= OWN_MAX ? "own-trace" : undefined;
}
