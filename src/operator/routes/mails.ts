// What became of one mail.
import { z } from "zod";
import type { PageRequest } from "../../runtime/page.ts";
import { NOTHING_KNOWN } from "../explain/answer.ts";
import { MATCHES, type TaskQuery } from "../explain/words.ts";
import { type Asked, json, type Problem, problem, type Route } from "../http/route.ts";
import { idIn } from "../id-in.ts";
import { faultsIn, NAME_MAX } from "./body.ts";
import { maskedFacts } from "./masked-mail.ts";
import type { Running } from "./parts.ts";

const text = z.string().min(1).max(NAME_MAX).optional();
const findQuery = z.object({
  ...{ upstreamId: text, task: text, to: text, part: text, user: text, cursor: text },
  limit: z.coerce.number().int().min(1).max(MATCHES).default(MATCHES),
});

const matchAnswer = z.object({ id: z.string(), answer: z.string(), recipient: z.string().optional() });
const findAnswer = z.object({ mails: z.array(matchAnswer), next: z.string().optional() });
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
        const { items, next } = await explain.find(query.meant, query.page);
        return json({ mails: items, next });
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return problem(400, error.message);
      }
    }),
  },
];

interface Find {
  readonly meant: { readonly upstreamId: string } | TaskQuery;
  readonly page: PageRequest;
}

function queryOf({ query }: Asked): Find | Problem {
  const parsed = findQuery.safeParse(
    Object.fromEntries(Object.keys(findQuery.shape).map((name) => [name, query(name)])),
  );
  if (!parsed.success) return problem(400, faultsIn(parsed.error));
  const { upstreamId, task, to, part, user, ...page } = parsed.data;
  if (upstreamId !== undefined && task === undefined && to === undefined) {
    return { meant: { upstreamId }, page };
  }
  if (upstreamId === undefined && task !== undefined) return { meant: { task, to, part, user }, page };
  return problem(400, "say either upstreamId, or task, with to for one recipient");
}
