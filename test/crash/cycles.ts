// Kill-and-restart cycles over one data folder: redeliver what the killed process was given, let the queue
// run dry, count, load again, kill. A folder and an upstream serve several cycles, since what one crash
// leaves behind may only hurt after the next.
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { gatewayDesk } from "../../src/operator/http/client.ts";
import { makeFolder, type Settings } from "../support/process.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";
import type { SmtpFault } from "../support/smtp-faults.ts";
import type { Chance } from "./chance.ts";
import { type Build, startTested, type TestedGateway } from "./gateway-process.ts";
import { forget, operate } from "./operator.ts";
import { drain, type LeftPaused, pauseAndResume, resumeAfter } from "./pauser.ts";
import type { Defect, Plan } from "./plan.ts";
import { type LeftOrders, orderSome, releaseAfter } from "./postmaster.ts";
import type { Step } from "./steps.ts";
import { cutToLastSync } from "./sync-cut.ts";
import { createTally, noticeOf, type Policy, type Reply, type Tracked } from "./tally.ts";
import { createWitness, type Witness } from "./witness.ts";

export interface CycleResult {
  readonly step: string;
  /** It died where it should; otherwise it was killed when the load had ended. */
  readonly reached: boolean;
  /** Octets of logs that were cut off as never synced. */
  readonly cut: number;
  readonly mails: number;
  /** How often the upstream took one of them. */
  readonly copies: number;
  /** Mails that were doubtful at some time. */
  readonly doubtful: number;
  readonly seconds: number;
  readonly faults: readonly string[];
}

export interface CyclesOptions {
  readonly build: Build;
  readonly policy: Policy;
  /** `smtp.reply`: "queued" unless given. */
  readonly reply?: Reply | undefined;
  readonly chance: Chance;
  /** Of all cycles, the share in which unsynced writes are lost too. */
  readonly cutShare: number;
  readonly defect?: Defect | undefined;
  /** Which ledger; the embedded one unless given. */
  readonly ledger?: Settings | undefined;
}

export interface Cycles {
  /** One cycle. Rejects only when something that is not the gateway's fault goes wrong. */
  run(step: Step): Promise<CycleResult>;
  /** Redelivers everything of all cycles a last time, stops in order, and says what does not agree. */
  finish(): Promise<string[]>;
}

interface Mail {
  readonly task: string;
  readonly tracked: Tracked;
  readonly body: string;
  /** How far the gateway's clock was ahead when it was first submitted. */
  readonly offsetMs: number;
}

const CONNECTIONS = 8;
const MAILS_OF_CONNECTION = 8;

/** Every so many mails one is large enough to get a file of its own in the spool. */
const LARGE_EVERY = 10;
const LARGE_BODY = `${"x".repeat(70)}\r\n`.repeat(1_100);

const DAY_MS = 86_400_000;
const RETENTION_DAYS = 40;
const RETENTION_MS = RETENTION_DAYS * DAY_MS;
/** An eighth of the retention. Far below the spool's lifetime, so that no mail expires by a roll-over. */
const SPAN_MS = RETENTION_MS / 8;

const settingsOf = (dataFolder: string, policy: Policy, reply: Reply, upstreamPort: number): Settings => ({
  SMTP_REPLY: reply,
  DATA_DIR: dataFolder,
  LEDGER_RETENTION: `${RETENTION_DAYS}d`,
  LEDGER_DOUBTFUL: policy,
  SPOOL_LIFETIME: `${RETENTION_DAYS - 1}d`,
  SPOOL_RETRY_MIN: "10ms",
  SPOOL_RETRY_MAX: "40ms",
  UPSTREAM_KIND: "smtp",
  UPSTREAM_SMTP_HOST: "127.0.0.1",
  UPSTREAM_SMTP_PORT: upstreamPort,
  UPSTREAM_SMTP_TLS: "none",
  LOG_ADDRESSES: "true",
});

