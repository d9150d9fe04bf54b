// Assembly and life: the one file that knows every part. It decides nothing about a message.
import { createPolicy, type Policy } from "./access/policy.ts";
import type { Config } from "./config/config.ts";
import { readConfigFiles } from "./config/files.ts";
import { listenersOf } from "./config/listeners.ts";
import { refuseOwnListener } from "./config/own-listener.ts";
import { maildirPathOf, routesOf, viewsOf } from "./config/routes.ts";
import { envidOf, warningsOf } from "./config/warnings.ts";
import { createAttempt } from "./dispatch/attempt.ts";
import { createBudget } from "./dispatch/budget.ts";
import { createDecisions } from "./dispatch/decisions.ts";
import { createDelayWarnings } from "./dispatch/delay.ts";
import { createDispatcher } from "./dispatch/dispatcher.ts";
import { createDoubts } from "./dispatch/doubt.ts";
import { strictest } from "./dispatch/failover.ts";
import { createNotices } from "./dispatch/notice.ts";
import type { QueuedTransmission, ToQueue } from "./dispatch/queue.ts";
import { createRecorder, STORAGE_RETRY_MS } from "./dispatch/recorder.ts";
import { recover } from "./dispatch/recovery.ts";
import { createReports } from "./dispatch/reports.ts";
import { createRoutes, type RoutedUpstream } from "./dispatch/routes.ts";
import { createVerdicts } from "./dispatch/verdicts.ts";
import { type SenderDomains, senderDomainsOf } from "./identity/id-right.ts";
import { compareStarts } from "./ledger/last-start.ts";
import { findLedger, identityRulesOf, type LedgerWorld } from "./ledger/open.ts";
import { checkGateFiles, openGate } from "./listeners/gate.ts";
import { type Listener, type ListenerOptions, listen } from "./listeners/smtp/listener.ts";
import { createDoubtfulDesk, type DoubtfulDesk } from "./operator/doubtful.ts";
import { createHandler } from "./operator/requests.ts";
import { openOperatorSocket } from "./operator/socket.ts";
import { encodeBase32 } from "./runtime/base32.ts";
import type { Clock } from "./runtime/clock.ts";
import { alone, type Fleet, type FollowingFleet } from "./runtime/fleet.ts";
import type { Log } from "./runtime/log.ts";
import { createRate, unlimited } from "./runtime/rate.ts";
import { readSecretFile } from "./runtime/secret-file.ts";
import { openSpool } from "./spool/spool.ts";
import { createFreeSpace, type FreeSpace } from "./storage/free-space.ts";
import { randomName } from "./storage/random-name.ts";
import { createSubmissionHandler } from "./submission/accept.ts";
import { createAwaiting } from "./submission/awaiting.ts";
import type { SubmissionHandler } from "./submission/contract.ts";
import { createReceiveBudget } from "./submission/receive-budget.ts";
import { refuseUnsafeMaildirs } from "./upstream/maildir-check.ts";
import type { Upstream } from "./upstream/upstream.ts";

/** What a gateway takes from the world; a simulation brings its own. */
export interface World extends LedgerWorld {
  /** By the names that the configuration gives them. */
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** Room for what is received; a disk without end when left out. */
  readonly freeSpace?: FreeSpace | undefined;
  /** Told of the gateways that share the ledger. */
  readonly fleet?: FollowingFleet;
}

/** Everything behind the listener: takes submissions and relays them. */
export interface Relay {
  readonly submit: SubmissionHandler;
  readonly policy: Policy;
  readonly doubtful: DoubtfulDesk;
  /** Says what is forgotten by settings that are others than at the last start. @param found in the folder `ledger` */
  compareStarts(found: readonly string[]): Promise<void>;
  /** Begins no further attempt, and ends those under way within the grace. Submissions go on. */
  drain(): Promise<void>;
  /** After drain, and when no submission is under way: closes ledger, spool and upstream. */
  close(): Promise<void>;
}

export interface Gateway {
  /** Of the first listener. */
  readonly host: string;
  readonly port: number;
  /** Reads users and certificates again. */
  reload(): Promise<void>;
  /** Accepts nothing more, ends what is under way and closes everything. */
  stop(): Promise<void>;
}

/**
 * Attempts under way at a stop may take this long; what then is without an answer is doubtful. Below the
 * 30 s after which container runtimes kill.
 */
const GRACE_MS = 20_000;

