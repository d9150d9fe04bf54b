// What the gateways of one ledger have to agree on: lease, retention, and what their ids are derived from. The first
// gateway writes its own; the ledger keeps them as a text that no engine reads. Pure.
//
//     version 1   the first gateway's
//     version n   a change: the values before stay in force beside the new ones, each time the safer of both,
//                 until every gateway that lives has confirmed version n
//     version n+1 the same without the values before: the change is in force
import { StorageError } from "../../storage/storage.ts";
import type { IdentityDigests } from "../identity-digest.ts";
import type { EngineLimits, StoredSettings } from "./engine.ts";

export interface LedgerSettings extends EngineLimits {
  /** Counts the changes, from 1. */
  readonly version: number;
  /** The values before, while not every live gateway has confirmed the change. */
  readonly before?: EngineLimits | undefined;
  /** See digestIdentity. */
  readonly salt: string;
  /** Undefined where a gateway without any was the first, which only a part of a gateway is. */
  readonly identity: IdentityDigests | undefined;
}

/** What a gateway goes by. */
export interface InForce {
  /** Without a heartbeat for so long a gateway is dead: the longer one during a change. */
  readonly leaseMs: number;
  /** What beats, their freshness and the margin of an attempt are parts of: the shorter one during a change. */
  readonly beatLeaseMs: number;
  /** The longer one during a change. */
  readonly retentionMs: number;
}

export function inForce({ leaseMs, retentionMs, before }: LedgerSettings): InForce {
  const other = before ?? { leaseMs, retentionMs };
  return {
    leaseMs: Math.max(leaseMs, other.leaseMs),
    beatLeaseMs: Math.min(leaseMs, other.leaseMs),
    retentionMs: Math.max(retentionMs, other.retentionMs),
  };
}

/** What a later mailonce has put in beside is kept. */
export function storedSettings({ version, ...rest }: LedgerSettings): StoredSettings {
  return { version, text: JSON.stringify(rest) };
}

/** @throws StorageError when the text is none of ours */
export function parseSettings({ version, text }: StoredSettings): LedgerSettings {
  try {
    const parsed = JSON.parse(text) as Omit<LedgerSettings, "version">;
    const limits = [parsed, ...(parsed.before === undefined ? [] : [parsed.before])];
    const isWhole =
      limits.every(({ leaseMs, retentionMs }) => leaseMs > 0 && retentionMs > 0) &&
      [parsed.salt, ...Object.values(parsed.identity ?? {})].every((one) => typeof one === "string");
    if (isWhole) return { ...parsed, version };
  } catch {}
  throw new StorageError("damaged", "the settings of the ledger can't be read");
}

/** The change as it is written first. Not during another one. */
export const changedTo = (settings: LedgerSettings, limits: EngineLimits): LedgerSettings => ({
  ...settings,
  ...limits,
  version: settings.version + 1,
  before: { leaseMs: settings.leaseMs, retentionMs: settings.retentionMs },
});

/** Every live gateway has confirmed it. */
export function finished({ before: _, ...settings }: LedgerSettings): LedgerSettings {
  return { ...settings, version: settings.version + 1 };
}

/** A configuration that does not fit the ledger. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  /** One sentence each: the setting, both values where they are no secret, and what to do. */
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join("; "));
    this.faults = faults;
  }
}

export interface OwnSettings extends EngineLimits {
  /** Left out: nothing is compared. */
  readonly identity: IdentityDigests | undefined;
}

export function faultsOf(settings: LedgerSettings, own: OwnSettings): string[] {
  const faults: string[] = [];
  const compare = (name: "lease" | "retention", here: number, there: number) => {
    if (here === there) return;
    faults.push(
      `ledger.${name} is ${formatDuration(here)} here, and ${formatDuration(there)} in the ledger that the ` +
        `gateways share: set it to ${formatDuration(there)}, or change the ledger's with ` +
        `\`mailonce ledger set --${name} ${formatDuration(here)}\``,
    );
  };
  compare("lease", own.leaseMs, settings.leaseMs);
  compare("retention", own.retentionMs, settings.retentionMs);
  const { identity } = settings;
  if (identity === undefined || own.identity === undefined) return faults;
  if (own.identity.secret !== identity.secret) {
    faults.push(
      "identity.secret is another one than that of the ledger's gateways, so that no mail here would be a repeat " +
        `of one there: set theirs; ${ANEW}`,
    );
  } else if (own.identity.fields !== identity.fields) {
    faults.push(
      "identity.headers, identity.part_header or identity.envid are others than those of the ledger's gateways, so " +
        `that a mail may have another id here than there: set theirs; ${ANEW}`,
    );
  }
  return faults;
}

const ANEW =
  "or stop all gateways, and have the ledger take those of this configuration with `mailonce ledger set --identity`";

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** As the configuration writes it: "30d", "90s", "250ms". */
export function formatDuration(ms: number): string {
  for (const [unit, length] of UNITS) if (ms % length === 0) return `${ms / length}${unit}`;
  return `${ms}ms`;
}
