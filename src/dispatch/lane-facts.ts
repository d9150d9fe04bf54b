// What each lane knows: how much is in which state, and what keeps it from being relayed. Computed when somebody asks, so
// that it costs nothing for each mail.
import type { Clock } from "../runtime/clock.ts";
import type { Hold } from "../spool/record.ts";
import type { Dispatcher, LaneSettings, LaneStanding, LaneUpstream } from "./dispatcher.ts";
import type { OperatorPause } from "./operator-pauses.ts";
import type { PauseFacts } from "./pause.ts";
import type { QueuedTransmission } from "./queue.ts";
import type { Held, QueueState } from "./queue-state.ts";
import type { SilenceFacts } from "./silence.ts";

/** Of the transmissions in one state. Times are in milliseconds since the epoch, and absent when there is none. */
export interface StateFacts {
  readonly count: number;
  readonly oldestAcceptedAt?: number;
  readonly oldestDueAt?: number;
}

export interface HeldFacts extends StateFacts {
  readonly byDoubt: number;
  readonly byOperator: number;
  /** Of those in doubt: which wait for evidence, and the last time at which policy acts about one. */
  readonly listening?: { readonly count: number; readonly until: number };
  /** When the oldest of those was accepted that are in doubt and wait for a person. */
  readonly oldestUndecidedAt?: number;
}

export interface UpstreamFacts {
  /** As the configuration calls it. */
  readonly name: string;
  /** Kind and place, no credentials. */
  readonly place: string;
  /** It takes nothing now. Where it is in several lists, each of them sees the same. */
  readonly pause?: PauseFacts;
  /** What it is asked at most, a second; absent: without a limit. */
  readonly perSecond?: number;
}

/** One lane: a list of upstreams by which some mail goes. */
export interface LaneFacts {
  /** The names of its upstreams, joined by a comma: what metrics and lists call it. */
  readonly name: string;
  /** The preferred first. */
  readonly upstreams: readonly UpstreamFacts[];
  readonly due: StateFacts;
  readonly waiting: StateFacts;
  readonly underway: StateFacts;
  readonly held: HeldFacts;
  /** Nothing goes by this lane now: its upstream takes nothing, or none of several, or the disk; or an operator paused all. */
  readonly pause?: PauseFacts;
  /** Something is in the lane, and its upstream takes nothing without saying so. */
  readonly silence?: SilenceFacts;
}

/** Many ask at once, and what they get may be so old. */
const FRESH_MS = 250;

/** To look at a very long queue takes no more than this share of the time, for what is up to so old then. */
const SHARE = 1 / 200;
const FRESH_MAX_MS = 2_000;

export interface LaneFactsReader {
  read(): readonly LaneFacts[];
  /** Somebody has decided something: what is read next is of after it. */
  decided(): void;
}

/** @param held what no lane has, since it is held */
export function createLaneFacts(
  dispatcher: Pick<Dispatcher, "lanes" | "visit">,
  held: () => Iterable<Held>,
  clock: Clock,
): LaneFactsReader {
  let facts: readonly LaneFacts[] | undefined;
  let madeAt = 0;
  /** How long the last two looks took. The shorter counts: anything may have come between in the other. */
  let [tookMs, tookBefore] = [0, 0];
  return {
    read() {
      const began = clock.now();
      const age = began - madeAt;
      const freshMs = Math.max(FRESH_MS, Math.min(tookMs, tookBefore) / SHARE);
      if (facts === undefined || age < 0 || age >= Math.min(freshMs, FRESH_MAX_MS)) {
        facts = lanesOf(dispatcher, held());
        madeAt = clock.now();
        [tookMs, tookBefore] = [madeAt - began, tookMs];
      }
      return facts;
    },
    decided() {
      facts = undefined;
    },
  };
}

/** What metrics and lists call a lane. */
export const laneName = ({ upstreams }: Pick<LaneSettings, "upstreams">): string =>
  laneNameOf(upstreams.map(({ name }) => name));

export const laneNameOf = (upstreams: readonly string[]): string => upstreams.join(", ");

interface Tally {
  count: number;
  oldestAcceptedAt: number;
  oldestDueAt: number;
}