/** Those of the strictest upstream, as a mail can't know at MAIL by which it will go. */
const submissionLimits = ({ smtp }: Config, { upstreams }: World) => {
  const { messageOctets, ...limits } = strictest([...upstreams.values()].map(({ limits }) => limits));
  const least = Math.min(smtp.size_max_bytes, messageOctets);
  const { header_max_bytes: headerOctets, bare_newline: bareNewlines } = smtp;
  return { ...limits, messageOctets: least, headerOctets, bareNewlines };
};

/** What the listeners have in common. */
const commonOptions = (
  config: Config,
  world: World,
): Omit<ListenerOptions, "protocol" | "host" | "port" | "tls" | "auth"> => {
  const { smtp, hostname } = config;
  const { greeting, command, data_idle: dataIdle, data } = smtp.timeouts;
  const { messageOctets, smtpUtf8 } = submissionLimits(config, world);
  return {
    hostname,
    messageOctets,
    smtpUtf8,
    recipientsMax: smtp.recipients_max,
    commandOctets: smtp.command_max_bytes,
    connectionsMax: smtp.connections_max,
    limits: {
      errorsMax: smtp.errors_max,
      junkCommandsMax: smtp.junk_commands_max,
      unauthenticatedCommandsMax: smtp.unauthenticated_commands_max,
      bareNewlines: smtp.bare_newline,
      refusalsMax: smtp.refusals_max,
      strict: smtp.strict,
      timeouts: { greeting, command, dataIdle, data },
    },
  };
};

/** Each upstream with the rate that it tells itself, or else the configured one. */
const routedUpstreams = (
  config: Config,
  { upstreams, clock, fleet }: World,
): ReadonlyMap<string, RoutedUpstream> =>
  new Map(
    viewsOf(config).flatMap(({ name, config: { upstream: settings } }) => {
      const upstream = upstreams.get(name);
      if (upstream === undefined) return [];
      const { concurrency, rate_per_second: perSecond } = settings;
      const configured = perSecond === undefined ? unlimited : createRate(perSecond, clock, fleet);
      return [[name, { upstream, rate: upstream.rate ?? configured, concurrency }]];
    }),
  );

/** Part of the octets that every attempt carries (P10), so of every message, wherever it goes. */
const keepIdFieldsOf = ({ upstream, upstreams }: Config): string[] => {
  const fields = [upstream, ...Object.values(upstreams)].flatMap(({ kind, smtp }) =>
    kind === "smtp" && smtp.keep_id_field !== undefined ? [smtp.keep_id_field] : [],
  );
  return [...new Set(fields)];
};

/**
 * What tells our own trace fields from those of others, in a file of the data folder. A disk that can't keep it does
 * not keep the gateway from starting: a loop is then noticed within one run only.
 */
const traceNameOf = async ({ storage, random, log }: World): Promise<string> => {
  try {
    return await randomName(storage, random, "trace", "name", "trace");
  } catch (error) {
    log.warn("gateway.trace_name_lost", { error: String(error) });
    return encodeBase32(random.octets(10));
  }
};

/** Whose mail a report is: the gateway's own, and routed as such. */
export function reportsFrom({ notices, hostname }: Config): {
  readonly from: string;
  readonly sender: SenderDomains;
} {
  const from = notices.from ?? `MAILER-DAEMON@${hostname}`;
  return { from, sender: senderDomainsOf({ from, reversePath: "" }) };
}

