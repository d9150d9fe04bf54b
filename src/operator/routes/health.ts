// Whether the process lives, and whether it may be given mail: for supervisors and balancers, who have no token.
import { json, problem, type Route } from "../http/route.ts";
import { type OperatorState, PHASES, type Running } from "./parts.ts";

export const healthRoutes = (state: OperatorState, running: Running): Route[] => [
  // That it is answered says that the event loop turns.
  { method: "GET", path: "/healthz", needs: "nobody", answer: () => json({ status: "ok" }) },
  {
    ...{ method: "GET", path: "/readyz", needs: "nobody" },
    answer: running(async (_, { disk }) => {
      const phase = state.phase();
      if (phase !== "running") return problem(503, PHASES[phase]);
      const fault = await disk();
      return fault === undefined ? json({ status: "ready" }) : problem(503, fault);
    }),
  },
];
