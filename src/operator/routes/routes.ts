// The routes of the API, the same over TCP and over the operator's socket; a file for each subject. Pages for a browser
// are in ../pages.
import type { Route } from "../http/route.ts";
import { doubtfulRoutes } from "./doubtful.ts";
import { drainRoutes } from "./drain.ts";
import { eventRoutes } from "./events.ts";
import { evidenceRoutes } from "./evidence.ts";
import { forgetRoutes } from "./forget.ts";
import { healthRoutes } from "./health.ts";
import { mailRoutes } from "./mails.ts";
import { metricsRoutes } from "./metrics.ts";
import { openApiRoute } from "./openapi.ts";
import { type OperatorState, runningOf } from "./parts.ts";
import { pausingRoutes } from "./pausing.ts";
import { queueRoutes } from "./queue.ts";
import { statusRoutes } from "./status.ts";

/** @param now milliseconds since the epoch */
export function apiRoutes(state: OperatorState, now: () => number): Route[] {
  const running = runningOf(state);
  const routes = [
    ...healthRoutes(state, running),
    ...metricsRoutes(running),
    ...doubtfulRoutes(running),
    ...evidenceRoutes(running, now),
    ...forgetRoutes(running),
    ...statusRoutes(running),
    ...mailRoutes(running),
    ...eventRoutes(running),
    ...pausingRoutes(running),
    ...drainRoutes(running),
    ...queueRoutes(running),
  ];
  return [...routes, openApiRoute(routes)];
}
