// Many mails through the built gateway to an SES that takes all of them and loses some of its answers, and whose events come
// out of order, twice, late and never: how many copies SES has of each, what waits for a person, and what does not agree with
// docs/ses-events.md. Small in a test, at full size in run.ts.
import { join } from "node:path";
import { gatewayDesk } from "../../src/operator/http/client.ts";
import { type Mail, submitToAll } from "../several/mailers.ts";
import { countOf } from "../several/tally.ts";
import { type GatewayProcess, makeFolder, PRESENT, startProcess } from "../support/process.ts";
import { scrape } from "../support/scrape.ts";
import { CREDENTIALS } from "../support/scripted-ses.ts";
import { createProgress, type Progress } from "./progress.ts";
import { openWorld, type World, type WorldOptions } from "./world.ts";

export type Policy = "resend" | "hold";

export interface MailsOptions extends WorldOptions {
  readonly policy: Policy;
  readonly withEvents: boolean;
  /** [upstream.ses.events] wait. */
  readonly wait: string;
}

export interface MailsResult {
  readonly policy: Policy;
  readonly withEvents: boolean;
  readonly mails: number;
  /** Answers that SES lost, those of further copies too. */
  readonly lostAnswers: number;
  /** Mails settled by evidence. */
  readonly settled: number;
  /** Mails that SES has more than once. */
  readonly several: number;
  /** Of these, those whose events came in time. */
  readonly severalInTime: number;
  /** Mails that wait for a person in the end. */
  readonly held: number;
  /** Mails that SES has not. */
  readonly lost: number;
  /** What does not agree, one sentence each. */
  readonly faults: readonly string[];
}

const CONNECTIONS = 24;
const PATIENCE_MS = 60_000;

export async function runMails(options: MailsOptions): Promise<MailsResult> {
  const { policy, withEvents, wait } = options;
  const folder = makeFolder();
  const data = join(folder.path, "data");
  const world = await openWorld(options);
  const settings = {
    ...{ DATA_DIR: data, LEDGER_DOUBTFUL: policy, LOG_ADDRESSES: "true" },
    ...{ SPOOL_RETRY_MIN: "250ms", SPOOL_RETRY_MAX: "5s", ...world.upstream },
    ...(withEvents ? { ...world.queue, UPSTREAM_SES_EVENTS_WAIT: wait } : {}),
  };
  const gateway = await startProcess(settings, { ...PRESENT, environment: CREDENTIALS });
  try {
    return await runOn({ world, gateway, data }, options);
  } finally {
    await gateway.kill();
    await world.close();
    folder.remove();
  }
}

interface Place {
  readonly world: World;
  readonly gateway: GatewayProcess;
  /** Its folder. */
  readonly data: string;
}

async function runOn({ world, gateway, data }: Place, options: MailsOptions): Promise<MailsResult> {
  const { policy, withEvents } = options;
  const { mails, ses, chance } = world;
  const isLate = (recipient: string): boolean => world.planOf(recipient).events === "late";
  const progress = createProgress(gateway, (recipient) => {
    // Its wait is over: what comes now is late.
    if (isLate(recipient)) void world.late(recipient);
  });
  const ports = (): number[] => [gateway.port];
  const mailers = { chance, ports, connections: CONNECTIONS, patienceMs: PATIENCE_MS };

  const first = await submitToAll(mails, mailers);
  await ses.waitFor(mails.length);
  await world.inOrder();
  const left = new Set(mails);
  const isDone = ({ recipient }: Mail): boolean =>
    progress.isRelayed(recipient) ||
    // By policy, unless its event is yet to come.
    (policy === "hold" && progress.isOver(recipient) && !(withEvents && isLate(recipient)));
  await gateway.until(() => {
    progress.look();
    for (const mail of left) if (isDone(mail)) left.delete(mail);
    return left.size === 0;
  }, "each mail relayed, settled or held");
  await world.published();
  if (withEvents) await world.emptied();

  const taken = ses.taken.length;
  const again = await submitToAll(mails, mailers);
  const held = (await gatewayDesk(data).list()).map(({ recipient = "" }) => recipient);
  const { values } = await scrape(gateway);
  const code = await gateway.stop();

  const faults = [...first.wrong, ...again.wrong, ...faultsOf(world, progress, held, options)];
  const expect = (isSo: boolean, otherwise: string): void => void (isSo || faults.push(otherwise));
  expect(again.queued === 0, `${again.queued} mails were taken for new when they came again`);
  expect(ses.taken.length === taken, "something was relayed when all came again");
  const resolved = values.get('mailonce_doubtful_resolved_total{by="evidence"}');
  expect(resolved === progress.settled.size, `${resolved} are counted as resolved by evidence`);
  expect(code === 0, `the gateway ended with ${code}`);
  // A further copy without a line before it is among its faults.
  const { lost, faults: more } = countOf(mails, ses.taken, gateway.lines);
  const several = severalOf(world);
  return {
    ...{ policy, withEvents, mails: mails.length, lostAnswers: world.lostAnswers() },
    ...{ settled: progress.settled.size, several: several.length, held: held.length, lost },
    severalInTime: several.filter((recipient) => comesInTime(world, recipient, withEvents)).length,
    faults: [...more, ...faults],
  };
}

const severalOf = ({ copies }: World): string[] =>
  [...copies].filter(([, times]) => times > 1).map(([recipient]) => recipient);

const comesInTime = ({ planOf }: World, recipient: string, withEvents: boolean): boolean =>
  withEvents && ["once", "twice"].includes(planOf(recipient).events);

function faultsOf(
  world: World,
  progress: Progress,
  held: readonly string[],
  { policy, withEvents }: MailsOptions,
): string[] {
  const several = severalOf(world).flatMap((recipient) => {
    if (policy === "hold") return [`SES has ${recipient} several times under hold`];
    return comesInTime(world, recipient, withEvents)
      ? [`SES has ${recipient} several times, and its event came in time`]
      : [];
  });
  const waiting = held.flatMap((recipient) => {
    if (policy === "resend") return [`${recipient} is held under resend`];
    const { isAnswerLost, events } = world.planOf(recipient);
    const isRight = isAnswerLost && (!withEvents || events === "never");
    return isRight ? [] : [`${recipient} is held, and its answer or its event came`];
  });
  const settled = [...progress.settled].filter(([, times]) => times > 1);
  const dead = world.events.dead();
  return [
    ...several,
    ...waiting,
    ...settled.map(([recipient, times]) => `${recipient} was settled ${times} times`),
    ...(dead === 0 ? [] : [`${dead} events are in the dead-letter queue`]),
  ];
}
