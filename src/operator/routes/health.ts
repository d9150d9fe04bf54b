// Whether the process lives, and whether it may be given mail: for supervisors and balancers, who have no token.
import { z } from "zod";
import { type Answer, json, problem, type Route } from "../http/route.ts";
import { upstreamSchema } from "../status/schema.ts";
import { type OperatorParts, type OperatorState, PHASES, type Running } from "./parts.ts";

const readyAnswer = z.object({
  status: z.literal("ready"),
  ledger: z.enum(["up", "down"]),
  upstreams: z.record(z.string(), upstreamSchema.shape.state),
});

export const healthRoutes = (state: OperatorState, running: Running): Route[] => [
  // That it is answered says that the event loop turns.
  {
    ...{ method: "GET", path: "/healthz", needs: "nobody" },
    about: { summary: "That the process lives", answer: z.object({ status: z.literal("ok") }) },
    answer: () => json({ status: "ok" }),
  },
  {
    ...{ method: "GET", path: "/readyz", needs: "nobody" },
    about: { summary: "Whether it may be given mail", answer: readyAnswer },
    answer: running(async (_, parts) => {
      const phase = state.phase();
      if (phase !== "running") return notReady(PHASES[phase], parts);
      const fault = await parts.disk();
      return fault === undefined ? json({ status: "ready", ...othersOf(parts) }) : notReady(fault, parts);
    }),
  },
];

const notReady = (detail: string, parts: OperatorParts): Answer => ({
  ...problem(503, detail),
  more: othersOf(parts),
});

/**
 * What the gateway needs beside its disk, for people. A balancer that took out all gateways at once since a database or
 * an upstream is away would help nobody, so it does not make the gateway unready.
 */
function othersOf({ status }: OperatorParts): Readonly<Record<string, unknown>> {
  const { ledger, upstreams } = status.others();
  return { ledger: ledger ? "up" : "down", upstreams: Object.fromEntries(upstreams) };
}
