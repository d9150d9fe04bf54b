// The requests that commands make of a gateway, running or not.
import { z } from "zod";
import type { DoubtfulDesk } from "./doubtful.ts";
import type { Handler } from "./socket.ts";

/** Characters of a reason: a sentence or two. */
export const REASON_MAX = 500;

const request = z.discriminatedUnion("request", [
  z.strictObject({ request: z.literal("doubtful.list") }),
  z.strictObject({
    request: z.literal("doubtful.resolve"),
    id: z.string(),
    decision: z.enum(["relayed", "not-relayed"]),
    reason: z.string().max(REASON_MAX).optional(),
  }),
]);

export type OperatorRequest = z.output<typeof request>;

/** Rejects for a request that is none. */
export function createHandler(desk: DoubtfulDesk): Handler {
  return async (value) => {
    const asked = request.parse(value);
    switch (asked.request) {
      case "doubtful.list":
        return await desk.list();
      case "doubtful.resolve":
        return await desk.resolve(asked.id, asked.decision, asked.reason);
    }
  };
}