export async function createCycles(options: CyclesOptions): Promise<Cycles> {
  const { build, policy, reply = "queued", chance, cutShare, defect } = options;
  const folder = makeFolder();
  const dataFolder = join(folder.path, "data");
  const syncNotes = join(folder.path, "synced");
  const upstream = await createScriptedSmtp();
  const settings = { ...settingsOf(dataFolder, policy, reply, upstream.port), ...options.ledger };
  const tally = createTally(policy, reply);
  const mails: Mail[] = [];
  /** Those of the last load. */
  let latest: Mail[] = [];
  let running: TestedGateway | undefined;
  let counted = 0;
  let clockOffsetMs = 0;
  let leftPaused: LeftPaused = "resumed";
  let leftOrders: LeftOrders = new Map();
  let witness: Witness | undefined;
  let number = 0;

  function countTaken(): void {
    for (; counted < upstream.taken.length; counted++) {
      const taken = upstream.taken[counted];
      if (taken !== undefined) tally.took(taken);
    }
  }

  const start = async (plan: Plan = {}): Promise<TestedGateway> =>
    await startTested({
      build,
      settings,
      plan: { ...plan, clockOffsetMs, syncNotes, defect },
      heard: tally.heard,
    });

  /** Starts it for certain: nothing is armed. */
  async function restart(): Promise<TestedGateway> {
    const gateway = await start();
    if (gateway.port === undefined) throw new Error(`did not start: ${gateway.stderr()}`);
    return gateway;
  }

  async function stop(gateway: TestedGateway): Promise<void> {
    gateway.signal("SIGTERM");
    const code = await gateway.exited;
    if (code !== 0) throw new Error(`ended with ${code} on SIGTERM: ${gateway.stderr()}`);
  }

  /** Makes the mails of the next load. */
  function give(count: number): void {
    latest = Array.from({ length: count }, () => {
      const tracked = tally.track(`u${++number}@example.com`);
      const body = number % LARGE_EVERY === 0 ? LARGE_BODY : `Mail ${number}.\r\n`;
      return { task: randomUUID(), tracked, body, offsetMs: clockOffsetMs };
    });
    mails.push(...latest);
  }

  /** Submits all over some connections. Ends when all are answered or the gateway is gone. */
  async function submit(port: number, batch: readonly Mail[], onAnswered = () => {}): Promise<void> {
    const left = [...batch];
    const connection = async (): Promise<void> => {
      const client = await connectSmtp(port).catch(() => undefined);
      if (client === undefined) return;
      try {
        for (let mail = left.shift(); mail !== undefined; mail = left.shift()) {
          const { tracked, task, body } = mail;
          const from = noticeOf(tracked.recipient);
          const content = taskMail(task, { body });
          tally.replied(tracked, await client.submit({ from, to: [tracked.recipient], content }));
          onAnswered();
        }
        await client.quit();
      } catch {
        // The gateway is gone, or going; what was not answered is redelivered.
      }
      client.destroy();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  }

  function scriptOf(faults: Step["faults"] = {}): (transaction: number) => SmtpFault {
    const kinds = Object.entries(faults) as [SmtpFault, number][];
    return () => {
      let drawn = chance.below(100);
      for (const [fault, share] of kinds) {
        drawn -= share;
        if (drawn < 0) return fault;
      }
      return "accept";
    };
  }

  /** All that the gateway was given is given to it again, and everything that is due is relayed. */
  async function redeliver(gateway: TestedGateway, batch: readonly Mail[]): Promise<string[]> {
    if (gateway.port !== undefined) await submit(gateway.port, chance.shuffled(batch));
    const answer = await gateway.order({ kind: "tell-when-dry" });
    if (answer === undefined) {
      return [`ended (${await gateway.exited}) while nothing was to kill it: ${gateway.stderr()}`];
    }
    countTaken();
    const faults = tally.faults(batch.map(({ tracked }) => tracked));
    if (answer.kind === "dry" && answer.waiting > 0)
      faults.push(`${answer.waiting} still wait to be relayed`);
    return faults;
  }

  /** What was not answered is said again. @returns what is in doubt all the same; of earlier cycles nobody has said it */
  async function proveAfter(gateway: TestedGateway): Promise<string[]> {
    if (witness === undefined) return [];
    await witness.say(gateway, () => true);
    const { said } = witness;
    witness = undefined;
    return (await gatewayDesk(dataFolder).list())
      .filter(({ id }) => said.has(id))
      .map(({ messageId }) => `${messageId}: is in doubt, and its evidence was taken`);
  }

  /** Loads until the step is reached, or all has been done. @returns whether it was */
  async function load(gateway: TestedGateway, step: Step): Promise<boolean> {
    // Of clients that wait for the upstream no more than there are connections can be there at once.
    const most = step.from === "upstream" ? Math.min(step.occurrences, CONNECTIONS) : step.occurrences;
    const nth = 1 + chance.below(most);
    give(CONNECTIONS * MAILS_OF_CONNECTION);
    if (step.rolls) {
      clockOffsetMs += SPAN_MS;
      await gateway.order({ kind: "advance", ms: SPAN_MS });
    }
    upstream.play(scriptOf(step.faults));
    let isLoaded = false;
    let isOver = false;
    let isKilled = false;
    const kill = (): void => {
      if (isOver) return;
      isKilled = true;
      gateway.signal("SIGKILL");
    };
    if (step.from === "upstream") void nthStrike(nth).then(kill);
    else if (step.at !== undefined && step.drains === undefined)
      await gateway.order({ kind: "arm", step: step.name, nth });
    const pausing = step.pauses ? pauseAndResume(dataFolder, () => isOver || isKilled) : undefined;
    const given = new Map(latest.map((mail) => [mail.tracked.recipient, mail]));
    const trackedOf = (recipient: string) => given.get(recipient)?.tracked;
    const ordering = step.orders
      ? orderSome(dataFolder, trackedOf, chance, () => isOver || isKilled)
      : undefined;
    witness = step.proves ? createWitness(upstream, chance) : undefined;
    const proving = witness?.say(gateway, () => isOver || isKilled);
    const operator = step.decides
      ? operate(dataFolder, upstream, chance, () => isOver || isKilled)
      : Promise.resolve();
    const forgetter = step.forgets
      ? forget(
          dataFolder,
          upstream,
          trackedOf,
          (recipient) => submit(gateway.port as number, [given.get(recipient) as Mail]),
          () => isLoaded || isKilled,
        )
      : Promise.resolve();
    let left = step.drains ? 1 + chance.below(latest.length / 2) : nth;
    let draining = Promise.resolve();
    const drainAndArm = async (): Promise<void> => {
      await drain(dataFolder);
      await gateway.order({ kind: "arm", step: step.name, nth });
    };
    await submit(gateway.port as number, latest, () => {
      left -= 1;
      if (step.from === "client" && left === 0) kill();
      if (step.drains && left === 0) draining = drainAndArm();
    });
    await draining;
    // What was accepted is on its way still, and the step may be on it.
    let answer = await gateway.order({ kind: "tell-when-dry" });
    if (step.forgets) {
      isLoaded = true;
      await forgetter;
      answer = await gateway.order({ kind: "tell-when-dry" });
    }
    isOver = true;
    await operator;
    await proving;
    leftPaused = (await pausing) ?? "resumed";
    leftOrders = (await ordering) ?? new Map();
    return isKilled || answer === undefined;
  }

  async function nthStrike(nth: number): Promise<void> {
    for (let times = 0; times < nth; times++) await upstream.struck();
  }

  /** SIGTERM under load, with the step on the way down. @returns whether it was reached */
  async function loadAndStop(gateway: TestedGateway, step: Step): Promise<boolean> {
    const nth = 1 + chance.below(step.occurrences);
    give(CONNECTIONS * MAILS_OF_CONNECTION);
    upstream.play(scriptOf(step.faults));
    if (step.at !== undefined && step.needs === undefined) {
      await gateway.order({ kind: "arm-at-stop", step: step.name, nth });
    }
    let left = 1 + chance.below(latest.length / 2);
    await submit(gateway.port as number, latest, () => {
      if (--left === 0) gateway.signal("SIGTERM");
    });
    const end = await gateway.exited;
    return step.at === undefined ? end === 0 : end === "SIGKILL";
  }

  /** Armed before it is started; the step may lie in the first settlement after that. */
  async function startOnto(step: Step): Promise<boolean> {
    const gateway = await start({ step: step.name, nth: 1 + chance.below(step.occurrences) });
    running = gateway;
    give(CONNECTIONS);
    if (gateway.port === undefined) return true;
    await submit(gateway.port, latest);
    return (await gateway.order({ kind: "tell-when-dry" })) === undefined;
  }

  /** Brings about what the step needs, with nothing running before and after. */
  async function prepare(step: Step): Promise<void> {
    if (step.needs === undefined) return;
    await stop(await restart());
    if (step.needs !== "expired generation") return;
    // One start closes the generation that is over, the next one finds it expired.
    clockOffsetMs += SPAN_MS;
    await stop(await restart());
    clockOffsetMs += RETENTION_MS + DAY_MS;
  }

  async function kill(): Promise<void> {
    running?.signal("SIGKILL");
    await running?.exited;
    running = undefined;
  }

  return {
    async run(step) {
      const begun = performance.now();
      let reached: boolean;
      if (step.during === "start") {
        await kill();
        await prepare(step);
        reached = await startOnto(step);
      } else {
        running ??= await restart();
        reached = await (step.during === "stop" ? loadAndStop : load)(running, step);
      }
      await kill();
      // Before it starts again, since it relays at once what it finds.
      upstream.play("accept");
      const cut = chance.fraction() < cutShare ? cutToLastSync(dataFolder, syncNotes, chance) : 0;
      rmSync(syncNotes, { force: true });

      running = await restart();
      const faults = step.pauses ? await resumeAfter(dataFolder, leftPaused) : [];
      if (step.orders) faults.push(...(await releaseAfter(dataFolder, leftOrders)));
      faults.push(...(await proveAfter(running)));
      faults.push(...(await redeliver(running, latest)));
      if (step.from === "upstream") upstream.dropAll();
      const sum = (count: (tracked: Tracked) => number) =>
        latest.reduce((total, { tracked }) => total + count(tracked), 0);
      return {
        step: step.name,
        reached,
        cut,
        mails: latest.length,
        copies: sum(({ copies }) => copies.length),
        doubtful: sum(({ doubtful }) => (doubtful.length > 0 ? 1 : 0)),
        seconds: (performance.now() - begun) / 1000,
        faults,
      };
    },

    async finish() {
      try {
        await kill();
        const gateway = await restart();
        running = gateway;
        const remembered = mails.filter(({ offsetMs }) => clockOffsetMs - offsetMs < RETENTION_MS);
        const faults = await redeliver(gateway, remembered);
        await stop(gateway);
        return faults;
      } finally {
        await kill();
        await upstream.close();
        folder.remove();
      }
    },
  };
}
