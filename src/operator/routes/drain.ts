// Draining: the gateway takes no more mail, and ends when nothing is left.
import { z } from "zod";
import { json, type Route } from "../http/route.ts";
import { reason } from "../reason.ts";
import { bodyOf, deciderOf } from "./body.ts";
import type { Running } from "./parts.ts";

const drainBody = z.strictObject({ reason: reason.optional() });

const drainAnswer = z.object({ since: z.iso.datetime(), wasDraining: z.boolean() });

export const drainRoutes = (running: Running): Route[] => [
  {
    ...{ method: "POST", path: "/api/v1/drain", needs: "operate" },
    about: { summary: "Drains the gateway", body: drainBody, answer: drainAnswer },
    answer: running(async (asked, { draining }) => {
      const body = await bodyOf(asked, drainBody);
      if (!body.ok) return body.answer;
      const { since, wasDraining } = draining.begin({ reason: body.value.reason, by: deciderOf(asked) });
      return json({ since: new Date(since).toISOString(), wasDraining });
    }),
  },
];
