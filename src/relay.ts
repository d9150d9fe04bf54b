// Assembly of everything behind the listeners: what takes submissions, and relays them.
import { createPolicy, type Policy } from "./access/policy.ts";
import type { Config } from "./config/config.ts";
import { routesOf, viewsOf } from "./config/routes.ts";
import { createAttempt } from "./dispatch/attempt.ts";
import { createBudget } from "./dispatch/budget.ts";
import { createDecisions } from "./dispatch/decisions.ts";
import { createDelayWarnings } from "./dispatch/delay.ts";
import { createDispatcher } from "./dispatch/dispatcher.ts";
import { createDoubts, doubtfulOf, type InDoubt } from "./dispatch/doubt.ts";
import { createEntrance } from "./dispatch/entrance.ts";
import { createFailures } from "./dispatch/failures.ts";
import { createFindSpooled } from "./dispatch/find-spooled.ts";
import { createHolds } from "./dispatch/holds.ts";
import { createLaneFacts, type LaneFacts, laneName } from "./dispatch/lane-facts.ts";
import { createLapsed } from "./dispatch/lapsed.ts";
import { createListening } from "./dispatch/listening.ts";
import { createNotices } from "./dispatch/notice.ts";
import { createOneReport } from "./dispatch/one-report.ts";
import { openOperatorPauses } from "./dispatch/operator-pauses.ts";
import { createOrderNotes } from "./dispatch/order.ts";
import { createOrders } from "./dispatch/orders.ts";
import type { QueuedTransmission, ToQueue } from "./dispatch/queue.ts";
import { createRecorder, STORAGE_RETRY_MS } from "./dispatch/recorder.ts";
import { recover } from "./dispatch/recovery.ts";
import { createReports } from "./dispatch/reports.ts";
import { createResolutions } from "./dispatch/resolutions.ts";
import { createRoutes } from "./dispatch/routes.ts";
import { createVerdicts } from "./dispatch/verdicts.ts";
import type { Evidence } from "./evidence/evidence.ts";
import { openEvidence } from "./evidence/open.ts";
import { createEvidenceWait } from "./evidence/wait.ts";
import { type Changes, createChanges, notesOf, watchedHistory } from "./history/changes.ts";
import type { History, HistoryReader } from "./history/history.ts";
import { openHistory } from "./history/open.ts";
import { createRecent, type Recent } from "./history/recent.ts";
import { compareStarts } from "./ledger/last-start.ts";
import { findLedger, identityRulesOf } from "./ledger/open.ts";
import { createCounters } from "./metrics/counters.ts";
import type { Readings } from "./metrics/readings.ts";
import { createDoubtfulDesk, type DoubtfulDesk, type DoubtfulGlance } from "./operator/doubtful.ts";
import { createExplainDesk } from "./operator/explain/desk.ts";
import type { ExplainDesk } from "./operator/explain/words.ts";
import { createForgetDesk, type ForgetDesk } from "./operator/forget.ts";
import { createPausingDesk, type PausingDesk } from "./operator/pausing.ts";
import { createRunningQueue } from "./operator/queue/running.ts";
import type { QueueDesk, QueueGlance } from "./operator/queue/words.ts";
import { openSpool } from "./spool/spool.ts";
import { createSubmissionHandler } from "./submission/accept.ts";
import { createAwaiting } from "./submission/awaiting.ts";
import type { SubmissionHandler } from "./submission/contract.ts";
import { createReceiveBudget } from "./submission/receive-budget.ts";
import { type Intakes, openIntakes } from "./upstream/ses/events/open.ts";
import {
  evidenceSourceOf,
  keepIdFieldsOf,
  reportsFrom,
  routedUpstreams,
  submissionOptionsOf,
  traceNameOf,
  type World,
  withEvidenceWait,
} from "./world.ts";

export type { World };

/** Everything behind the listener: takes submissions and relays them. */
export interface Relay {
  readonly submit: SubmissionHandler;
  readonly policy: Policy;
  readonly doubtful: DoubtfulDesk & DoubtfulGlance;
  readonly forget: ForgetDesk;
  /** Takes what shows later that an upstream took a mail. */
  readonly evidence: Evidence;
  readonly explain: ExplainDesk;
  readonly pausing: PausingDesk;
  readonly history: HistoryReader & Pick<History, "prevented" | "observations">;
  /** Mails to which something happens. */
  readonly changes: Changes;
  readonly recent: Pick<Recent, "list">;
  readonly queue: QueueDesk & QueueGlance;
  readonly readings: Pick<Readings, "lanes" | "ledger" | "remembered" | "shared" | "memory" | "lastEventAt">;
  /** How much waits in each lane and why; at most a quarter of a second old, or two where very much does. */
  laneFacts(): readonly LaneFacts[];
  /** Somebody has decided something: what is known of lanes next is of after it. */
  decided(): void;
  /** No mail is in the spool. */
  isEmpty(): boolean;
  /** Of each queue that has what SES says later about its mails. */
  readonly eventQueues: Intakes["facts"];
  /** How many transmissions that have ended, or are late, wait to be reported. */
  reportsWaiting(): number;
  /** Warns of ids that are forgotten because settings have changed. @param found in the folder `ledger` */
  compareStarts(found: readonly string[]): Promise<void>;
  /** Begins no further attempt, and ends those under way within the grace. Submissions go on. */
  drain(): Promise<void>;
  /** After drain, and when no submission is under way: closes ledger, spool and upstream. */
  close(): Promise<void>;
}

