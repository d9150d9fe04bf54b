// What became of a mail after its upstream took it, in words. Pure.
import type { MailFate } from "../../history/fate.ts";
import { ANOTHER_GATEWAY, THIS_GATEWAY } from "../../history/history.ts";

/** One fate, as far as who asks may see it. */
export type ShownFate = Pick<MailFate, "kind"> & {
  readonly [Name in
    | "reply"
    | "delayType"
    | "diagnostic"
    | "bounceType"
    | "status"
    | "feedbackType"
    | "reason"]?: string | undefined;
};

/** What became of it; "as" and the upstream's name may follow. */
export const fateWords = (fate: ShownFate): string => WHAT[fate.kind](fate);

/** Of one after a delivery, which most often is an automatic reply. */
export const softBounceWords = ({ bounceType }: ShownFate): string =>
  `a reply that the upstream takes for a bounce${inBrackets(bounceType)}`;

/** What was said about it. */
export function fateText({ reply, diagnostic, status, reason }: ShownFate): string | undefined {
  // The type of the diagnostic; there is no other than this one.
  const said = reply ?? diagnostic?.replace(/^smtp;\s*/i, "") ?? status ?? reason;
  return said === "" ? undefined : said;
}

const WHAT: Readonly<Record<MailFate["kind"], (fate: ShownFate) => string>> = {
  sent: () => "taken by the upstream",
  delivered: () => "delivered",
  delayed: ({ delayType }) => `not delivered yet${inBrackets(delayType)}`,
  bounced: ({ bounceType }) =>
    bounceType === "Permanent" ? "bounced permanently" : `bounced${inBrackets(bounceType)}`,
  complained: ({ feedbackType }) => `complained about${inBrackets(feedbackType)}`,
  rejected: () => "rejected by the upstream",
};

const inBrackets = (word: string | undefined): string =>
  word === undefined || word === "" ? "" : ` (${word})`;

/** By whom a doubt was ended, and as what: a gateway may have done it by its operator's word. */
export const settledWords = (source: string | undefined): { readonly by: string; readonly as: string } =>
  source === ANOTHER_GATEWAY || source === THIS_GATEWAY
    ? { by: `settled by ${source}`, as: "it counts as relayed" }
    : { by: `evidence from ${source}`, as: "the upstream took it" };
