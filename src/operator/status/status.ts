// The state of a gateway, put together when somebody asks: for the commands, the API and pages.
import type { LaneFacts, StateFacts, UpstreamFacts } from "../../dispatch/lane-facts.ts";
import type { PauseFacts } from "../../dispatch/pause.ts";
import type { ObservedFacts, PreventedFacts } from "../../history/prevented.ts";
import type { CertificateFacts } from "../../listeners/tls/watch.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { FreeSpace } from "../../storage/free-space.ts";
import type { SendingQuota } from "../../upstream/upstream.ts";
import type { DiskProbe } from "../http/disk-probe.ts";
import type { AdvisedUpstream } from "./advice.ts";
import type { EventsFacts } from "./event-troubles.ts";
import type { Rates } from "./rates.ts";
import type { Flow, LaneStatus, PauseStatus, Status, UpstreamStatus } from "./schema.ts";
import { troublesOf } from "./troubles.ts";

export interface StatusDesk {
  /** The same object as long as the facts of the lanes are fresh: many ask at once. */
  read(): Promise<Status>;
  /** What went through in each minute of the last hour, oldest first. */
  minutes(): readonly Flow[];
  /** Somebody has decided something: what is read next shows it. */
  decided(): void;
  /** What anybody may know of what the gateway depends on, without asking the disk. */
  others(): {
    /** The ledger can be reached. */
    readonly ledger: boolean;
    readonly upstreams: readonly (readonly [name: string, state: UpstreamStatus["state"]])[];
  };
}

export interface StatusParts {
  readonly version: string | undefined;
  readonly startedAt: number;
  readonly phase: () => Status["phase"];
  readonly drainingSince: () => number | undefined;
  readonly laneFacts: () => readonly LaneFacts[];
  readonly decided: () => void;
  readonly reportsWaiting: () => number;
  readonly prevented: () => PreventedFacts | undefined;
  /** Undefined: the mode is "enforce". */
  readonly observed: () => ObservedFacts | undefined;
  readonly ledger: () => Status["ledger"] & { readonly doubtful: number };
  readonly upstreams: readonly (AdvisedUpstream & { readonly quota: () => SendingQuota | undefined })[];
  readonly events: () => readonly EventsFacts[];
  readonly rates: Rates;
  readonly disk: DiskProbe;
  readonly freeSpace: Pick<FreeSpace, "free">;
  /** Octets that stay free. */
  readonly freeMinimum: number;
  readonly certificates: () => readonly (Pick<CertificateFacts, "names" | "notAfter"> & {
    readonly listener: string;
  })[];
  readonly clock: Clock;
}

const MINUTE = 60;
const FIVE_MINUTES = 300;

export function createStatusDesk(parts: StatusParts): StatusDesk {
  const { version, rates, clock } = parts;
  const startedAt = timeOf(parts.startedAt);

  const quotas = () =>
    parts.upstreams.flatMap(({ name, quota }) => {
      const { max, sent = 0 } = quota() ?? {};
      return max === undefined ? [] : [{ name, max, sent }];
    });

  let made: { readonly lanes: readonly LaneFacts[]; readonly status: Promise<Status> } | undefined;

  function read(): Promise<Status> {
    const lanes = parts.laneFacts();
    if (made?.lanes !== lanes) made = { lanes, status: make(lanes) };
    return made.status;
  }

  async function make(lanes: readonly LaneFacts[]): Promise<Status> {
    const [diskFault, free] = await Promise.all([parts.disk(), parts.freeSpace.free()]);
    const { doubtful, ...ledger } = parts.ledger();
    const certificates = parts.certificates();
    const troubles = troublesOf({
      ...{ now: clock.now(), lanes, upstreams: parts.upstreams, diskFault, quotas: quotas(), certificates },
      disk: { free, minimum: parts.freeMinimum },
      ...{ isLedgerUp: ledger.isUp, events: parts.events() },
      drainingSince: parts.drainingSince(),
    });
    return {
      ...(version === undefined ? {} : { version }),
      ...{ startedAt, phase: parts.phase(), degraded: troubles.some(({ degrades }) => degrades), troubles },
      lanes: lanes.map(laneOf),
      upstreams: parts.upstreams.map(({ name, quota }) => upstreamOf(name, lanes, quota())),
      rates: { minute: rates.inLast(MINUTE), fiveMinutes: rates.inLast(FIVE_MINUTES) },
      prevented: preventedOf(rates.sinceStart().repeats, parts.prevented(), clock.now()),
      ...observedOf(parts.observed()),
      ...{ doubtful, reportsWaiting: parts.reportsWaiting(), ledger },
      disk: {
        ...(free === undefined ? {} : { free }),
        minimum: parts.freeMinimum,
        ...(diskFault === undefined ? {} : { fault: diskFault }),
      },
      certificates: certificates.map(({ listener, names, notAfter }) => ({
        ...{ listener, names: [...names], notAfter: timeOf(notAfter) },
      })),
    };
  }

  return {
    read,
    minutes: rates.minutes,
    decided: parts.decided,
    others() {
      const lanes = parts.laneFacts();
      return {
        ledger: parts.ledger().isUp,
        upstreams: parts.upstreams.map(({ name }) => [name, upstreamOf(name, lanes, undefined).state]),
      };
    },
  };
}

