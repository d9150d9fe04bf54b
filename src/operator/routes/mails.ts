// What became of one mail.
import { z } from "zod";
import { NOTHING_KNOWN } from "../explain/answer.ts";
import type { TaskQuery } from "../explain/words.ts";
import { type Answer, type Asked, json, problem, type Route } from "../http/route.ts";
import { idIn } from "../id-in.ts";
import { NAME_MAX } from "./body.ts";
import { maskedFacts } from "./masked-mail.ts";
import type { Running } from "./parts.ts";

const text = z.string().min(1).max(NAME_MAX).optional();
const findQuery = z.object({ upstreamId: text, task: text, to: text, part: text, user: text });

const matchAnswer = z.object({ id: z.string(), answer: z.string(), recipient: z.string().optional() });
const findAnswer = z.object({ mails: z.array(matchAnswer) });
const explainAnswer = z.looseObject({
  id: z.string(),
  answer: z.string(),
  ledger: z.looseObject({ state: z.string() }),
  timeline: z.array(z.looseObject({ kind: z.string(), at: z.iso.datetime() })),
});

export const mailRoutes = (running: Running): Route[] => [
  {
    ...{ method: "GET", path: "/api/v1/mails/:id", needs: "visitor" },
    about: { summary: "What became of a mail", answer: explainAnswer },
    answer: running(async ({ asker, param }, { explain }) => {
      const id = idIn(param("id") ?? "");
      if (id === undefined) return problem(400, "this is no id, and no Message-ID of this gateway");
      const explained = await explain.explain(id, asker.role === "visitor" ? maskedFacts : undefined);
      return explained === undefined ? problem(404, NOTHING_KNOWN) : json(explained);
    }),
  },
  {
    // Whether a task or an address is there is for those who may see both.
    ...{ method: "GET", path: "/api/v1/mails", needs: "read" },
    about: {
      summary: "Mails by what their mailer or upstream calls them",
      query: findQuery,
      answer: findAnswer,
    },
    answer: running(async (asked, { explain }) => {
      const query = queryOf(asked);
      if ("kind" in query) return query;
      try {
        return json({ mails: await explain.find(query) });
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return problem(400, error.message);
      }
    }),
  },
];

function queryOf({ query }: Asked): { readonly upstreamId: string } | TaskQuery | Answer {
  const parsed = findQuery.safeParse(
    Object.fromEntries(Object.keys(findQuery.shape).map((name) => [name, query(name)])),
  );
  if (!parsed.success) {
    return problem(
      400,
      parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "),
    );
  }
  const { upstreamId, task, to, part, user } = parsed.data;
  if (upstreamId !== undefined && task === undefined && to === undefined) return { upstreamId };
  if (upstreamId === undefined && task !== undefined && to !== undefined) return { task, to, part, user };
  return problem(400, "say either upstreamId, or task and to");
}
