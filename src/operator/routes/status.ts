// The state of the gateway, as a whole and of its upstreams.
import { json, type Route } from "../http/route.ts";
import { maskedStatus, maskedUpstream } from "../status/masked.ts";
import type { Running } from "./parts.ts";

export const statusRoutes = (running: Running): Route[] => [
  {
    ...{ method: "GET", path: "/api/v1/status", needs: "visitor" },
    answer: running(async ({ asker }, { status }) => {
      const found = await status.read();
      return json(asker.role === "visitor" ? maskedStatus(found) : found);
    }),
  },
  {
    ...{ method: "GET", path: "/api/v1/upstreams", needs: "visitor" },
    answer: running(async ({ asker }, { status }) => {
      const { upstreams } = await status.read();
      return json({ upstreams: asker.role === "visitor" ? upstreams.map(maskedUpstream) : upstreams });
    }),
  },
];
