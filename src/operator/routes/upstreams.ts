// The upstreams, and what keeps them from taking mail.
import { json, type Route } from "../http/route.ts";
import type { Running } from "./parts.ts";

export const upstreamRoutes = (running: Running): Route[] => [
  {
    ...{ method: "GET", path: "/api/v1/upstreams", needs: "visitor" },
    answer: running(({ asker }, { upstreams }) =>
      json({
        upstreams: [...upstreams].map(([name, { name: place }]) =>
          asker.role === "visitor" ? { name } : { name, place },
        ),
      }),
    ),
  },
];
