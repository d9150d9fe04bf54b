// What a gateway as a whole has to say when its metrics are read.
import type { CertificateFacts } from "./listeners/tls/watch.ts";
import type { Readings } from "./metrics/readings.ts";
import type { Relay } from "./relay.ts";
import type { Clock } from "./runtime/clock.ts";
import type { FreeSpace } from "./storage/free-space.ts";
import type { Upstream } from "./upstream/upstream.ts";

export interface Readable {
  readonly version: string;
  readonly relay: Pick<Relay, "readings">;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly freeSpace: Pick<FreeSpace, "free">;
  /** Of each listener, `host:port`. */
  readonly certificates: readonly (readonly [
    listener: string,
    certificate: () => CertificateFacts | undefined,
  ])[];
  readonly clock: Clock;
}

export function readingsOf(parts: Readable): Readings {
  const { version, relay, upstreams, freeSpace, clock } = parts;
  const limited = [...upstreams].filter(([, { quota }]) => quota !== undefined);
  const secured = parts.certificates.filter(([, certificate]) => certificate() !== undefined);
  const quotas = () =>
    limited.flatMap(([name, upstream]) => {
      const quota = upstream.quota?.();
      if (quota === undefined) return [];
      const { max = Number.POSITIVE_INFINITY, sent } = quota;
      return [[name, { max, remaining: Math.max(0, max - sent) }] as const];
    });
  const certificates = () =>
    secured.map(([listener, certificate]) => [listener, certificate()?.notAfter ?? 0] as const);
  return {
    ...relay.readings,
    ...{ version, nodeVersion: process.version, now: () => clock.now(), diskFree: () => freeSpace.free() },
    quotas: limited.length === 0 ? undefined : quotas,
    certificates: secured.length === 0 ? undefined : certificates,
  };
}