/**
 * Attempts under way at a stop may take this long; an attempt without an answer by then is doubtful. Below
 * the 30 s after which container runtimes kill.
 */
const GRACE_MS = 20_000;

/** Opens ledger and spool, claims what is in the spool again, and begins to relay. */
export async function openRelay(config: Config, given: World): Promise<Relay> {
  const world = withEvidenceWait(config, given);
  const { storage, clock, random, log, counters = createCounters() } = world;
  const { addresses } = config.log;
  const { lifetime, retry_min: minMs, retry_max: maxMs } = config.spool;
  const { hostname, identity } = config;
  const { doubtful: policyOfDoubt } = config.ledger;
  const retry = { minMs, maxMs };
  const keepIdFields = keepIdFieldsOf(config);

  const intakes = await openIntakes(config);
  const found = await findLedger(config, world);
  const spool = await openSpool(storage).catch(async (error: unknown) => {
    await found.close();
    throw error;
  });
  const { ledger, name, publicName, gateways, remembered, isUp } = await found.open();
  world.fleet?.follow(gateways, publicName);
  const traceName = await traceNameOf(world);
  const [changes, recent] = [createChanges(), createRecent(clock)];
  const history = watchedHistory(
    await openHistory(
      { storage, clock, log },
      {
        ...{ retentionMs: config.history.retention, addresses },
        hasEvents: world.evidenceWaitMs !== undefined,
        observes: identity.mode === "observe",
        wasRunBefore: async () => (await spool.lastStart()) !== undefined,
      },
    ),
    notesOf(changes),
    recent,
  );
  const pauses = await openOperatorPauses({ note: spool, clock, log, over: () => dispatcher.goOn() });
  const routes = createRoutes(
    routesOf(config),
    routedUpstreams(config, world, counters),
    { clock, random, log },
    retry,
    pauses,
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
    { ledger, random, clock, enter: (entering) => entrance.accepted(entering) },
    { hostname, ...reportsFrom(config), keepIdFields },
  );
  const oneReport = createOneReport(
    {
      ...{ spool, ledger, notices, recorder, counters, clock, log },
      mayMail: (submitter, reversePath) => policy.recipient(submitter, reversePath),
    },
    { secret: identity.secret, lifetimeMs: lifetime, addresses },
  );
  const reports = createReports({ spool, oneReport, clock, log });
  const warnOfDelay = createDelayWarnings(reports, clock, config.spool.delay_warning);
  const inDoubt: InDoubt = new Map();
  const holds = createHolds(inDoubt);
  const wait = createEvidenceWait({ ...intakes, waitMsOf: world.evidenceWaitMs, isUp, clock });
  const listening = createListening({
    ...{ inDoubt, wait, isBusy: decisions.isBusy, clock, random, log },
    over: (...found) => entrance.doubtful(...found),
  });
  const doubts = createDoubts(
    {
      ...{ inDoubt, listening, wait, ledger, spool, recorder, verdicts, warnOfDelay, history, counters },
      ...{ clock, random, log },
    },
    { policy: policyOfDoubt, retry, addresses },
  );
  const resolutions = createResolutions({
    ...{ inDoubt, holds, decisions, spool, recorder, reports, verdicts, clock, log },
    dispatcher: {
      enqueue,
      find: (id) => dispatcher.find(id),
      takeFound: (queued) => dispatcher.takeFound(queued),
    },
  });
  const late = new AbortController();
  const entrance = createEntrance({ doubts, resolutions, toQueue, enqueue, late: late.signal, clock, log });
  const lapsed = createLapsed(
    { spool, ledger, inDoubt, holds, doubts, decisions, verdicts, history, clock, random, log },
    { retry, addresses },
  );
  const failures = createFailures(
    { ledger, inDoubt, decisions, lapsed, recorder, reports, verdicts, history, clock, log },
    addresses,
  );
  const decisionParts = { ...decisions, ...resolutions };
  const evidence = openEvidence(
    { ledger, inDoubt, decisions: decisionParts, history, counters, clock, log, addresses },
    { isShared: isUp !== undefined, sourceOf: evidenceSourceOf(world), late: late.signal },
  );
  const attempt = createAttempt(
    {
      ...{ spool, ledger, inDoubt, doubts, decisions, resolutions, lapsed, failures, reports, warnOfDelay },
      ...{ recorder, verdicts, history, takenAgain: evidence.takenAgain, clock, random, log },
      relaySeconds: routes.lanes.map((lane) => counters.relaySeconds.of(laneName(lane))),
      isStopped: (lane) => routes.lanes[lane]?.isStopped?.() === true,
    },
    { retry, addresses },
  );
  const budget = createBudget(config.upstream.memory_max_bytes);
  const receiving = createReceiveBudget(config.smtp.buffer_max_bytes);
  const dispatcher = createDispatcher({ attempt, budget, clock, random, log }, routes.lanes, retry, lifetime);
  const orders = createOrders({
    ...{ spool, ledger, inDoubt, holds, decisions, resolutions, entrance, dispatcher, recorder, failures },
    ...{ reports, note: createOrderNotes({ log, history, addresses }), counters, clock },
  });
  const submit = createSubmissionHandler(
    {
      ...{ ledger, spool, clock, random, log, history, counters, policy },
      queued: entrance.accepted,
      awaiting: config.smtp.reply === "relayed" ? createAwaiting(verdicts) : undefined,
      budget: receiving,
      takeRoom: world.freeSpace?.take,
    },
    submissionOptionsOf(config, world, traceName),
  );

  await recover(
    { spool, ledger, verdicts, entrance, holds, reports, toQueue, enqueue, clock, log },
    { binds: config.smtp.reply === "queued", retentionMs: config.ledger.retention },
  );
  for (const part of [reports, dispatcher, evidence]) part.start();
  wait.begin();
  intakes.start({ evidence, ledger: publicName, counters, clock, random, log });
  const laneFacts = createLaneFacts(dispatcher, holds.all, clock);
  const findSpooled = createFindSpooled({ dispatcher, inDoubt, holds, reports });
  const places = { spool, dispatcher, holds, inDoubt, findSpooled };
  const queue = createRunningQueue({ ...places, decisions, orders, routes, policy: policyOfDoubt, clock });

  return {
    ...{ submit, policy, history, changes, recent, queue },
    pausing: createPausingDesk({
      names: viewsOf(config).map(({ name }) => name),
      ...{ pauses, tryNow: dispatcher.tryUpstreamsNow, log },
    }),
    readings: {
      ...{ lanes: laneFacts.read, ledger: ledger.counts, remembered, lastEventAt: intakes.lastEventAt },
      shared: isUp && { isUp, gateways },
      memory: () => ({
        ...{ receiving: receiving.held(), receiving_max: config.smtp.buffer_max_bytes },
        ...{ attempts: budget.held(), attempts_max: config.upstream.memory_max_bytes },
      }),
    },
    laneFacts: laneFacts.read,
    decided: laneFacts.decided,
    isEmpty: spool.isEmpty,
    reportsWaiting: reports.waiting,
    eventQueues: intakes.facts,
    compareStarts: (found) =>
      compareStarts(
        spool,
        { kind: config.ledger.kind, ledger: name, rules: identityRulesOf(config), found },
        random,
        log,
      ),
    doubtful: createDoubtfulDesk({
      ...{ ledger, spool, history, log, policy: policyOfDoubt, addresses },
      spooled: (id) => doubtfulOf(inDoubt, id),
      decisions: decisionParts,
      resolved: () => counters.doubtfulResolved.add("operator"),
    }),

    evidence,
    forget: createForgetDesk({
      ...{ ledger, history, log },
      isSpooled: (id) => findSpooled(id) !== undefined,
    }),
    explain: createExplainDesk({
      ...{ ledger, history, secret: identity.secret, namespaceOf: policy.namespaceOf },
      mailOf: async (id) => (await queue.show(id))[0],
    }),

    async drain() {
      const grace = clock.after(GRACE_MS, () => {
        dispatcher.abort();
        late.abort();
      });
      listening.close();
      await Promise.all([dispatcher.drain(), intakes.close(), entrance.drain()]);
      await orders.drain(late.signal);
      await reports.drain(late.signal);
      await evidence.stop();
      grace.cancel();
      pauses.close();
      verdicts.close();
    },

    async close() {
      await ledger.close();
      await spool.close();
      await routes.close();
      // Last: nothing else waits for its disk.
      await history.close();
    },
  };
}
