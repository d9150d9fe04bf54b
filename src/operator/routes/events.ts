// What pages show live.
import { problem, type Route } from "../http/route.ts";
import type { Running } from "./parts.ts";

export const eventRoutes = (running: Running): Route[] => [
  {
    ...{ method: "GET", path: "/api/v1/events", needs: "visitor" },
    about: { summary: "What changes, as server-sent events", contentType: "text/event-stream" },
    answer: running(({ asker }, { events }) => {
      const stream = events.open(asker.role);
      return stream === undefined
        ? problem(503, "too many event streams are open", { "Retry-After": "60" })
        : { kind: "stream", stream, contentType: "text/event-stream" };
    }),
  },
];