/** Opens ledger and spool, claims what is in the spool again, and begins to relay. */
export async function openRelay(config: Config, world: World): Promise<Relay> {
  const { storage, clock, random, log } = world;
  const { addresses } = config.log;
  const { doubtful } = config.ledger;
  const { lifetime, retry_min: minMs, retry_max: maxMs } = config.spool;
  const { hostname, identity } = config;
  const retry = { minMs, maxMs };
  const keepIdFields = keepIdFieldsOf(config);

  const found = await findLedger(config, world);
  const spool = await openSpool(storage).catch(async (error: unknown) => {
    await found.close();
    throw error;
  });
  const { ledger, name, gateways } = await found.open();
  world.fleet?.follow(gateways);
  const traceName = await traceNameOf(world);
  const routes = createRoutes(
    routesOf(config),
    routedUpstreams(config, world),
    { clock, random, log },
    retry,
  );
  const toQueue: ToQueue = (key, claim, { dueAt, size, sender, acceptedAt, attempts }) => {
    const lane = routes.laneOf(sender);
    return { key, claim, dueAt, size, lane, acceptedAt, isAttempted: attempts > 0, expiresAt: undefined };
  };
  const enqueue = (queued: QueuedTransmission): void => dispatcher.enqueue(queued);
  const recorder = createRecorder({
    ...{ ledger, spool, clock, log },
    pause: (reason) => dispatcher.pause(reason, STORAGE_RETRY_MS),
  });
  const verdicts = createVerdicts(clock);
  const decisions = createDecisions();
  const policy = createPolicy(config);
  const notices = createNotices(
    { ledger, random, clock, toQueue, enqueue, takeUp: (...doubt) => doubts.takeUp(...doubt) },
    { hostname, ...reportsFrom(config), keepIdFields },
  );
  const reports = createReports(
    {
      ...{ spool, ledger, notices, recorder, clock, log },
      mayMail: (submitter, reversePath) => policy.recipient(submitter, reversePath),
    },
    { secret: identity.secret, lifetimeMs: lifetime, addresses },
  );
  const warnOfDelay = createDelayWarnings(reports, clock, config.spool.delay_warning);
  const doubts = createDoubts(
    { ledger, spool, recorder, verdicts, decisions, warnOfDelay, enqueue, clock, random, log },
    { policy: doubtful, retry, addresses },
  );
  const attempt = createAttempt(
    {
      ...{ spool, ledger, doubts, decisions, reports, warnOfDelay, recorder, verdicts, enqueue },
      ...{ clock, random, log },
    },
    { retry, addresses },
  );
  const budget = createBudget(config.upstream.memory_max_bytes);
  const dispatcher = createDispatcher({ attempt, budget, clock, random, log }, routes.lanes, retry, lifetime);
  const submit = createSubmissionHandler(
    {
      ledger,
      spool,
      clock,
      random,
      log,
      queued({ key, claim, transmission, doubtful }) {
        const queued = toQueue(key, claim, transmission);
        if (doubtful) doubts.takeUpSoon(queued, transmission, "attempted before without an answer");
        else enqueue(queued);
      },
      awaiting: config.smtp.reply === "relayed" ? createAwaiting(verdicts) : undefined,
      policy,
      budget: createReceiveBudget(config.smtp.buffer_max_bytes),
      takeRoom: world.freeSpace?.take,
    },
    {
      headers: identity.headers,
      partHeader: identity.part_header,
      envid: envidOf(config),
      secret: identity.secret,
      unkeyed: identity.unkeyed,
      fingerprintWindowMs: identity.fingerprint_window,
      conflict: identity.conflict,
      messageId: identity.message_id,
      references: identity.references,
      doubtful,
      keepIdFields,
      hostname,
      traceName,
      hopsMax: config.smtp.hops_max,
      limits: submissionLimits(config, world),
      addresses,
    },
  );

  const binds = config.smtp.reply === "queued";
  const { retention: retentionMs } = config.ledger;
  await recover(
    { spool, ledger, verdicts, doubts, reports, toQueue, enqueue, clock, log },
    { binds, retentionMs },
  );
  reports.start();
  dispatcher.start();

  return {
    submit,
    policy,
    compareStarts: (found) =>
      compareStarts(
        spool,
        { kind: config.ledger.kind, ledger: name, rules: identityRulesOf(config), found },
        random,
        log,
      ),
    doubtful: createDoubtfulDesk({
      ...{ ledger, spool, log, addresses },
      spooled(id) {
        const found = doubts.find(id);
        return found && { key: found.queued.key, transmission: found.transmission };
      },
      decisions: { ...decisions, ...doubts },
    }),

    async drain() {
      const late = new AbortController();
      const grace = clock.after(GRACE_MS, () => {
        dispatcher.abort();
        late.abort();
      });
      await dispatcher.drain();
      await reports.drain(late.signal);
      grace.cancel();
      verdicts.close();
    },

    async close() {
      await ledger.close();
      await spool.close();
      await routes.close();
    },
  };
}

