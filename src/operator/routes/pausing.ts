// What an operator pauses and resumes.
import { z } from "zod";
import { duration } from "../../config/values.ts";
import { type Answer, json, problem, type Route } from "../http/route.ts";
import type { Pausing, Resuming } from "../pausing.ts";
import { reason } from "../reason.ts";
import { bodyOf, deciderOf, NAME_MAX } from "./body.ts";
import type { Running } from "./parts.ts";

const upstream = z.string().max(NAME_MAX).optional();
const pauseBody = z.strictObject({ upstream, reason: reason.optional(), for: duration.optional() });
const resumeBody = z.strictObject({ upstream, reason: reason.optional() });

const time = z.iso.datetime();
const pausedAnswer = z.object({
  upstreams: z.array(
    z.object({ name: z.string(), since: time, until: time.optional(), wasPaused: z.boolean() }),
  ),
});
const resumedAnswer = z.object({
  upstreams: z.array(z.object({ name: z.string(), was: z.enum(["paused", "failing", "running"]) })),
});

export const pausingRoutes = (running: Running): Route[] => [
  {
    ...{ method: "POST", path: "/api/v1/pause", needs: "operate" },
    about: { summary: "Pauses an upstream, or all", body: pauseBody, answer: pausedAnswer },
    answer: running(async (asked, { pausing }) => {
      const body = await bodyOf(asked, pauseBody);
      if (!body.ok) return body.answer;
      const { upstream, for: forMs, reason } = body.value;
      return answerOf(await pausing.pause(upstream, { forMs, reason, by: deciderOf(asked) }));
    }),
  },
  {
    ...{ method: "POST", path: "/api/v1/resume", needs: "operate" },
    about: { summary: "Resumes an upstream, or all", body: resumeBody, answer: resumedAnswer },
    answer: running(async (asked, { pausing }) => {
      const body = await bodyOf(asked, resumeBody);
      if (!body.ok) return body.answer;
      const { upstream, reason } = body.value;
      return answerOf(await pausing.resume(upstream, { reason, by: deciderOf(asked) }));
    }),
  },
];

const answerOf = (made: Pausing | Resuming): Answer =>
  made.ok
    ? json({ upstreams: made.upstreams })
    : {
        ...problem(404, `there is no such upstream; there are ${made.names.join(", ")}`),
        more: { names: made.names },
      };
