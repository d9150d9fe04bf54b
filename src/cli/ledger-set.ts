// `mailonce ledger set`: shows what the gateways of a shared ledger have agreed on, and changes it. Gateways that run
// take a change up with their next beat; src/ledger/shared/settings.ts says when it is in force.
import { ConfigError, loadConfig } from "../config/config.ts";
import { LEASE_MIN_MS } from "../config/contradictions.ts";
import type { Config } from "../config/schema.ts";
import { duration } from "../config/values.ts";
import { digestIdentity } from "../ledger/identity-digest.ts";
import { contradictionOf, identityRulesOf, openEngine } from "../ledger/open.ts";
import type { Engine, EngineLimits } from "../ledger/shared/engine.ts";
import {
  changedTo,
  formatDuration,
  type LedgerSettings,
  parseSettings,
  storedSettings,
} from "../ledger/shared/settings.ts";
import { silentLog } from "../runtime/log.ts";
import { StorageError } from "../storage/storage.ts";
import { exitCodes, reportFaults } from "./exit.ts";

export interface SetOptions {
  readonly config?: string;
  /** Durations, as the configuration writes them. */
  readonly lease?: string;
  readonly retention?: string;
  /** The ledger takes the digests of this configuration. */
  readonly identity?: boolean;
}

export async function setLedger(options: SetOptions): Promise<number> {
  try {
    const config = loadConfig({ file: options.config, environment: process.env });
    if (config.ledger.kind === "embedded") {
      const fault = "an embedded ledger is one gateway's own: change [ledger] in its configuration";
      return reportFaults([fault], exitCodes.badConfiguration);
    }
    const asked = limitsOf(options);
    if ("faults" in asked) return reportFaults(asked.faults, exitCodes.badConfiguration);
    const { lease: leaseMs, retention: retentionMs } = config.ledger;
    const engine = await openEngine(config, { leaseMs, retentionMs }, silentLog);
    try {
      return await change(engine, config, asked, options.identity === true);
    } finally {
      await engine.close();
    }
  } catch (error) {
    if (error instanceof ConfigError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (error instanceof StorageError) return reportFaults([error.message], exitCodes.failed);
    throw error;
  }
}

function limitsOf({ lease, retention }: SetOptions): Partial<EngineLimits> | { readonly faults: string[] } {
  const faults: string[] = [];
  const read = (name: string, value: string | undefined): number | undefined => {
    if (value === undefined) return undefined;
    const parsed = duration.safeParse(value);
    if (parsed.success) return parsed.data;
    faults.push(`--${name}: ${parsed.error.issues[0]?.message ?? "is no duration"}`);
    return undefined;
  };
  const leaseMs = read("lease", lease);
  const retentionMs = read("retention", retention);
  if (leaseMs !== undefined && leaseMs < LEASE_MIN_MS) {
    faults.push(`--lease: must be at least ${formatDuration(LEASE_MIN_MS)}`);
  }
  if (faults.length > 0) return { faults };
  return {
    ...(leaseMs === undefined ? {} : { leaseMs }),
    ...(retentionMs === undefined ? {} : { retentionMs }),
  };
}

async function change(
  engine: Engine,
  config: Config,
  asked: Partial<EngineLimits>,
  identity: boolean,
): Promise<number> {
  for (;;) {
    const stored = await engine.settings();
    if (stored === undefined) {
      const fault = "no gateway has used this ledger yet: the first one writes its own settings into it";
      return reportFaults([fault], exitCodes.failed);
    }
    const settings = parseSettings(stored);
    if (!identity && Object.keys(asked).length === 0) {
      process.stdout.write(`${said(settings)}\n`);
      return exitCodes.ok;
    }
    const next = changed(settings, config, asked, identity);
    if (typeof next === "string") return reportFaults([next], exitCodes.failed);
    if (next === undefined) {
      process.stdout.write(`nothing to do: ${said(settings)}\n`);
      return exitCodes.ok;
    }
    // False: another change has come in between.
    if (!(await engine.putSettings(settings.version, storedSettings(next)))) continue;
    process.stdout.write(`${said(next)}\n`);
    process.stdout.write("set the same in the configuration of each gateway before it starts again\n");
    return exitCodes.ok;
  }
}

/** A text says why not; undefined: it is so already. */
function changed(
  settings: LedgerSettings,
  config: Config,
  asked: Partial<EngineLimits>,
  identity: boolean,
): LedgerSettings | string | undefined {
  if (settings.before !== undefined) {
    return "another change is under way, and not every gateway that runs has confirmed it: try again later";
  }
  const { leaseMs = settings.leaseMs, retentionMs = settings.retentionMs } = asked;
  const limits = { leaseMs, retentionMs };
  const contradiction = contradictionOf(config, limits);
  if (contradiction !== undefined) return contradiction;
  const isSame = leaseMs === settings.leaseMs && retentionMs === settings.retentionMs;
  const next = isSame ? { ...settings, version: settings.version + 1 } : changedTo(settings, limits);
  if (!identity) return isSame ? undefined : next;
  return { ...next, identity: digestIdentity(identityRulesOf(config), settings.salt) };
}

function said({ version, leaseMs, retentionMs, before }: LedgerSettings): string {
  const now = `version ${version}: lease ${formatDuration(leaseMs)}, retention ${formatDuration(retentionMs)}`;
  if (before === undefined) return now;
  const was = `lease ${formatDuration(before.leaseMs)}, retention ${formatDuration(before.retentionMs)}`;
  return `${now}; until every gateway that runs has confirmed it, the safer of these and of ${was}`;
}