/** Opens the relay and listens. Rejects, with everything closed again, when an address can't be had. */
export async function startGateway(config: Config, world: World): Promise<Gateway> {
  const users = await checkGateFiles(config, world.clock);
  const found = await world.storage.list("ledger");
  await refuseOwnListener(config);
  await refuseUnsafeMaildirs(config, "ours");
  for (const { key, warning } of warningsOf(config, users))
    world.log.warn("config.warning", { key, warning });
  const { log, clock, upstreams } = world;
  const { data_dir: folder, spool } = config;
  const freeSpace = world.freeSpace ?? createFreeSpace(folder, spool.free_min_bytes, () => clock.now());
  const relay = await openRelay(config, { ...world, freeSpace });
  const free = await freeSpace.free();
  if (free !== undefined && free < spool.free_min_bytes) {
    log.warn("spool.low_space", { free, minimum: spool.free_min_bytes });
  }
  const listeners: Listener[] = [];
  const stopListening = () => Promise.all(listeners.map((listener) => listener.stop()));
  const opened = relay.compareStarts(found).then(() => openGate(config, relay.policy, freeSpace, clock, log));
  const gate = await opened.catch(async (error: unknown) => {
    await relay.drain();
    await relay.close();
    throw error;
  });
  try {
    const common = commonOptions(config, world);
    for (const { protocol, host, port, tls, auth } of listenersOf(config)) {
      listeners.push(await listen({ ...common, protocol, host, port, tls, auth }, gate, relay.submit, log));
    }
    gate.onTls((options) => {
      for (const listener of listeners) listener.updateTls(options);
    });
    const operator = await openOperatorSocket(config.data_dir, createHandler(relay.doubtful), log);
    const [{ host, port }] = listeners as [Listener];
    const { from } = reportsFrom(config);
    for (const upstream of upstreams.values()) void announceLack(upstream, from, log);
    const names = [...upstreams.values()].map(({ name }) => name);
    const all = listeners.map((listener) => `${listener.host}:${listener.port}`);
    log.info("gateway.listening", {
      host,
      port,
      ...(all.length === 1 ? {} : { listeners: all }),
      upstream: names.join(", "),
    });
    return {
      host,
      port,
      reload: gate.reload,
      async stop() {
        log.info("gateway.stopping");
        // What is still accepted stays in the spool for the next start.
        await Promise.all([stopListening(), relay.drain()]);
        gate.close();
        await operator.close();
        await relay.close();
        log.info("gateway.stopped");
      },
    };
  } catch (error) {
    await stopListening();
    gate.close();
    await relay.drain();
    await relay.close();
    throw error;
  }
}

/** Mail is taken all the same, and waits: credentials of a role may be there a moment later. */
async function announceLack(upstream: Upstream, from: string, log: Log): Promise<void> {
  const lack = await upstream.lacks?.();
  if (lack !== undefined) {
    log.error("upstream.unusable", { upstream: upstream.name, error: lack });
    return;
  }
  const fault = await upstream.senderFault?.(from, AbortSignal.timeout(SENDER_CHECK_MS));
  if (fault !== undefined)
    log.error("report.sender_unverified", { upstream: upstream.name, from, error: fault });
}

/** Nobody waits for it. */
const SENDER_CHECK_MS = 30_000;

/** Every upstream that the configuration describes, by its name; several also have it in the log. */
export async function createUpstreams(
  config: Config,
  clock: Clock,
  log: Log,
  fleet: Fleet = alone,
): Promise<ReadonlyMap<string, Upstream>> {
  const upstreams = new Map<string, Upstream>();
  for (const { name, config: view, place } of viewsOf(config)) {
    const upstream = await createUpstream(view, clock, log, fleet, place);
    upstreams.set(name, view === config ? upstream : { ...upstream, name });
  }
  return upstreams;
}

/** Only its own libraries are loaded. */
async function createUpstream(
  config: Config,
  clock: Clock,
  log: Log,
  fleet: Fleet,
  place: string,
): Promise<Upstream> {
  const { kind, concurrency, smtp, ses } = config.upstream;
  switch (kind) {
    case "maildir": {
      const { createMaildirUpstream } = await import("./upstream/maildir.ts");
      return createMaildirUpstream({ path: maildirPathOf(config) });
    }
    case "smtp": {
      const { createSmtpUpstream } = await import("./upstream/smtp/smtp.ts");
      const { host = "localhost", ca_file: _, keep_id_field: __, password_file: file, ...rest } = smtp;
      const { smtpAuthorities: ca } = readConfigFiles(config, place);
      const trust = ca === undefined ? {} : { tlsOptions: { ca } };
      const { hostname } = config;
      const secret = file === undefined ? {} : { readPassword: () => readSecretFile(file) };
      return createSmtpUpstream({
        ...rest,
        ...secret,
        ...trust,
        host,
        hostname,
        idleMax: concurrency,
        clock,
      });
    }
    case "ses": {
      const { createSesUpstream } = await import("./upstream/ses/ses.ts");
      const { region, endpoint, configuration_set: configurationSet } = ses;
      const { from_email_address_identity_arn: fromEmailAddressIdentityArn } = ses;
      const { rate_per_second: ratePerSecond } = config.upstream;
      const call = { region, endpoint, configurationSet, fromEmailAddressIdentityArn };
      return createSesUpstream({ ...call, ratePerSecond, fleet, clock, log });
    }
  }
}
