// Draining: the gateway takes no more mail, and ends when nothing is left.
import { z } from "zod";
import { REASON_MAX } from "../doubtful.ts";
import { json, type Route } from "../http/route.ts";
import { bodyOf, deciderOf } from "./body.ts";
import type { Running } from "./parts.ts";

const drainBody = z.strictObject({ reason: z.string().max(REASON_MAX).optional() });

export const drainRoutes = (running: Running): Route[] => [
  {
    ...{ method: "POST", path: "/api/v1/drain", needs: "operate" },
    answer: running(async (asked, { draining }) => {
      const body = await bodyOf(asked, drainBody);
      if (!body.ok) return body.answer;
      const { since, wasDraining } = draining.begin({ reason: body.value.reason, by: deciderOf(asked) });
      return json({ since: new Date(since).toISOString(), wasDraining });
    }),
  },
];
