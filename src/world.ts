// What the relay takes from the world, and what it reads in the configuration and in that world before it is put together.
import type { Config } from "./config/config.ts";
import { evidenceWaitOf } from "./config/events.ts";
import { viewsOf } from "./config/routes.ts";
import { envidOf } from "./config/warnings.ts";
import { countedUpstream } from "./dispatch/counted.ts";
import { strictest } from "./dispatch/failover.ts";
import type { RoutedUpstream } from "./dispatch/routes.ts";
import { type SenderDomains, senderDomainsOf } from "./identity/id-right.ts";
import type { LedgerWorld } from "./ledger/open.ts";
import type { Counters } from "./metrics/counters.ts";
import type { FollowingFleet } from "./runtime/fleet.ts";
import { createRate, unlimited } from "./runtime/rate.ts";
import type { FreeSpace } from "./storage/free-space.ts";
import { freshName, randomName } from "./storage/random-name.ts";
import type { AcceptOptions } from "./submission/accept.ts";
import { SES_SOURCE } from "./upstream/ses/events/source.ts";
import type { Upstream } from "./upstream/upstream.ts";

/** What a gateway takes from the world; a simulation brings its own. */
export interface World extends LedgerWorld {
  /** Of the program, for the log. */
  readonly version?: string;
  /** By the names that the configuration gives them. */
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** Room for what is received; a disk without end when left out. */
  readonly freeSpace?: FreeSpace | undefined;
  /**
   * For how long evidence may come before policy acts about a doubt, milliseconds, by the name of the Upstream that gave no
   * answer. Undefined: it is not known which one that was; the longest of all. Left out: as the configuration says.
   */
  readonly evidenceWaitMs?: (upstream: string | undefined) => number;
  /** Gets the number of gateways that share the ledger. */
  readonly fleet?: FollowingFleet;
}

/** Who says what becomes of an upstream's mails, by the names that its answers have: events of SES have no others. */
export const evidenceSourceOf =
  ({ evidenceWaitMs = () => 0 }: World) =>
  (upstream: string): string | undefined =>
    evidenceWaitMs(upstream) > 0 ? SES_SOURCE : undefined;

/** Where events are read, doubt waits for them. */
export function withEvidenceWait(config: Config, world: World): World {
  const evidenceWaitMs = world.evidenceWaitMs ?? evidenceWaitOf(config);
  return evidenceWaitMs === undefined ? world : { ...world, evidenceWaitMs };
}

/** At MAIL we don't know the upstream yet, so the strictest limits apply. */
export const submissionLimits = ({ smtp }: Config, { upstreams }: World) => {
  const { messageOctets, ...limits } = strictest([...upstreams.values()].map(({ limits }) => limits));
  const least = Math.min(smtp.size_max_bytes, messageOctets);
  const { header_max_bytes: headerOctets, bare_newline: bareNewlines } = smtp;
  return { ...limits, messageOctets: least, headerOctets, bareNewlines };
};

/** What a submission is decided by. */
export function submissionOptionsOf(config: Config, world: World, traceName: string): AcceptOptions {
  const { identity, smtp, hostname } = config;
  const observes = identity.mode === "observe";
  return {
    observes,
    headers: identity.headers,
    partHeader: identity.part_header,
    envid: envidOf(config),
    secret: identity.secret,
    unkeyed: identity.unkeyed,
    fingerprintWindowMs: identity.fingerprint_window,
    conflict: identity.conflict,
    messageId: observes ? "own" : identity.message_id,
    references: observes ? "none" : identity.references,
    doubtful: config.ledger.doubtful,
    evidenceWaitMs: world.evidenceWaitMs?.(undefined) ?? 0,
    keepIdFields: keepIdFieldsOf(config),
    hostname,
    traceName,
    hopsMax: smtp.hops_max,
    limits: submissionLimits(config, world),
    addresses: config.log.addresses,
  };
}

/** Each upstream with its own rate, or else the configured one. */
export const routedUpstreams = (
  config: Config,
  { upstreams, clock, fleet }: World,
  counters: Counters,
): ReadonlyMap<string, RoutedUpstream> =>
  new Map(
    viewsOf(config).flatMap(({ name, config: { upstream: settings } }) => {
      const upstream = upstreams.get(name);
      if (upstream === undefined) return [];
      const { concurrency, rate_per_second: perSecond } = settings;
      const configured = perSecond === undefined ? unlimited : createRate(perSecond, clock, fleet);
      const counted = countedUpstream(name, upstream, counters);
      return [[name, { upstream: counted, rate: upstream.rate ?? configured, concurrency }]];
    }),
  );

/** Part of the octets that every attempt carries (P10), so of every message, wherever it goes. */
export const keepIdFieldsOf = ({ upstream, upstreams }: Config): string[] => {
  const fields = [upstream, ...Object.values(upstreams)].flatMap(({ kind, smtp }) =>
    kind === "smtp" && smtp.keep_id_field !== undefined ? [smtp.keep_id_field] : [],
  );
  return [...new Set(fields)];
};

/**
 * The name that distinguishes our own trace fields from others', in a file of the data folder. If the disk
 * can't keep it, the gateway still starts, and notices a loop only within one run.
 */
export const traceNameOf = async ({ storage, random, log }: World): Promise<string> => {
  try {
    return await randomName(storage, random, "trace", "name", "trace");
  } catch (error) {
    log.warn("gateway.trace_name_lost", { error: String(error) });
    return freshName(random);
  }
};

/** The sender of a report: the gateway itself, and it is routed as such. */
export function reportsFrom({ notices, hostname }: Config): {
  readonly from: string;
  readonly sender: SenderDomains;
} {
  const from = notices.from ?? `MAILER-DAEMON@${hostname}`;
  return { from, sender: senderDomainsOf({ from, reversePath: "" }) };
}
