// The upstreams that a configuration names and the routes to them: their contradictions, and one shape for a
// single upstream and for several. The keys are in config.ts.
import { join } from "node:path";
import type { PlaceOf } from "./places.ts";
import type { Config, UpstreamConfig } from "./schema.ts";

/**
 * What is wrong with them although every single value is right.
 *
 * @param given what was set in `[upstream]`, defaults left out
 */
export function routingFaults(config: Config, given: unknown, placeOf: PlaceOf): string[] {
  const names = Object.keys(config.upstreams);
  if (names.length === 0) {
    const faults = upstreamFaults(config, config.upstream, ["upstream"], placeOf);
    if (config.routes.length > 0) faults.push(`${placeOf(["routes"])}: there are no [upstreams] to go by`);
    return faults;
  }
  const single = typeof given === "object" && given !== null ? Object.keys(given) : [];
  return [
    ...single
      .filter((key) => key !== "memory_max_bytes")
      .map((key) => `${placeOf(["upstream", key])}: belongs into [upstreams.NAME] where there are several`),
    ...names.flatMap((name) =>
      upstreamFaults(config, config.upstreams[name] as UpstreamConfig, ["upstreams", name], placeOf),
    ),
    ...routeFaults(config, placeOf),
  ];
}

function upstreamFaults(
  { spool }: Config,
  { kind, smtp, ses }: UpstreamConfig,
  path: readonly string[],
  placeOf: PlaceOf,
): string[] {
  const faults: string[] = [];
  if (kind === "smtp" && smtp.host === undefined) {
    faults.push(`${placeOf([...path, "smtp", "host"])}: needed when ${path.join(".")}.kind is "smtp"`);
  }
  const hasPassword = smtp.password !== undefined || smtp.password_file !== undefined;
  if ((smtp.username !== undefined) !== hasPassword) {
    const missing = smtp.username === undefined ? "username" : "password";
    faults.push(`${placeOf([...path, "smtp", missing])}: username and password go together`);
  }
  const { queue_url: queueUrl, wait } = ses.events;
  if (kind === "ses" && queueUrl !== undefined && wait >= spool.lifetime) {
    faults.push(
      `${placeOf([...path, "ses", "events", "wait"])}: must be shorter than spool.lifetime, or mail in doubt would ` +
        "be given up before ledger.doubtful decides",
    );
  }
  return faults;
}

function routeFaults({ upstreams, routes }: Config, placeOf: PlaceOf): string[] {
  const faults: string[] = [];
  const used = new Set<string>();
  const routed = new Set<string>();
  for (const [index, { domains, by, upstreams: names }] of routes.entries()) {
    for (const [position, name] of names.entries()) {
      const place = placeOf(["routes", index, "upstreams", position]);
      if (!Object.hasOwn(upstreams, name)) faults.push(`${place}: no upstream is named "${name}"`);
      if (names.indexOf(name) !== position) faults.push(`${place}: "${name}" is in the list already`);
      used.add(name);
    }
    for (const [position, one] of (domains ?? []).entries()) {
      const place = placeOf(["routes", index, "domains", position]);
      if (routed.has(`${by} ${one}`)) faults.push(`${place}: ${one} has a route by ${by} already`);
      routed.add(`${by} ${one}`);
    }
  }
  const defaults = routes.filter(({ domains }) => domains === undefined).length;
  if (defaults !== 1) {
    faults.push(
      `${placeOf(["routes"])}: one without domains is needed, for all other mail; there are ${defaults}`,
    );
  }
  for (const name of Object.keys(upstreams)) {
    if (!used.has(name)) faults.push(`${placeOf(["upstreams", name])}: no route leads there`);
  }
  return faults;
}

/** The name under which the one of `[upstream]` goes where names are needed. */
const ONLY = "upstream";

/** The routes; where there is one upstream, one for all mail. */
export const routesOf = (config: Config): Config["routes"] =>
  Object.keys(config.upstreams).length > 0 ? config.routes : [{ by: "from", upstreams: [ONLY] }];

/** A configuration as if one of several upstreams were the only one. */
export interface UpstreamView {
  readonly name: string;
  /** The key of its table. */
  readonly place: string;
  readonly config: Config;
}

export function viewsOf(config: Config): UpstreamView[] {
  const named = Object.entries(config.upstreams);
  if (named.length === 0) return [{ name: ONLY, place: "upstream", config }];
  const { memory_max_bytes } = config.upstream;
  return named.map(([name, upstream]) => {
    // Two Maildirs without a path must not be one folder.
    const maildir = { path: upstream.maildir.path ?? join(config.data_dir, `outbox-${name}`) };
    const view = { ...config, upstream: { ...upstream, maildir, memory_max_bytes } };
    return { name, place: `upstreams.${name}`, config: view };
  });
}

/** Where the Maildir lies when no path is configured: beside the gateway's own data. */
export const maildirPathOf = (config: Config): string =>
  config.upstream.maildir.path ?? join(config.data_dir, "outbox");
