// This gateway's part in the settings that all gateways of a ledger share (settings.ts): it writes them when it is
// the first, refuses to go on beside others with its own, takes up what is changed while it runs, confirms that with
// its next beat, and ends a change that every live gateway has confirmed.
import type { Log } from "../../runtime/log.ts";
import type { Beat, Engine, EngineLimits } from "./engine.ts";
import {
  faultsOf,
  finished,
  formatDuration,
  type InForce,
  inForce,
  type LedgerSettings,
  type OwnSettings,
  parseSettings,
  SettingsError,
  storedSettings,
} from "./settings.ts";

export interface Agreement {
  /** What the ledger is known by: the salt that its first gateway wrote. */
  readonly ledger: string;
  readonly inForce: InForce;
  /** The version that this gateway goes by; for its next beat. 0: it can't. */
  readonly confirmed: number;
  /**
   * What a beat has said.
   *
   * @returns whether this gateway has taken up something that it has not confirmed
   */
  receive(beat: Beat): boolean;
  /** Throws a SettingsError when the configuration is not what the gateways have agreed on. */
  assertOwn(): void;
}

export interface AgreementOptions {
  readonly engine: Engine;
  /** The configured values, with the digests under a salt. */
  readonly own: (salt: string) => OwnSettings;
  /** For a ledger that has no settings yet. */
  readonly salt: string;
  /** Why this gateway can't go by limits, as a setting of its own that contradicts them; undefined: it can. */
  readonly contradicts: (limits: EngineLimits) => string | undefined;
  readonly log: Log;
}

/** Rejects with a SettingsError, or with a StorageError when the engine does not answer. */
export async function openAgreement(options: AgreementOptions): Promise<Agreement> {
  const { engine, contradicts, log } = options;
  let settings = await readOrWrite(options);
  const own = options.own(settings.salt);
  let now = inForce(settings);
  let confirmed = settings.version;

  function assertOwn(): void {
    const faults = faultsOf(settings, own);
    if (faults.length > 0) throw new SettingsError(faults);
  }

  function goBy(next: LedgerSettings): void {
    settings = next;
    now = inForce(next);
    engine.limit({ leaseMs: now.leaseMs, retentionMs: now.retentionMs });
  }

  function takeUp(next: LedgerSettings): void {
    const { version, leaseMs, retentionMs, before } = next;
    const isOther =
      settings.leaseMs !== leaseMs || settings.retentionMs !== retentionMs || settings.before !== undefined;
    const [is, was] = [next.identity, settings.identity];
    if (is?.secret !== was?.secret || is?.fields !== was?.fields) {
      log.error("ledger.identity_changed", { version });
    }
    goBy(next);
    const contradiction = contradicts(next);
    if (contradiction !== undefined) {
      log.error("ledger.settings_unfit", { version, contradiction });
    }
    confirmed = contradiction === undefined ? version : 0;
    if (!isOther) return;
    log.warn("ledger.settings_changed", {
      version,
      lease: formatDuration(leaseMs),
      retention: formatDuration(retentionMs),
      inForce: before === undefined,
      configured: faultsOf(next, own).length === 0,
    });
  }

  /** Of several that do so one succeeds. One that fails is tried again with the next beat. */
  function end(): void {
    void engine.putSettings(settings.version, storedSettings(finished(settings))).catch(() => {});
  }

  assertOwn();
  goBy(settings);
  // Gateways may keep the tasks of their mailers apart, so this is said and not refused.
  const [ours, theirs] = [own.identity?.namespaces, settings.identity?.namespaces];
  if (ours !== theirs && ours !== undefined && theirs !== undefined) log.warn("ledger.namespace_differs");
  return {
    ledger: settings.salt,
    get inForce() {
      return now;
    },
    get confirmed() {
      return confirmed;
    },
    receive({ settings: stored, confirmed: byAll }) {
      // Answers may overtake one another.
      if (stored === undefined || stored.version < settings.version) return false;
      if (stored.version > settings.version) {
        takeUp(parseSettings(stored));
        return true;
      }
      if (settings.before !== undefined && byAll >= settings.version) end();
      return false;
    },
    assertOwn,
  };
}

/**
 * Rejects with a SettingsError when the ledger has settings and these are others; changes nothing. For before a
 * gateway opens its data folder.
 */
export async function refuseOthers(engine: Engine, own: AgreementOptions["own"]): Promise<void> {
  const stored = await engine.settings();
  if (stored === undefined) return;
  const settings = parseSettings(stored);
  const faults = faultsOf(settings, own(settings.salt));
  if (faults.length > 0) throw new SettingsError(faults);
}

async function readOrWrite({ engine, own, salt }: AgreementOptions): Promise<LedgerSettings> {
  for (;;) {
    const stored = await engine.settings();
    if (stored !== undefined) return parseSettings(stored);
    // Of two that are the first at the same time one finds the other's.
    const first: LedgerSettings = { ...own(salt), version: 1, salt };
    if (await engine.putSettings(0, storedSettings(first))) return first;
  }
}