function preventedOf(
  sinceStart: number,
  recorded: PreventedFacts | undefined,
  now: number,
): Status["prevented"] {
  if (recorded === undefined) return { sinceStart };
  const total = Object.values(recorded.months).reduce((sum, count) => sum + count, 0);
  const month = recorded.months[timeOf(now).slice(0, 7)] ?? 0;
  return { sinceStart, recorded: { since: timeOf(recorded.since), month, total } };
}

function observedOf(facts: ObservedFacts | undefined): Pick<Status, "observed"> {
  if (facts === undefined) return {};
  const { repeat = 0, conflict = 0, doubtful = 0, refused = 0 } = facts.counts;
  return {
    observed: { since: timeOf(facts.since), repeats: repeat, conflicts: conflict, doubtful, refused },
  };
}

const timeOf = (ms: number): string => new Date(ms).toISOString();

const pauseOf = ({ by, since, reason, firstReason, nextTryAt, until }: PauseFacts): PauseStatus => ({
  ...{ by, since: timeOf(since) },
  ...(reason === "" ? {} : { reason, firstReason }),
  ...(nextTryAt === undefined ? {} : { nextTryAt: timeOf(nextTryAt) }),
  ...(until === undefined ? {} : { until: timeOf(until) }),
});

const inState = ({ count, oldestAcceptedAt, oldestDueAt }: StateFacts) => ({
  count,
  ...(oldestAcceptedAt === undefined ? {} : { oldestAcceptedAt: timeOf(oldestAcceptedAt) }),
  ...(oldestDueAt === undefined ? {} : { oldestDueAt: timeOf(oldestDueAt) }),
});

const laneOf = ({ name, upstreams, due, waiting, underway, held, pause }: LaneFacts): LaneStatus => ({
  ...{ name, upstreams: upstreams.map((upstream) => upstream.name) },
  ...{ due: inState(due), waiting: inState(waiting), underway: inState(underway) },
  held: {
    ...{ ...inState(held), byDoubt: held.byDoubt, byOperator: held.byOperator },
    ...(held.listening && { listening: { ...held.listening, until: timeOf(held.listening.until) } }),
  },
  ...(pause === undefined ? {} : { pause: pauseOf(pause) }),
});

/** It may be in several lanes; one that pauses says more than one that has not tried. */
function upstreamOf(
  name: string,
  lanes: readonly LaneFacts[],
  quota: SendingQuota | undefined,
): UpstreamStatus {
  const found = lanes.flatMap(({ upstreams }) => upstreams).filter((upstream) => upstream.name === name);
  const { place, pause, perSecond } =
    found.find((upstream) => upstream.pause !== undefined) ?? (found[0] as UpstreamFacts);
  return {
    ...{ name, place },
    state: pause === undefined ? "running" : pause.by === "operator" ? "paused" : "failing",
    ...(pause === undefined ? {} : { pause: pauseOf(pause) }),
    ...(perSecond === undefined ? {} : { perSecond }),
    ...(quota === undefined ? {} : { quota: { ...quota, at: timeOf(quota.at) } }),
  };
}
