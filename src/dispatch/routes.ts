// Which upstreams a mail may go by, chosen by the domain of its sender. Each list of upstreams is a lane of
// the dispatcher. Nothing here is kept: a queue that is loaded again goes by the routes of that day.
import type { SenderDomains } from "../identity/id-right.ts";
import type { Rate } from "../runtime/rate.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { BackoffRange } from "./backoff.ts";
import type { LaneSettings, LaneUpstream } from "./dispatcher.ts";
import { createFailover, createMember, type Member, tryMemberNow } from "./failover.ts";
import type { OperatorPauses } from "./operator-pauses.ts";
import type { PauseParts } from "./pause.ts";

export interface Route {
  /** In A-labels; absent for the route of all other mail. */
  readonly domains?: readonly string[] | undefined;
  /** Whose domain counts. */
  readonly by: "from" | "reverse-path";
  /** Names, the preferred first. */
  readonly upstreams: readonly string[];
}

export interface RoutedUpstream {
  readonly upstream: Upstream;
  readonly rate: Rate;
  readonly concurrency: number;
}

export interface Routes {
  /** One for each list of upstreams that is named by a route. */
  readonly lanes: readonly [LaneSettings, ...LaneSettings[]];
  /** The position in `lanes` of the way that mail of this sender goes: the first route that fits. */
  laneOf(sender: SenderDomains): number;
  close(): Promise<void>;
}

/** The ways that mail may go, without what is there. */
export interface Routing {
  /** The names of upstreams of each lane. */
  readonly lists: readonly (readonly string[])[];
  /** See Routes. */
  laneOf(sender: SenderDomains): number;
}

/** @param routes in order; one of them without domains */
export function createRouting(routes: readonly Route[]): Routing {
  const lists: (readonly string[])[] = [];
  const laneFor = (names: readonly string[]): number => {
    const isSame = (list: readonly string[]): boolean => list.join("\0") === names.join("\0");
    if (!lists.some(isSame)) lists.push(names);
    return lists.findIndex(isSame);
  };
  const rules = routes.map(({ domains, by, upstreams: names }) => ({
    domains: domains === undefined ? undefined : new Set(domains),
    by,
    lane: laneFor(names),
  }));
  const fallback = rules.find(({ domains }) => domains === undefined)?.lane ?? 0;

  return {
    lists,
    laneOf({ from, reversePath }) {
      for (const { domains, by, lane } of rules) {
        const domain = by === "from" ? from : reversePath;
        if (domain !== undefined && domains?.has(domain)) return lane;
      }
      return fallback;
    },
  };
}

/**
 * @param routes in order; one of them without domains
 * @param upstreams every one that a route names
 * @param stopped those that an operator has paused
 */
export function createRoutes(
  routes: readonly Route[],
  upstreams: ReadonlyMap<string, RoutedUpstream>,
  parts: PauseParts,
  retry: BackoffRange,
  stopped: Pick<OperatorPauses, "of"> = { of: () => undefined },
): Routes {
  const members = new Map<string, Member>();
  const { lists, laneOf } = createRouting(routes);

  const routed = (name: string): RoutedUpstream => {
    const found = upstreams.get(name);
    if (found === undefined) throw new Error(`no upstream ${name}`);
    return found;
  };

  const memberOf = (name: string): Member => {
    const { upstream, rate } = routed(name);
    const isStopped = (): boolean => stopped.of(name) !== undefined;
    const member = members.get(name) ?? createMember(upstream, rate, parts, retry, isStopped);
    members.set(name, member);
    return member;
  };

  const laneUpstream = (name: string, member?: Member): LaneUpstream => {
    const { upstream, rate } = routed(name);
    const pause = member && { facts: member.pause.facts, tryNow: () => tryMemberNow(member) };
    return { ...{ name, upstream, rate }, ...(pause && { pause }), stopped: () => stopped.of(name) };
  };

  const makeLane = (names: readonly string[]): LaneSettings => {
    const [first = "", ...others] = names;
    const isStopped = (): boolean => names.every((name) => stopped.of(name) !== undefined);
    // One alone is paused by its lane.
    if (others.length === 0) {
      const { upstream, rate, concurrency } = routed(first);
      return { upstreams: [laneUpstream(first)], isStopped, upstream, rate, concurrency };
    }
    const failover = createFailover([memberOf(first), ...others.map(memberOf)]);
    const upstreams = names.map((name) => laneUpstream(name, memberOf(name)));
    // What fails over must not overwhelm the one that it goes to.
    const concurrency = Math.min(...names.map((name) => routed(name).concurrency));
    return { upstreams, isStopped, upstream: failover, rate: failover.rate, concurrency };
  };

  const [first, ...others] = lists.map(makeLane);
  if (first === undefined) throw new Error("no route");

  return {
    lanes: [first, ...others],
    laneOf,

    async close() {
      for (const { pause } of members.values()) pause.cancel();
      for (const { upstream } of upstreams.values()) await upstream.close();
    },
  };
}
