// The state of the gateway, as a whole and of its upstreams.
import { z } from "zod";
import { json, type Route } from "../http/route.ts";
import { maskedStatus, maskedUpstream } from "../status/masked.ts";
import { statusSchema, upstreamSchema } from "../status/schema.ts";
import type { Running } from "./parts.ts";

export const statusRoutes = (running: Running): Route[] => [
  {
    ...{ method: "GET", path: "/api/v1/status", needs: "visitor" },
    about: { summary: "The state of the gateway", answer: statusSchema },
    answer: running(async ({ asker }, { status }) => {
      const found = await status.read();
      return json(asker.role === "visitor" ? maskedStatus(found) : found);
    }),
  },
  {
    ...{ method: "GET", path: "/api/v1/upstreams", needs: "visitor" },
    about: {
      summary: "The upstreams, and what keeps each from taking mail",
      answer: z.object({ upstreams: z.array(upstreamSchema) }),
    },
    answer: running(async ({ asker }, { status }) => {
      const { upstreams } = await status.read();
      return json({ upstreams: asker.role === "visitor" ? upstreams.map(maskedUpstream) : upstreams });
    }),
  },
];
