// The pages for a browser, a file for each. They show what the API answers, from the same desks, and are read without script
// too: whatever changes something is a form.
import { problem, type Route } from "../http/route.ts";
import { type OperatorState, PHASES } from "../routes/parts.ts";
import { maskedStatus } from "../status/masked.ts";
import { assetRoutes } from "./assets.ts";
import { doubtfulPages } from "./doubtful.ts";
import { framed, problemPage } from "./frame.ts";
import { mailPages } from "./mail.ts";
import { outboxPages } from "./outbox.ts";
import { overviewPages } from "./overview.ts";
import type { Page } from "./page.ts";
import { queuePages } from "./queue.ts";
import { queueOrderPages } from "./queue-orders.ts";
import { searchPages } from "./search.ts";
import { upstreamPages } from "./upstreams.ts";

/** @param now milliseconds since the epoch */
export function pageRoutes(state: OperatorState, now: () => number): Route[] {
  return [...assetRoutes(), ...PAGES.map((one) => routeOf(one, state, now))];
}

const PAGES: readonly Page[] = [
  ...overviewPages,
  ...queuePages,
  ...queueOrderPages,
  ...searchPages,
  ...doubtfulPages,
  ...mailPages,
  ...upstreamPages,
  ...outboxPages,
];

function routeOf(
  { method = "GET", path, needs, show }: Page,
  state: OperatorState,
  now: () => number,
): Route {
  return {
    ...{ method, path, needs, problem: problemPage },
    async answer(asked) {
      const parts = state.parts();
      if (parts === undefined) return problem(503, PHASES.starting);
      const whole = await parts.status.read();
      const status = asked.asker.role === "visitor" ? maskedStatus(whole) : whole;
      const shown = await show({ asked, parts, status, now: now() });
      if ("kind" in shown) return shown;
      const { frame, content, search } = shown;
      const surroundings = {
        asker: asked.asker,
        state: status,
        hasOutbox: parts.outbox !== undefined,
        search,
      };
      return await framed(frame, surroundings, content);
    },
  };
}
