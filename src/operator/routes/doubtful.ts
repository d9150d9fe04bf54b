// Mail in doubt, and the decisions about it.
import { z } from "zod";
import type { DoubtfulEntry } from "../doubtful.ts";
import { json, problem, type Route } from "../http/route.ts";
import { reason } from "../reason.ts";
import { bodyOf, deciderOf, NAME_MAX } from "./body.ts";
import { listensShape } from "./listens.ts";
import { maskedAddress } from "./masked.ts";
import type { Running } from "./parts.ts";
import { orBadCursor, queryOf } from "./query.ts";

/** Of a page of the list. */
const DOUBTS_LIMIT = 1_000;

const decisionBody = z.strictObject({
  id: z.string().max(NAME_MAX),
  decision: z.enum(["relayed", "not-relayed"]),
  reason: reason.optional(),
});

const entryAnswer = z.object({
  id: z.string(),
  messageId: z.string().optional(),
  recipient: z.string().optional(),
  attempts: z.int().optional(),
  lastUpstream: z.string().optional(),
  standing: z.enum(["held", "retrying", "elsewhere", "remembered"]),
  ...listensShape,
  since: z.iso.datetime(),
});

const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(DOUBTS_LIMIT).default(DOUBTS_LIMIT),
  cursor: z.string().max(NAME_MAX).optional(),
});

const listAnswer = z.object({
  doubtful: z.array(entryAnswer),
  total: z.int(),
  next: z.string().optional(),
});

const decisionAnswer = z.object({ id: z.string(), next: z.enum(["relayed", "queued", "forgotten"]) });

export const doubtfulRoutes = (running: Running): Route[] => [
  {
    ...{ method: "GET", path: "/api/v1/doubtful", needs: "visitor" },
    about: { summary: "Mail in doubt, by pages: the oldest first", query: listQuery, answer: listAnswer },
    answer: running(async (asked, { doubtful }) => {
      const query = queryOf(asked, listQuery);
      if (!query.ok) return query.answer;
      return await orBadCursor(async () => {
        const { items, total, next } = await doubtful.oldest(query.value);
        return json({
          doubtful: asked.asker.role === "visitor" ? items.map(maskedDoubt) : items,
          ...{ total, next },
        });
      });
    }),
  },
  {
    ...{ method: "POST", path: "/api/v1/doubtful", needs: "operate" },
    about: { summary: "Decides about mail in doubt", body: decisionBody, answer: decisionAnswer },
    answer: running(async (asked, { doubtful }) => {
      const body = await bodyOf(asked, decisionBody);
      if (!body.ok) return body.answer;
      const { id, decision, reason } = body.value;
      const made = await doubtful.resolve(id, decision, reason, deciderOf(asked));
      return made.ok ? json({ id: made.id, next: made.next }) : problem(409, made.fault);
    }),
  },
];

/** A visitor sees the first letter of an address, and neither where an upstream is nor what of the mailer's is in a Message-ID. */
export function maskedDoubt({
  messageId: _,
  lastUpstream: __,
  recipient,
  ...entry
}: DoubtfulEntry): DoubtfulEntry {
  return recipient === undefined ? entry : { ...entry, recipient: maskedAddress(recipient) };
}
