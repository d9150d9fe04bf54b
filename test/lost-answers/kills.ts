// A gateway that reads events is killed again and again while SES loses answers. What SES said is in the queue until it is
// settled, so in the end nothing is in doubt whose event came, nothing went twice, and nothing counts twice.
import { join } from "node:path";
import { gatewayDesk } from "../../src/operator/http/client.ts";
import type { Chance } from "../crash/chance.ts";
import { type Build, startTested } from "../crash/gateway-process.ts";
import { type Heard, type Mail, submitToAll } from "../several/mailers.ts";
import {
  type GatewayProcess,
  type LogLine,
  makeFolder,
  PRESENT,
  type Settings,
  startProcess,
} from "../support/process.ts";
import { scrape } from "../support/scrape.ts";
import { CREDENTIALS } from "../support/scripted-ses.ts";
import { faultsOf, historyFaultsOf, timesOf } from "./kills-faults.ts";
import { type Moment, moments } from "./moments.ts";
import { openWorld, type World } from "./world.ts";

export interface KillsOptions {
  /** Of the gateway that knows the steps. */
  readonly build: Build;
  readonly kills: number;
  readonly policy: "resend" | "hold";
  readonly seed: number;
  readonly heard?: (done: number, moment: string) => void;
}

export interface KillsResult {
  /** How often it died at each moment; at other times it had nothing left to do before. */
  readonly kills: ReadonlyMap<string, number>;
  readonly mails: number;
  /** Those of which a line says that evidence settled them. A kill at that moment may leave it out. */
  readonly settled: number;
  /** Those whose attempt was noted before a kill, and which SES never got: they wait. */
  readonly untaken: number;
  readonly faults: readonly string[];
}

const MAILS_OF_LIFE = 40;
const CONNECTIONS = 4;
const PATIENCE_MS = 10_000;
/** Most answers are lost, and many events come twice. Some never come: their mails are in doubt to the end. */
const SHARES = { lost: 0.7, twice: 0.3, late: 0, never: 0.05 };
/** As if the queue took all for dead soon: two lives read the same message. */
const HIDDEN_SECONDS = 2;
const ON_THEIR_WAY = 10;
/** No kill ends it, and no moment of a run comes after it. */
const WAIT = "6h";

interface Life {
  readonly port: number;
  readonly lines: readonly LogLine[];
  readonly exited: Promise<unknown>;
  signal(name: NodeJS.Signals): void;
}

interface Dying extends Life {
  /** From now on it dies at the nth occurrence of its moment. */
  arm(nth: number): Promise<unknown>;
}

export async function runKills(options: KillsOptions): Promise<KillsResult> {
  const folder = makeFolder();
  const world = await openWorld({
    ...{ mails: MAILS_OF_LIFE * (options.kills + 1), shares: SHARES, rate: 500, seed: options.seed },
    ...{ hiddenSeconds: HIDDEN_SECONDS, onTheirWay: ON_THEIR_WAY },
  });
  try {
    return await runIn(world, join(folder.path, "data"), options);
  } finally {
    await world.close();
    folder.remove();
  }
}

