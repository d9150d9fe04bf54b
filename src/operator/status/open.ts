// Puts the status of a gateway together from its parts.
import type { Config } from "../../config/config.ts";
import { viewsOf } from "../../config/routes.ts";
import type { LaneFacts } from "../../dispatch/lane-facts.ts";
import type { ObservedFacts, PreventedFacts } from "../../history/prevented.ts";
import type { CertificateFacts } from "../../listeners/tls/watch.ts";
import type { Counters, ObservedVerdict } from "../../metrics/counters.ts";
import type { Readings } from "../../metrics/readings.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { FreeSpace } from "../../storage/free-space.ts";
import type { SendingQuota } from "../../upstream/upstream.ts";
import type { DiskProbe } from "../http/disk-probe.ts";
import type { Phase } from "../routes/parts.ts";
import type { EventsFacts } from "./event-troubles.ts";
import { createRates, flowOf } from "./rates.ts";
import { createStatusDesk, type StatusDesk, type StatusParts } from "./status.ts";

export interface GatewayFacts extends Pick<StatusParts, "version"> {
  readonly relay: {
    laneFacts(): readonly LaneFacts[];
    decided(): void;
    reportsWaiting(): number;
    eventQueues(): readonly EventsFacts[];
    readonly history: { prevented(): PreventedFacts | undefined; observations(): ObservedFacts | undefined };
    readonly readings: Pick<Readings, "ledger" | "shared">;
  };
  /** Of each listener that has one. */
  readonly certificates: readonly (readonly [listener: string, facts: () => CertificateFacts | undefined])[];
  readonly upstreams: ReadonlyMap<string, { quota?(): SendingQuota | undefined }>;
  readonly counters: Counters;
  readonly freeSpace: FreeSpace;
  readonly disk: DiskProbe;
  readonly clock: Clock;
}

export interface GatewayStatus extends StatusDesk {
  close(): void;
}

export function createGatewayStatus(
  config: Config,
  facts: GatewayFacts,
  phase: () => Phase,
  drainingSince: StatusParts["drainingSince"],
): GatewayStatus {
  const { relay, upstreams, counters, clock } = facts;
  const { kind } = config.ledger;
  const startedAt = clock.now();
  const { ledger, shared } = relay.readings;
  const rates = createRates(() => flowOf(counters), clock);
  const desk = createStatusDesk({
    ...facts,
    phase: () => {
      const now = phase();
      // Nobody is answered by status before it runs.
      return now === "starting" ? "running" : now;
    },
    ...{ drainingSince, rates, startedAt, laneFacts: relay.laneFacts },
    decided: relay.decided,
    reportsWaiting: relay.reportsWaiting,
    events: relay.eventQueues,
    prevented: relay.history.prevented,
    observed: () => {
      if (config.identity.mode === "enforce") return undefined;
      return relay.history.observations() ?? { since: startedAt, counts: observedIn(counters) };
    },
    ledger: () => ({
      ...{ kind, doubtful: ledger().doubtful },
      ...{ isUp: shared?.isUp() ?? true, gateways: shared?.gateways() ?? 1 },
    }),
    certificates: () =>
      facts.certificates.flatMap(([listener, certificate]) => {
        const found = certificate();
        return found === undefined ? [] : [{ ...found, listener }];
      }),
    upstreams: viewsOf(config).map((view) => ({ ...view, quota: () => upstreams.get(view.name)?.quota?.() })),
    freeMinimum: config.spool.free_min_bytes,
  });
  return { ...desk, close: rates.close };
}

/** Without a history: since the start. */
function observedIn({ observed }: Pick<Counters, "observed">): ObservedFacts["counts"] {
  const sum = (...verdicts: readonly ObservedVerdict[]): number =>
    verdicts
      .flatMap((verdict) => [...observed.of(verdict).entries()])
      .reduce((total, [, count]) => total + count, 0);
  return {
    ...{ repeat: sum("repeat_relayed", "repeat_underway"), conflict: sum("conflict") },
    ...{ doubtful: sum("doubtful"), refused: sum("refused") },
  };
}
