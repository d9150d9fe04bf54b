// The routes of the API, the same over TCP and over the operator's socket. Pages for a browser are in sign-in.ts.
import { z } from "zod";
import { type DoubtfulDesk, type DoubtfulEntry, REASON_MAX } from "../doubtful.ts";
import type { DiskProbe } from "./disk-probe.ts";
import { type Answer, type Asked, json, problem, type Route } from "./route.ts";

/** Where a gateway is in its life. */
export type Phase = "starting" | "running" | "stopping";

/** What a gateway has once it runs. */
export interface OperatorParts {
  readonly doubtful: DoubtfulDesk;
  /** By the names of the configuration, each with its kind and place. */
  readonly upstreams: ReadonlyMap<string, { readonly name: string }>;
  readonly disk: DiskProbe;
}

export interface OperatorState {
  phase(): Phase;
  /** Undefined while it starts. */
  parts(): OperatorParts | undefined;
}

/** Of an id or a Message-ID; RFC 5322 lines have at most so many characters. */
const NAME_MAX = 998;

const decisionBody = z.strictObject({
  id: z.string().max(NAME_MAX),
  decision: z.enum(["relayed", "not-relayed"]),
  reason: z.string().max(REASON_MAX).optional(),
});

export function apiRoutes(state: OperatorState): Route[] {
  /** Answers with the parts of a gateway that runs. */
  const running =
    (answer: (asked: Asked, parts: OperatorParts) => Promise<Answer> | Answer) =>
    (asked: Asked): Promise<Answer> | Answer => {
      const parts = state.parts();
      return parts === undefined ? problem(503, PHASES.starting) : answer(asked, parts);
    };

  return [
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
    {
      ...{ method: "GET", path: "/api/v1/doubtful", needs: "visitor" },
      answer: running(async ({ asker }, { doubtful }) => {
        const entries = await doubtful.list();
        return json({ doubtful: asker.role === "visitor" ? entries.map(masked) : entries });
      }),
    },
    {
      ...{ method: "POST", path: "/api/v1/doubtful", needs: "operate" },
      answer: running(async (asked, { doubtful }) => {
        const body = await bodyOf(asked, decisionBody);
        if (!body.ok) return body.answer;
        const { id, decision, reason } = body.value;
        const by = asked.address === "" ? undefined : asked.asker.name;
        const made = await doubtful.resolve(id, decision, reason, by);
        return made.ok ? json({ id: made.id, next: made.next }) : problem(409, made.fault);
      }),
    },
    {
      ...{ method: "GET", path: "/api/v1/upstreams", needs: "visitor" },
      answer: running(({ asker }, { upstreams }) =>
        json({
          upstreams: [...upstreams].map(([name, { name: place }]) =>
            asker.role === "visitor" ? { name } : { name, place },
          ),
        }),
      ),
    },
  ];
}

const PHASES = {
  starting: "the gateway is starting",
  stopping: "the gateway is stopping",
} as const;

type Body<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly answer: Answer };

async function bodyOf<T>(asked: Asked, schema: z.ZodType<T>): Promise<Body<T>> {
  // A form of a stranger's page can't send it without asking first (CORS).
  if (!/^application\/json\s*(;|$)/i.test(asked.header("content-type") ?? "")) {
    return { ok: false, answer: problem(415, "send application/json") };
  }
  let value: unknown;
  try {
    value = JSON.parse(await asked.text());
  } catch {
    return { ok: false, answer: problem(400, "the body is not JSON") };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  return { ok: false, answer: problem(400, faults.join("; ")) };
}

/** A visitor sees the first letter of an address, and nothing of the mailer's that is in a Message-ID of its own. */
function masked({ messageId: _, recipient, ...entry }: DoubtfulEntry): DoubtfulEntry {
  return recipient === undefined ? entry : { ...entry, recipient: maskedAddress(recipient) };
}

function maskedAddress(address: string): string {
  const at = address.lastIndexOf("@");
  const [first = ""] = address;
  return at < 0 ? `${first}…` : `${first}…${address.slice(at)}`;
}
