// The answer of `reply = "relayed"`: what the upstream said. Over all recipients of a submission: anything
// refused for now makes the whole 451, and a retry is safe, since what was relayed is a repeat; else
// anything refused for good makes it 554, naming whom; else it is 250.
import type { Id } from "../identity/message-id.ts";
import type { Awaiting } from "./answer.ts";
import { type Reply, replies } from "./reply.ts";

/** What became of one transmission; `pending` when that is not known in time. */
export type AwaitedVerdict =
  | { readonly kind: "relayed" | "later" | "doubtful" | "pending" }
  | { readonly kind: "refused"; readonly reply: string };

export interface VerdictSource {
  open(id: Id): void;
  of(id: Id): Promise<AwaitedVerdict> | undefined;
}

/** What is awaited and has no verdict here is at another gateway, which tells its own client only. */
export function createAwaiting(verdicts: VerdictSource): Awaiting {
  return {
    open: (id) => verdicts.open(id),
    async answer(recipients) {
      const told = await Promise.all(
        recipients.map(async ({ id, recipient }) => ({
          recipient,
          verdict: (await verdicts.of(id)) ?? ({ kind: "awaited" } as const),
        })),
      );
      return { ...replyFor(told), each: new Map(told.map((one) => [one.recipient, replyFor([one])])) };
    },
  };
}

interface Told {
  readonly recipient: string;
  readonly verdict: AwaitedVerdict | { readonly kind: "awaited" };
}

function replyFor(told: readonly Told[]): Reply {
  const verdicts = told.map(({ verdict }) => verdict);
  if (verdicts.some((verdict) => verdict.kind === "doubtful")) return replies.doubtful;
  if (verdicts.some((verdict) => verdict.kind === "pending")) return replies.unavailable;
  if (verdicts.some((verdict) => verdict.kind === "awaited")) return replies.awaited;
  if (verdicts.some((verdict) => verdict.kind === "later")) return replies.refusedForNow;
  const refused = told.filter(({ verdict }) => verdict.kind === "refused");
  const [first] = refused;
  if (first?.verdict.kind !== "refused") return replies.relayed(told.length);
  return replies.refusedForGood(
    refused.map(({ recipient }) => recipient),
    first.verdict.reply,
  );
}