function lanesOf(dispatcher: Pick<Dispatcher, "lanes" | "visit">, held: Iterable<Held>): LaneFacts[] {
  const lanes = dispatcher.lanes();
  const tallies = lanes.map(
    (): Record<QueueState, Tally> => ({
      ...{ due: emptyTally(), waiting: emptyTally(), underway: emptyTally(), held: emptyTally() },
    }),
  );
  const holds = lanes.map(
    (): HoldTally => ({ doubt: 0, operator: 0, listening: 0, until: 0, undecided: NEVER }),
  );
  const see = (queued: QueuedTransmission, state: QueueState): void => {
    const tally = (tallies[queued.lane] ?? tallies[0])?.[state];
    if (tally === undefined) return;
    tally.count += 1;
    tally.oldestAcceptedAt = Math.min(tally.oldestAcceptedAt, queued.acceptedAt);
    tally.oldestDueAt = Math.min(tally.oldestDueAt, queued.dueAt);
  };
  dispatcher.visit(see);
  for (const { queued, by, listensUntil } of held) {
    see(queued, "held");
    const hold = holds[queued.lane] ?? holds[0];
    if (hold === undefined) continue;
    hold[by] += 1;
    if (listensUntil !== undefined) {
      hold.listening += 1;
      hold.until = Math.max(hold.until, listensUntil);
    } else if (by === "doubt") hold.undecided = Math.min(hold.undecided, queued.acceptedAt);
  }
  return lanes.map((standing, lane): LaneFacts => {
    const { upstreams, silence } = standing;
    const pause = pauseOf(standing);
    const { due, waiting, underway, held } = tallies[lane] as Record<QueueState, Tally>;
    return {
      name: laneName({ upstreams }),
      upstreams: upstreams.map((upstream) => upstreamOf(upstream, standing.pause)),
      ...{ due: factsOf(due), waiting: factsOf(waiting), underway: factsOf(underway) },
      held: { ...factsOf(held), ...heldOf(holds[lane] as HoldTally) },
      ...(pause === undefined ? {} : { pause }),
      ...(silence === undefined || due.count + waiting.count + underway.count === 0 ? {} : { silence }),
    };
  });
}

const NEVER = Number.POSITIVE_INFINITY;

const emptyTally = (): Tally => ({ count: 0, oldestAcceptedAt: NEVER, oldestDueAt: NEVER });

type HoldTally = Record<Hold | "listening" | "until" | "undecided", number>;

const heldOf = ({
  doubt,
  operator,
  listening,
  until,
  undecided,
}: HoldTally): Omit<HeldFacts, keyof StateFacts> => ({
  ...{ byDoubt: doubt, byOperator: operator },
  ...(listening === 0 ? {} : { listening: { count: listening, until } }),
  ...(undecided === NEVER ? {} : { oldestUndecidedAt: undecided }),
});

const factsOf = ({ count, oldestAcceptedAt, oldestDueAt }: Tally): StateFacts =>
  count === 0 ? { count } : { count, oldestAcceptedAt, oldestDueAt };

/** Of all that it goes by an operator has paused: that, since the last of them, until the first is over. */
function pauseOf({ upstreams, pause }: LaneStanding): PauseFacts | undefined {
  const stopped = upstreams.flatMap((upstream) => upstream.stopped?.() ?? []);
  if (stopped.length === 0 || stopped.length < upstreams.length) return pause;
  const [latest] = stopped.toSorted((a, b) => b.since - a.since) as [OperatorPause];
  const until = Math.min(...stopped.map((one) => one.until ?? Number.POSITIVE_INFINITY));
  return ordered({ ...latest, until });
}

function ordered({ since, until, reason = "" }: OperatorPause): PauseFacts {
  const end = until === undefined || until === Number.POSITIVE_INFINITY ? {} : { until };
  return { by: "operator", since, reason, firstReason: reason, ...end };
}

function upstreamOf(
  { name, upstream, rate, pause, stopped }: LaneUpstream,
  ofLane: PauseFacts | undefined,
): UpstreamFacts {
  // One alone is paused by its lane, which the disk pauses too.
  const own = pause === undefined ? (ofLane?.by === "upstream" ? ofLane : undefined) : pause.facts();
  const operators = stopped?.();
  const shown = operators === undefined ? own : ordered(operators);
  const perSecond = rate.perSecond?.();
  return {
    ...{ name, place: upstream.place ?? upstream.name },
    ...(shown === undefined ? {} : { pause: shown }),
    ...(perSecond === undefined ? {} : { perSecond }),
  };
}
