// The answer of `reply = "relayed"`: the upstream's verdict. For all recipients of a submission together: if
// anything was refused for now, the whole is 451, and a retry is safe, since relayed mail is a repeat.
// Otherwise, if anything was refused for good, it is 554 with the recipients. Otherwise it is 250.
import type { Id } from "../identity/message-id.ts";
import type { Awaiting } from "./answer.ts";
import { type Reply, replies } from "./reply.ts";

/** The verdict about one transmission; `pending` when it does not come in time. */
export type AwaitedVerdict =
  | { readonly kind: "relayed" | "later" | "doubtful" | "pending" }
  | { readonly kind: "refused"; readonly reply: string };

export interface VerdictSource {
  open(id: Id): void;
  of(id: Id): Promise<AwaitedVerdict> | undefined;
}

/** An awaited transmission without a verdict here is at another gateway, which tells only its own client. */
export function createAwaiting(verdicts: VerdictSource): Awaiting {
  return {
    open: (id) => verdicts.open(id),
    async answer(recipients) {
      const results = await Promise.all(
        recipients.map(async ({ id, recipient }) => ({
          recipient,
          verdict: (await verdicts.of(id)) ?? ({ kind: "awaited" } as const),
        })),
      );
      return { ...replyFor(results), each: new Map(results.map((one) => [one.recipient, replyFor([one])])) };
    },
  };
}

interface RecipientResult {
  readonly recipient: string;
  readonly verdict: AwaitedVerdict | { readonly kind: "awaited" };
}

function replyFor(results: readonly RecipientResult[]): Reply {
  const verdicts = results.map(({ verdict }) => verdict);
  if (verdicts.some((verdict) => verdict.kind === "doubtful")) return replies.doubtful;
  if (verdicts.some((verdict) => verdict.kind === "pending")) return replies.unavailable;
  if (verdicts.some((verdict) => verdict.kind === "awaited")) return replies.awaited;
  if (verdicts.some((verdict) => verdict.kind === "later")) return replies.refusedForNow;
  const refused = results.filter(({ verdict }) => verdict.kind === "refused");
  const [first] = refused;
  if (first?.verdict.kind !== "refused") return replies.relayed(results.length);
  return replies.refusedForGood(
    refused.map(({ recipient }) => recipient),
    first.verdict.reply,
  );
}
