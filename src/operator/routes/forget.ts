// A relayed id whose task may send again.
import { z } from "zod";
import { json, problem, type Route } from "../http/route.ts";
import { reason } from "../reason.ts";
import { bodyOf, deciderOf, NAME_MAX } from "./body.ts";
import type { Running } from "./parts.ts";

const forgetBody = z.strictObject({
  id: z.string().max(NAME_MAX),
  reason: reason.optional(),
  dryRun: z.boolean().optional(),
});

const forgetAnswer = z.looseObject({ id: z.string() });

export const forgetRoutes = (running: Running): Route[] => [
  {
    ...{ method: "POST", path: "/api/v1/forget", needs: "operate" },
    about: { summary: "Has a relayed id forgotten", body: forgetBody, answer: forgetAnswer },
    answer: running(async (asked, { forget }) => {
      const body = await bodyOf(asked, forgetBody);
      if (!body.ok) return body.answer;
      const { id: name, reason, dryRun } = body.value;
      const made = await forget.forget(name, { reason, dryRun, by: deciderOf(asked) });
      if (!made.ok) {
        const { why, fault } = made;
        return { ...problem(why === "unnamed" ? 400 : why === "nothing" ? 404 : 409, fault), more: { why } };
      }
      const { id, relayedAt, wasForgotten } = made;
      return json({ id, relayedAt, wasForgotten });
    }),
  },
];
