// What a gateway says of its state: the answer of GET /api/v1/status and what the commands print. Times are as RFC 3339
// writes them. Readers ignore members that they do not know.
import { z } from "zod";

const time = z.iso.datetime();
const count = z.int().min(0);

/** What makes an upstream, or all of a lane, take nothing. A visitor gets neither reason. */
export const pauseSchema = z.object({
  by: z.enum(["upstream", "storage", "operator"]),
  since: time,
  reason: z.string().optional(),
  firstReason: z.string().optional(),
  nextTryAt: time.optional(),
  until: time.optional(),
});

const inState = z.object({ count, oldestAcceptedAt: time.optional(), oldestDueAt: time.optional() });

export const laneSchema = z.object({
  name: z.string(),
  upstreams: z.array(z.string()),
  due: inState,
  waiting: inState,
  underway: inState,
  held: inState.extend({
    ...{ byDoubt: count, byOperator: count },
    /** Of those in doubt: they wait for evidence, the last of them until then. */
    listening: z.object({ count, until: time }).optional(),
  }),
  pause: pauseSchema.optional(),
});

export const upstreamSchema = z.object({
  name: z.string(),
  /** Kind and place; not for visitors. */
  place: z.string().optional(),
  state: z.enum(["running", "paused", "failing"]),
  pause: pauseSchema.optional(),
  /** What it is asked at most, a second; absent: without a limit. */
  perSecond: z.number().optional(),
  /** What the account may send in 24 hours, as the upstream said last. */
  quota: z.object({ max: z.number().optional(), sent: z.number(), at: time }).optional(),
});

/** Something that an operator should know. */
export const troubleSchema = z.object({
  kind: z.enum([
    ...(["storage", "ledger", "upstream", "silent", "draining", "operator", "late"] as const),
    ...(["events", "held", "certificate", "quota", "space"] as const),
  ]),
  /** True: the gateway does not take or relay mail as it should. */
  degrades: z.boolean(),
  /** A sentence without its end. It begins with the upstream that it is about, where it is about one. */
  text: z.string(),
  /** What was said about it; not for visitors. */
  reason: z.string().optional(),
  /** What to do about it; not for visitors. */
  todo: z.string().optional(),
  upstream: z.string().optional(),
  since: time.optional(),
});

const flow = z.object({ accepted: count, relayed: count, repeats: count, refused: count });

export const statusSchema = z.object({
  version: z.string().optional(),
  startedAt: time,
  phase: z.enum(["running", "draining", "stopping"]),
  /** Some trouble degrades. */
  degraded: z.boolean(),
  /** The worst first. */
  troubles: z.array(troubleSchema),
  lanes: z.array(laneSchema),
  upstreams: z.array(upstreamSchema),
  /** Mails for one recipient, in the last minute and in the last five. */
  rates: z.object({ minute: flow, fiveMinutes: flow }),
  /** Second mails that were prevented: since the start and, where there is a history, this month and since that began. */
  prevented: z.object({
    sinceStart: count,
    recorded: z.object({ since: time, month: count, total: count }).optional(),
  }),
  /** Of a gateway in mode "observe": mails that it has relayed and "enforce" would not have, by what that would have seen. */
  observed: z
    .object({ since: time, repeats: count, conflicts: count, doubtful: count, refused: count })
    .optional(),
  /** Mails in doubt that this gateway holds or knows of. */
  doubtful: count,
  /** Mails that have ended, or are late, and wait to be reported to their senders. */
  reportsWaiting: count,
  disk: z.object({ free: z.number().optional(), minimum: z.number(), fault: z.string().optional() }),
  /** Gateways that are alive and share the ledger, this one included. */
  ledger: z.object({ kind: z.string(), isUp: z.boolean(), gateways: count }),
  certificates: z.array(z.object({ listener: z.string(), names: z.array(z.string()), notAfter: time })),
});

export type Status = z.infer<typeof statusSchema>;
export type Trouble = z.infer<typeof troubleSchema>;
export type UpstreamStatus = z.infer<typeof upstreamSchema>;
export type LaneStatus = z.infer<typeof laneSchema>;
export type PauseStatus = z.infer<typeof pauseSchema>;
export type Flow = z.infer<typeof flow>;