async function runIn(world: World, data: string, options: KillsOptions): Promise<KillsResult> {
  const { build, policy, kills, heard } = options;
  const { chance, events } = world;
  const settings: Settings = {
    ...{ DATA_DIR: data, LEDGER_DOUBTFUL: policy, LOG_ADDRESSES: "true", UPSTREAM_SES_EVENTS_WAIT: WAIT },
    ...{ SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "200ms", ...world.upstream, ...world.queue },
  };
  const left = [...world.mails];
  let unanswered = 0;
  let fewLeft: (() => void) | undefined;
  const lives: Life[] = [];
  const done = new Map<string, number>();
  const wrong: string[] = [];

  async function start(): Promise<GatewayProcess> {
    const life = await startProcess(settings, { ...PRESENT, environment: CREDENTIALS });
    lives.push(life);
    return life;
  }

  async function startToDie({ at }: Moment): Promise<Dying> {
    if (typeof at === "function") {
      const life = await start();
      return { ...life, arm: async (nth) => at(world, nth, () => life.signal("SIGKILL")) };
    }
    const { port, ...life } = await startTested({ build, settings, environment: CREDENTIALS });
    if (port === undefined) throw new Error(`did not start: ${life.stderr()}`);
    lives.push({ ...life, port });
    return { ...life, port, arm: (nth) => life.order({ kind: "arm", step: at.step, nth }) };
  }

  /** To whichever life there is, until each is answered. */
  async function submit(mails: readonly Mail[]): Promise<Heard> {
    const ports = (): number[] => [lives.at(-1)?.port ?? 0];
    unanswered += mails.length;
    return await submitToAll(mails, {
      ...{ chance, ports, connections: CONNECTIONS, patienceMs: PATIENCE_MS },
      answered() {
        unanswered -= 1;
        if (unanswered <= MAILS_OF_LIFE / 2) fewLeft?.();
      },
    });
  }

  try {
    const submissions: Promise<Heard>[] = [];
    for (const moment of momentsOf(kills, chance)) {
      const life = await startToDie(moment);
      // So that each life does something, and dies while mail comes.
      const isHalf = new Promise<void>((resolve) => {
        fewLeft = resolve;
      });
      submissions.push(submit(left.splice(0, MAILS_OF_LIFE)));
      await isHalf;
      await life.arm(1 + chance.below(moment.occurrences));
      let isReached = true;
      const idle = Promise.all(submissions).then(world.emptied);
      await Promise.race([life.exited, idle.then(() => (isReached = false))]);
      life.signal("SIGKILL");
      await life.exited;
      events.play(() => undefined);
      done.set(moment.name, (done.get(moment.name) ?? 0) + (isReached ? 1 : 0));
      heard?.(submissions.length, isReached ? moment.name : "when nothing was left to do");
    }
    const last = await start();
    submissions.push(submit(left));
    for (const { wrong: replies } of await Promise.all(submissions)) wrong.push(...replies);
    if (wrong.length > 0) throw new Error(wrong.join("\n"));
    await last.until(() => isAllAttempted(world, last), "every mail attempted");
    await world.inOrder();
    await world.published();
    await world.emptied();

    const inDoubt = (await gatewayDesk(data).list()).map(({ recipient = "" }) => recipient);
    const { values } = await scrape(last);
    const again = await submit(world.mails);
    const code = await last.stop();
    const lines = lives.flatMap((life) => life.lines);
    const settled = timesOf(
      lines.flatMap(({ event, recipient }) => (event === "evidence.settled" ? [String(recipient)] : [])),
    );
    const faults = [...again.wrong, ...faultsOf(world, inDoubt, settled)];
    const expect = (isSo: boolean, otherwise: string): void => void (isSo || faults.push(otherwise));
    expect(again.queued === 0, `${again.queued} mails were taken for new when they came again`);
    const resolved = values.get('mailonce_doubtful_resolved_total{by="evidence"}');
    const said = last.said("evidence.settled").length;
    expect(resolved === said, `${resolved} are counted as resolved by evidence, and ${said} were`);
    expect(code === 0, `the gateway ended with ${code}`);
    faults.push(...(await historyFaultsOf(world, data)));
    const untaken = inDoubt.filter((recipient) => !world.copies.has(recipient)).length;
    return { kills: done, mails: world.mails.length, settled: settled.size, untaken, faults };
  } finally {
    for (const life of lives) life.signal("SIGKILL");
    await Promise.all(lives.map(({ exited }) => exited));
  }
}

/** Each as often as the others, in any order. */
function momentsOf(kills: number, chance: Chance): Moment[] {
  const drawn: Moment[] = [];
  while (drawn.length < kills) drawn.push(...chance.shuffled(moments));
  return drawn.slice(0, kills);
}

/** SES has it, or nobody knows whether it does. */
function isAllAttempted({ mails, copies }: World, last: GatewayProcess): boolean {
  const doubtful = new Set(last.said("transmission.doubtful").map(({ recipient }) => recipient));
  return mails.every(({ recipient }) => copies.has(recipient) || doubtful.has(recipient));
}
