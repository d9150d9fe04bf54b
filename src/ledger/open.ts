// Opens the ledger that the configuration names, and loads nothing of the others: neither their code nor their libraries.
import type { Config } from "../config/config.ts";
import { viewsOf } from "../config/routes.ts";
import { envidOf } from "../config/warnings.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { Storage } from "../storage/storage.ts";
import { digestIdentity, type IdentityRules } from "./identity-digest.ts";
import type { Ledger } from "./ledger.ts";
import { sharedLedgerName } from "./ledger-name.ts";
import type { Engine, EngineLimits } from "./shared/engine.ts";
import { faultsOf, formatDuration, parseSettings, SettingsError } from "./shared/settings.ts";

export interface LedgerWorld {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Nothing is counted when left out. */
  readonly counters?: Counters;
  /** Milliseconds since any moment; see SharedLedgerOptions. The machine's when left out. */
  readonly elapsed?: () => number;
  /** In place of the configured one, of several gateways. */
  readonly openEngine?: (limits: EngineLimits) => Promise<Engine>;
}

export interface OpenedLedger {
  readonly ledger: Ledger;
  /** Of a ledger that several gateways share; see SharedLedger. */
  readonly name: string | undefined;
  /** What its mails carry at SES, to be told from those of another; see ledger-name.ts. Undefined without SES. */
  readonly publicName: string | undefined;
  /** Live gateways that share it, this one included. */
  gateways(): number;
  /** Of an embedded one: what is relayed and not forgotten. */
  remembered?(): { readonly ids: number; readonly generations: number };
  /** Of a shared one: the database has answered the last time. */
  isUp?(): boolean;
}

/** A ledger that can be used, with nothing of it open on this gateway's disk. One of the two is called. */
export interface FoundLedger {
  /** Rejects with a StorageError or a SettingsError that says what to do; nothing stays open then. */
  open(): Promise<OpenedLedger>;
  close(): Promise<void>;
}

/**
 * Looks at what several gateways share, before this one's data folder is opened: opening brings a folder to the format
 * of this version, and a gateway that is then refused by the ledger could not go back to the version before.
 *
 * Rejects with a StorageError or a SettingsError that says what to do; nothing stays open then.
 */
export async function findLedger(config: Config, world: LedgerWorld): Promise<FoundLedger> {
  const { storage, clock, random, log, counters } = world;
  const { kind, retention: retentionMs, lease: leaseMs } = config.ledger;
  const isNamed = viewsOf(config).some(({ config: { upstream } }) => upstream.kind === "ses");
  if (kind === "embedded" && world.openEngine === undefined) {
    return {
      async open() {
        const { openEmbeddedLedger } = await import("./embedded/embedded.ts");
        const ledger = await openEmbeddedLedger({ storage, clock, log, retentionMs, counters });
        try {
          const publicName = isNamed ? await ledger.publicName(random) : undefined;
          return { ledger, name: undefined, publicName, gateways: () => 1, remembered: ledger.remembered };
        } catch (error) {
          await ledger.close();
          throw error;
        }
      },
      async close() {},
    };
  }
  const limits: EngineLimits = { retentionMs, leaseMs };
  const rules = identityRulesOf(config);
  const identity = (salt: string) => digestIdentity(rules, salt);
  const engine = await (world.openEngine?.(limits) ?? openEngine(config, limits, log));

  async function unlessFailed<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  const { refuseOthers, gatewayIdOf, openSharedLedger } = await import("./shared/open.ts");
  await unlessFailed(() => refuseOthers(engine, (salt) => ({ ...limits, identity: identity(salt) })));
  return {
    async open() {
      const gatewayId = await unlessFailed(() => gatewayIdOf(storage, random));
      const ledger = await openSharedLedger({
        identity,
        contradicts: (next) => contradictionOf(config, next),
        engine,
        gatewayId,
        clock,
        elapsed: world.elapsed ?? (() => performance.now()),
        log,
        retentionMs,
        leaseMs,
        counters,
      });
      const { name, gateways, isUp } = ledger;
      return { ledger, name, publicName: isNamed ? sharedLedgerName(name) : undefined, gateways, isUp };
    },
    close: () => engine.close(),
  };
}

/**
 * For what judges by the configured lease and retention without being a gateway of the ledger. Rejects with a
 * SettingsError where its gateways have agreed on others, or derive other ids.
 */
export async function assertSettings(config: Config, log: Log): Promise<void> {
  const { lease: leaseMs, retention: retentionMs } = config.ledger;
  const engine = await openEngine(config, { leaseMs, retentionMs }, log);
  try {
    const stored = await engine.settings();
    if (stored === undefined) return;
    const settings = parseSettings(stored);
    const identity = digestIdentity(identityRulesOf(config), settings.salt);
    const faults = faultsOf(settings, { leaseMs, retentionMs, identity });
    if (faults.length > 0) throw new SettingsError(faults);
  } finally {
    await engine.close();
  }
}

/** What the ids of this configuration are derived from, beside the mail. */
export function identityRulesOf(config: Config): IdentityRules {
  const { identity, users } = config;
  const { secret, headers, part_header: partHeader, namespace } = identity;
  const own = Object.entries(users).flatMap(([name, user]) =>
    user.namespace === undefined ? [] : [`${name}: ${user.namespace}`],
  );
  return {
    secret,
    fields: [
      ...headers.map((name) => name.toLowerCase()),
      partHeader.toLowerCase(),
      `envid: ${envidOf(config)}`,
    ],
    namespaces: [namespace, ...own.sort()],
  };
}

/** Why this gateway can't go by what the ledger has come to, as `contradictions` would say of its configuration. */
export function contradictionOf(
  { spool, identity }: Config,
  { retentionMs }: EngineLimits,
): string | undefined {
  const { lifetime } = spool;
  // P11.
  if (retentionMs <= lifetime) {
    return `spool.lifetime is ${formatDuration(lifetime)}, and must be shorter than the retention`;
  }
  const window = identity.fingerprint_window;
  if (retentionMs >= window) return undefined;
  return `identity.fingerprint_window is ${formatDuration(window)}, and must not be longer than the retention`;
}

/** The engine of a kind that several gateways share. */
export async function openEngine({ ledger }: Config, limits: EngineLimits, log: Log): Promise<Engine> {
  if (ledger.kind === "dynamodb") {
    const { openDynamodbEngine } = await import("./dynamodb/dynamodb.ts");
    return await openDynamodbEngine({ ...ledger.dynamodb, ...limits, log });
  }
  const { openPostgresEngine } = await import("./postgres/postgres.ts");
  return await openPostgresEngine({ url: ledger.postgres.url ?? "", ...limits, log });
}
