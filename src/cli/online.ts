// What `mailonce check-config --online` asks others, without sending: whether each upstream answers and takes the
// credentials, whether it has verified the senders, and whether the ledger's database answers. A line for each, and what to
// do where something is wrong.
import type { Config } from "../config/config.ts";
import { routesOf, type UpstreamView, viewsOf } from "../config/routes.ts";
import { assertSettings } from "../ledger/open.ts";
import { SettingsError } from "../ledger/shared/settings.ts";
import { adviceFor } from "../operator/status/advice.ts";
import { systemClock } from "../runtime/clock.ts";
import { silentLog } from "../runtime/log.ts";
import { StorageError } from "../storage/storage.ts";
import { createUpstreams } from "../upstream/open.ts";
import { checkEventsOf } from "../upstream/ses/events/open.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { reportsFrom } from "../world.ts";

export interface OnlineCheck {
  readonly line: string;
  readonly isGood: boolean;
}

/** Nothing is waited for longer. */
const ONLINE_MS = 30_000;

const placeOf = ({ name, place = name }: Upstream): string => place;

/** Never rejects for what is found. */
export async function checkOnline(config: Config): Promise<readonly OnlineCheck[]> {
  const upstreams = await createUpstreams(config, systemClock, silentLog);
  try {
    const checks = viewsOf(config).flatMap((view) => {
      const upstream = upstreams.get(view.name);
      return upstream === undefined ? [] : [checkUpstream(config, view, upstream)];
    });
    return (await Promise.all([...checks, checkLedger(config)])).flat();
  } finally {
    for (const upstream of upstreams.values()) await upstream.close();
  }
}

async function checkUpstream(config: Config, view: UpstreamView, upstream: Upstream): Promise<OnlineCheck[]> {
  const { name } = view;
  const late = AbortSignal.timeout(ONLINE_MS);
  const check = await upstream.check?.(late);
  if (check === undefined) return [{ line: `${name}: can't be tested`, isGood: true }];
  const line = `${name}: ${placeOf(upstream)}: ${check.finding}`;
  if (!check.isUsable)
    return [{ line: `${line}. ${adviceFor(view, check.finding, "a test")}`, isGood: false }];
  const [senders, events] = await Promise.all([
    checkSenders(config, name, upstream, late),
    checkEventsOf(view.config, late),
  ]);
  const ofEvents = events.map(({ line: said, isGood }) => ({ line: `${name}: events: ${said}`, isGood }));
  return [{ line, isGood: true }, ...senders, ...ofEvents];
}

/** The sender of reports, and the domains that have a route to this upstream. */
async function checkSenders(
  config: Config,
  name: string,
  upstream: Upstream,
  late: AbortSignal,
): Promise<OnlineCheck[]> {
  const { from } = reportsFrom(config);
  const domains = routesOf(config).flatMap(({ upstreams, domains = [] }) =>
    upstreams.includes(name) ? domains : [],
  );
  const faults = await Promise.all([
    upstream.senderFault?.(from, late),
    ...[...new Set(domains)].map((domain) => upstream.senderFault?.(`postmaster@${domain}`, late, "mail")),
  ]);
  return faults.flatMap((fault) =>
    fault === undefined ? [] : [{ line: `${name}: ${placeOf(upstream)}: ${fault}`, isGood: false }],
  );
}

async function checkLedger(config: Config): Promise<OnlineCheck> {
  const { kind } = config.ledger;
  if (kind === "embedded") return { line: "ledger: embedded, so there is nobody to ask", isGood: true };
  const late = new Promise<never>((_, reject) => {
    systemClock.after(ONLINE_MS, () => reject(new StorageError("unavailable", "no answer within 30 s")));
  });
  try {
    await Promise.race([assertSettings(config, silentLog), late]);
    return { line: `ledger: ${kind}: answers`, isGood: true };
  } catch (error) {
    if (error instanceof SettingsError) {
      return { line: `ledger: ${kind}: ${error.faults.join("; ")}`, isGood: false };
    }
    if (!(error instanceof StorageError)) throw error;
    return {
      line: `ledger: ${kind}: ${error.message}. Correct [ledger.${kind}], or start it`,
      isGood: false,
    };
  }
}
