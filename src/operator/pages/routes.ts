// The pages for a browser, a file for each. They show what the API answers, from the same desks, and are read without script
// too: whatever changes something is a form.
import { type Answer, problem, type Route } from "../http/route.ts";
import { type OperatorState, PHASES } from "../routes/parts.ts";
import { maskedStatus } from "../status/masked.ts";
import type { Status } from "../status/schema.ts";
import { assetRoutes } from "./assets.ts";
import { doubtfulPages } from "./doubtful.ts";
import { framed, problemPage } from "./frame.ts";
import { mailPages } from "./mail.ts";
import { outboxPages } from "./outbox.ts";
import { overviewPages } from "./overview.ts";
import type { Page, Seen } from "./page.ts";
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

function routeOf(page: Page, state: OperatorState, now: () => number): Route {
  const { method = "GET", path, needs, isOfStatus = false } = page;
  /** By name and role of who asks. */
  const made = new WeakMap<Status, Map<string, Promise<Answer>>>();
  return {
    ...{ method, path, needs, problem: problemPage },
    async answer(asked) {
      const parts = state.parts();
      if (parts === undefined) return problem(503, PHASES.starting);
      const status = await parts.status.read();
      const make = (): Promise<Answer> => answerOf(page, { asked, parts, status, now: now() });
      if (!isOfStatus) return await make();
      const { name, role } = asked.asker;
      const ofStatus = made.get(status) ?? new Map<string, Promise<Answer>>();
      made.set(status, ofStatus);
      const answer = ofStatus.get(`${role} ${name}`) ?? make();
      ofStatus.set(`${role} ${name}`, answer);
      return await answer;
    },
  };
}

async function answerOf({ show }: Page, { asked, parts, status: whole, now }: Seen): Promise<Answer> {
  const { asker } = asked;
  const status = asker.role === "visitor" ? maskedStatus(whole) : whole;
  const shown = await show({ asked, parts, status, now });
  if ("kind" in shown) return shown;
  const { frame, content, search } = shown;
  return await framed(
    frame,
    { asker, state: status, hasOutbox: parts.outbox !== undefined, search, readers: parts.events.count() },
    content,
  );
}
