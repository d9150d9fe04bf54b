// What pages show live.
import { z } from "zod";
import { problem, type Route } from "../http/route.ts";
import type { Running } from "./parts.ts";
import { queryOf } from "./query.ts";

/** Ids of mails are left out where only the state is asked for. */
const eventsQuery = z.strictObject({ only: z.literal("status").optional() });

export const eventRoutes = (running: Running): Route[] => [
  {
    ...{ method: "GET", path: "/api/v1/events", needs: "visitor" },
    about: {
      summary: "What changes, as server-sent events",
      query: eventsQuery,
      contentType: "text/event-stream",
    },
    answer: running((asked, { events }) => {
      const query = queryOf(asked, eventsQuery);
      if (!query.ok) return query.answer;
      const stream = events.open(asked.asker.role, query.value.only === undefined);
      return stream === undefined
        ? problem(503, "too many event streams are open", { "Retry-After": "60" })
        : { kind: "stream", stream, contentType: "text/event-stream" };
    }),
  },
];
