// Evidence that comes from elsewhere than a queue of SES: the events of another service, or a script that asks one. It
// does what an event of SES does, and who sends it keeps it until the answer is 200.
import { z } from "zod";
import { isToAskAgain, type Proof } from "../../evidence/evidence.ts";
import type { Id } from "../../identity/message-id.ts";
import { given } from "../../runtime/given.ts";
import { shortText } from "../../runtime/short-text.ts";
import { json, problem, type Route } from "../http/route.ts";
import { bodyOf, deciderOf } from "./body.ts";
import type { Running } from "./parts.ts";

/** Clocks may differ by minutes where nobody sets them. A time that has lost its zone is a quarter of an hour ahead at least. */
const AHEAD_MS = 10 * 60_000;

/** As of an event of SES (upstream/ses/events/event.ts). */
const UPSTREAM_ID_OCTETS = 128;
const TEXT_OCTETS = 500;

/** Seconds. An attempt ends within a minute as a rule, and a database is back within minutes. */
const ASK_AGAIN = { busy: "10", away: "30" } as const;

/** Angle brackets may be missing, as they often are where a service says it. */
const MESSAGE_ID = /^<?([a-z2-7]{32})@[^\s<>@]{1,255}>?$/;

/** What a service says may be long or have lines, and must not be lost for that. */
const line = (octets: number) => z.string().transform((text) => shortText(text, octets) || undefined);
const text = line(TEXT_OCTETS).optional();
const time = z.iso.datetime({ offset: true, error: "expected a time with its zone, as RFC 3339 writes it" });

const fateBody = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sent") }),
  z.strictObject({ kind: z.literal("delivered"), reply: text }),
  z.strictObject({ kind: z.literal("delayed"), delayType: text, diagnostic: text }),
  z.strictObject({
    kind: z.literal("bounced"),
    ...{ bounceType: text, bounceSubType: text, status: text, diagnostic: text },
  }),
  z.strictObject({ kind: z.literal("complained"), feedbackType: text, subType: text }),
  z.strictObject({ kind: z.literal("rejected"), reason: text }),
  z.strictObject({ kind: z.literal("other") }),
]);

const evidenceBody = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z2-7]{32}$/, "expected the 32 characters of an id")
    .optional(),
  messageId: z
    .string()
    .regex(MESSAGE_ID, "expected a Message-ID of mailonce: <ID@…>, as it is in X-Mailonce-ID")
    .optional(),
  /** A name, so that no address of anybody is in it: visitors see it too. */
  source: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/,
      "expected a name of at most 40 characters: A-Z a-z 0-9 . _ -",
    ),
  upstreamId: line(UPSTREAM_ID_OCTETS).optional(),
  takenAt: time.optional(),
  fate: fateBody.optional(),
  happenedAt: time.optional(),
});

const evidenceAnswer = z.object({ id: z.string(), taken: z.enum(["settled", "known"]) });

export const evidenceRoutes = (running: Running, now: () => number): Route[] => [
  {
    ...{ method: "POST", path: "/api/v1/evidence", needs: "operate" },
    about: {
      summary: "Takes what shows that an upstream took a mail",
      ...{ body: evidenceBody, answer: evidenceAnswer },
    },
    answer: running(async (asked, { evidence }) => {
      const body = await bodyOf(asked, evidenceBody);
      if (!body.ok) return body.answer;
      const id = idOf(body.value);
      if (id === undefined) return problem(400, "say which mail: either id or messageId");
      const { source, upstreamId, takenAt, fate, happenedAt } = body.value;
      const times = { takenAt: msOf(takenAt), happenedAt: msOf(happenedAt) };
      const ahead = aheadOf(times, now());
      if (ahead !== undefined) return problem(400, ahead);
      const by = deciderOf(asked);
      const proof: Proof = {
        // Who has the token vouches for it: see docs/operating.md.
        ...{ from: "tag", source },
        ...given({ upstreamId, at: times.takenAt, fate, happenedAt: times.happenedAt, by }),
      };
      const taken = await evidence.take(id, proof);
      if (!isToAskAgain(taken)) return json({ id, taken });
      return { ...problem(503, AGAIN[taken](id), { "Retry-After": ASK_AGAIN[taken] }), more: { why: taken } };
    }),
  },
];

const AGAIN = {
  busy: (id: string) => `${id} is being attempted or decided: send this again`,
  away: (id: string) => `the ledger can't be asked about ${id}: send this again`,
} as const;

/** What is wrong with a time. */
function aheadOf(times: Readonly<Record<string, number | undefined>>, now: number): string | undefined {
  for (const [name, at = now] of Object.entries(times)) {
    if (at <= now + AHEAD_MS) continue;
    const seconds = Math.round((at - now) / 1_000);
    return `${name}: is ${seconds} s ahead of this gateway's clock: is the zone right?`;
  }
  return undefined;
}

const msOf = (time: string | undefined): number | undefined =>
  time === undefined ? undefined : Date.parse(time);

type Named = Pick<z.output<typeof evidenceBody>, "id" | "messageId">;

/** Of the one mail that it is about. */
function idOf({ id, messageId }: Named): Id | undefined {
  if ((id === undefined) === (messageId === undefined)) return undefined;
  return id ?? MESSAGE_ID.exec(messageId ?? "")?.[1];
}
