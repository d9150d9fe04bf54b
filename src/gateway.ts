// The gateway as a whole: opens the relay, listens before it, and ends both in order. It decides nothing about a message.
import { resolve } from "node:path";
import type { Config } from "./config/config.ts";
import { listenersOf } from "./config/listeners.ts";
import { refuseOwnListener } from "./config/own-listener.ts";
import { warningsOf } from "./config/warnings.ts";
import type { Evidence } from "./evidence/evidence.ts";
import { checkGateFiles, type OpenGate, openGate } from "./listeners/gate.ts";
import type { Listener } from "./listeners/listener.ts";
import { openListener } from "./listeners/open.ts";
import { createCounters } from "./metrics/counters.ts";
import { createDraining } from "./operator/draining.ts";
import { createDiskProbe } from "./operator/http/disk-probe.ts";
import { checkHttpFiles, openHttp } from "./operator/http/open.ts";
import { createOutboxDesk } from "./operator/outbox/desk.ts";
import { createEvents } from "./operator/status/events.ts";
import { createGatewayStatus } from "./operator/status/open.ts";
import { readingsOf } from "./readings.ts";
import { openRelay } from "./relay.ts";
import { createFreeSpace } from "./storage/free-space.ts";
import { refuseUnsafeMaildirs } from "./upstream/maildir-check.ts";
import { announceLack } from "./upstream/open.ts";
import { reportsFrom, submissionLimits, type World } from "./world.ts";

export interface Gateway {
  /** Of the first listener. */
  readonly host: string;
  readonly port: number;
  /** Of all listeners, each `host:port`. */
  readonly addresses: readonly string[];
  /** A URL on which a browser signs in once, within ten minutes; absent where HTTP is not served. */
  signInUrl(): string | undefined;
  /** Takes what shows later that an upstream took a mail. */
  readonly evidence: Evidence;
  /** Resolves when an operator has had it drained, and nothing is left: it is to be stopped. */
  readonly drained: Promise<void>;
  /** Reads users, tokens and certificates again. */
  reload(): Promise<void>;
  /** Accepts nothing more, ends what is under way and closes everything. */
  stop(): Promise<void>;
}

/** Opens the relay and listens. Rejects, with everything closed again, when an address can't be had. */
export async function startGateway(config: Config, world: World): Promise<Gateway> {
  const users = await checkGateFiles(config, world.clock);
  await checkHttpFiles(config, world.clock);
  const found = await world.storage.list("ledger");
  await refuseOwnListener(config);
  await refuseUnsafeMaildirs(config, "ours");
  for (const { key, warning } of warningsOf(config, users))
    world.log.warn("config.warning", { key, warning });
  const { log, clock, upstreams, counters = createCounters() } = world;
  const { data_dir: folder, spool } = config;
  const freeSpace = world.freeSpace ?? createFreeSpace(folder, spool.free_min_bytes, () => clock.now());
  const http = await openHttp(config, world);
  const relay = await openRelay(config, { ...world, counters, freeSpace }).catch(async (error: unknown) => {
    await http.close();
    throw error;
  });
  const free = await freeSpace.free();
  if (free !== undefined && free < spool.free_min_bytes) {
    log.warn("spool.low_space", { free, minimum: spool.free_min_bytes });
  }
  const listeners: Listener[] = [];
  const certificates: [listener: string, certificate: OpenGate["certificate"]][] = [];
  let stopped: Promise<unknown> | undefined;
  const stopListening = (): Promise<unknown> => {
    stopped ??= Promise.all(listeners.map((listener) => listener.stop()));
    return stopped;
  };
  const opened = relay.compareStarts(found).then(() => openGate(config, relay.policy, freeSpace, clock, log));
  const gate = await opened.catch(async (error: unknown) => {
    await http.close();
    await relay.drain();
    await relay.close();
    throw error;
  });
  try {
    const limits = submissionLimits(config, world);
    for (const place of listenersOf(config)) {
      const parts = { gate, submit: relay.submit, upstreams, counters, log };
      const listener = await openListener(config, place, limits, parts);
      listeners.push(listener);
      if (place.tls !== "none") certificates.push([`${listener.host}:${listener.port}`, gate.certificate]);
    }
    gate.onTls((options) => {
      for (const listener of listeners) listener.updateTls(options);
    });
    const disk = createDiskProbe(world.storage, freeSpace, clock);
    if (http.address !== undefined) certificates.push([http.address, http.certificate]);
    const { version } = world;
    const shown = { relay, upstreams, freeSpace, certificates, clock };
    const readings = readingsOf({ ...shown, version: version ?? "" });
    const draining = createDraining({
      refuse() {
        gate.drain();
        http.draining();
      },
      ...{ isEmpty: relay.isEmpty, stopListening, clock, log },
    });
    const status = createGatewayStatus(
      config,
      { ...shown, counters, disk, version },
      http.phase,
      draining.since,
    );
    const { doubtful, evidence, forget, explain, pausing, queue, changes, recent } = relay;
    const events = createEvents({ status: status.read, changes, clock });
    const desks = { doubtful, evidence, forget, explain, pausing, queue, recent, status, draining };
    await http.run({ ...desks, outbox: createOutboxDesk(config), events, counters, readings, disk });
    const [{ host, port }] = listeners as [Listener];
    const { from } = reportsFrom(config);
    for (const upstream of upstreams.values()) void announceLack(upstream, from, log);
    const names = [...upstreams.values()].map(({ name }) => name);
    const addresses = listeners.map((listener) => `${listener.host}:${listener.port}`);
    log.info("gateway.listening", {
      host,
      port,
      ...(addresses.length === 1 ? {} : { listeners: addresses }),
      ...(http.address === undefined ? {} : { http: http.address }),
      version: world.version,
      upstream: names.join(", "),
      ledger: config.ledger.kind,
      data_dir: resolve(folder),
      mode: config.identity.mode,
      unkeyed: config.identity.unkeyed,
    });
    return {
      host,
      port,
      addresses,
      signInUrl: http.signInUrl,
      evidence: relay.evidence,
      drained: draining.ended,
      async reload() {
        await Promise.all([gate.reload(), http.reload()]);
      },
      async stop() {
        log.info("gateway.stopping");
        http.stopping();
        draining.close();
        events.close();
        status.close();
        // What is still accepted stays in the spool for the next start.
        await Promise.all([stopListening(), relay.drain()]);
        gate.close();
        await http.close();
        await relay.close();
        log.info("gateway.stopped");
      },
    };
  } catch (error) {
    await stopListening();
    gate.close();
    await http.close();
    await relay.drain();
    await relay.close();
    throw error;
  }
}
