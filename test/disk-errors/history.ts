// One history of the built gateway on a disk that fails at one call: mails of several kinds, a new generation, an end
// in order or by a loss of power, a second life. What must hold: whatever failed, every mail that was answered 250 is
// relayed and settled in the same life, new mail is taken in it, and nothing goes twice without a line before it.
import { join } from "node:path";
import { createFailingDisk, type DiskFault, type FailingDisk } from "../support/failing-disk.ts";
import { type GatewayProcess, makeFolder, PRESENT, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";

export interface History {
  readonly fault: DiskFault;
  /** When the disk fails: while a life begins that finds mail, while mail comes, or while it ends in order. */
  readonly when: "starting" | "running" | "stopping";
  /** How the first life ends. */
  readonly end: "stop" | "power";
  /** Part of what is not durable that a loss of power takes; all when left out. */
  readonly part?: number;
}

export interface Told {
  /** Calls that failed, the first of them first. */
  readonly failed: readonly string[];
  /** What was broken, one sentence each. */
  readonly faults: readonly string[];
}

/** An eighth of it is a generation's span. What takes longer proves nothing: ids are forgotten then, as they should. */
const RETENTION_MS = 60_000;
/** Long enough for what waits for a disk, shorter than the retention. */
const LIFETIME_MS = 50_000;
/** Within which all must be settled: a record that failed is made again after a second. */
const PATIENCE_MS = 40_000;
/** Refusals that a client hears at most of one mail. */
const TRIES_MAX = 30;
const LARGE = `${"x".repeat(70)}\r\n`.repeat(1_500);
const REFUSED = "refused@example.com";
const SENDER = "app@sender.example";

interface Mail {
  readonly task: string;
  readonly to: readonly string[];
  readonly body?: string;
}

/** To one, to three at once, too large for memory, refused for good (which is reported), and four at a time. */
const mails: readonly (readonly Mail[])[] = [
  [{ task: "one", to: ["one@example.com"] }],
  [{ task: "three", to: ["a@example.com", "b@example.com", "c@example.com"] }],
  [{ task: "large", to: ["large@example.com", "larger@example.com"], body: LARGE }],
  [{ task: "refused", to: [REFUSED] }],
  ["p", "q", "r", "s"].map((task) => ({ task, to: [`${task}@example.com`] })),
];

/** How often a history is tried that took longer than its ids are kept. */
const SLOW_MAX = 3;

/** Undefined where there is no C compiler. */
export async function runHistory(history: History): Promise<Told | undefined> {
  for (let tries = 1; ; tries++) {
    const begun = performance.now();
    const told = await runOnce(history);
    if (performance.now() - begun < RETENTION_MS) return told;
    if (tries === SLOW_MAX) {
      return {
        failed: [],
        faults: [`took longer than ${RETENTION_MS} ms ${SLOW_MAX} times: the machine is too busy`],
      };
    }
  }
}

async function runOnce(history: History): Promise<Told | undefined> {
  const folder = makeFolder();
  const disk = createFailingDisk(join(folder.path, "data"));
  if (disk === undefined) return undefined;
  const upstream = await createScriptedSmtp({
    // One of the first is taken without an answer.
    script: (number) => (number === 1 ? "drop-before-reply" : "accept"),
    refuse: (recipient) => (recipient === REFUSED ? "550 5.1.1 nobody" : undefined),
  });
  const place = createHistory(history, disk, upstream, {
    DATA_DIR: join(folder.path, "data"),
    ...{ LEDGER_RETENTION: `${RETENTION_MS}ms`, SPOOL_LIFETIME: `${LIFETIME_MS}ms` },
    ...{ SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "200ms", IDENTITY_FINGERPRINT_WINDOW: "10s" },
    UPSTREAM_KIND: "smtp",
    UPSTREAM_SMTP_HOST: "127.0.0.1",
    UPSTREAM_SMTP_PORT: upstream.port,
    UPSTREAM_SMTP_TLS: "none",
  });
  try {
    await place.run();
    return { failed: disk.failed(), faults: place.faults };
  } catch (error) {
    return { failed: disk.failed(), faults: [...place.faults, String(error)] };
  } finally {
    await place.close();
    await upstream.close();
    disk.remove();
    folder.remove();
  }
}

function createHistory(
  { fault, when, end, part = 1 }: History,
  disk: FailingDisk,
  upstream: ScriptedSmtp,
  settings: Settings,
) {
  const faults: string[] = [];
  const lives: GatewayProcess[] = [];
  const program = { ...PRESENT, environment: disk.environment };

  const life = (): GatewayProcess => lives.at(-1) as GatewayProcess;
  const lines = () => lives.flatMap(({ lines: logged }) => logged);
  const taken = (recipient: string): number =>
    upstream.taken.filter(({ recipients }) => recipients.includes(recipient)).length;

  async function start(): Promise<void> {
    lives.push(await startProcess(settings, program));
  }

  /** As a mailer does: again until it is taken. @returns the reply that it was taken with */
  async function submit({ task, to, body }: Mail): Promise<string> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const client = await connectSmtp(life().port);
      const content = taskMail(task, body === undefined ? {} : { body });
      const reply = await client.submit({ from: SENDER, to, content });
      client.destroy();
      if (reply.startsWith("250")) return reply;
      if (!/^45[12] 4\.3\./.test(reply)) throw new Error(`${task}: ${reply}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${task}: refused ${TRIES_MAX} times`);
  }

  async function until(what: string, holds: () => boolean): Promise<void> {
    const late = performance.now() + PATIENCE_MS;
    while (!holds()) {
      if (performance.now() > late) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
      if (life().pid !== undefined && (await ended(life()))) throw new Error(`the gateway ended: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Message-IDs whose relaying was settled, in any life. */
  const settled = (): Set<unknown> =>
    new Set(lines().flatMap(({ event, messageId }) => (event === "transmission.relayed" ? [messageId] : [])));

  const isSettled = (recipient: string): boolean =>
    upstream.taken.some(
      ({ recipients, messageId }) => recipients.includes(recipient) && settled().has(messageId),
    );

  async function enter(batches: readonly (readonly Mail[])[]): Promise<void> {
    for (const batch of batches) await Promise.all(batch.map(submit));
    const wanted = batches.flat().flatMap(({ to }) => to.map((one) => (one === REFUSED ? SENDER : one)));
    await until(`${wanted.filter((one) => !isSettled(one))} relayed and settled`, () =>
      wanted.every(isSettled),
    );
  }

  /** A time after which new ids go into another generation. */
  async function nextGeneration(): Promise<void> {
    const opened = (): number => lines().filter(({ event }) => event === "ledger.generation_opened").length;
    const before = opened();
    for (let number = 0; opened() === before; number++) {
      await enter([[{ task: `next ${number}`, to: [`next${number}@example.com`] }]]);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** All again: repeats, to the last one. */
  async function again(): Promise<void> {
    const before = upstream.taken.length;
    for (const mail of mails.flat()) {
      if (mail.task === "refused") continue;
      const reply = await submit(mail);
      if (!/^250 2\.0\.0 (repeat of |\d+ repeats, )/.test(reply)) faults.push(`${mail.task} again: ${reply}`);
    }
    await enter([[{ task: `after ${lives.length}`, to: [`after${lives.length}@example.com`] }]]);
    if (upstream.taken.length !== before + 1) {
      faults.push(`${upstream.taken.length - before - 1} were taken again in life ${lives.length}`);
    }
  }

  /** Nothing went twice but what had been said to be doubtful. */
  function checkCopies(): void {
    for (const [messageId, copies] of upstream.counts()) {
      const doubts = lines().filter(
        (line) => line.event === "transmission.doubtful" && line.messageId === messageId,
      );
      if (copies - 1 > doubts.length) faults.push(`${messageId}: ${copies} copies, ${doubts.length} doubts`);
    }
    if (taken(SENDER) !== 1) faults.push(`${taken(SENDER)} reports of the refusal`);
  }

  /** The life ends, and another begins that finds what it left. */
  async function nextLife(): Promise<void> {
    if (when === "stopping") disk.arm(fault);
    if (end === "power") {
      await life().kill();
      disk.losePower(part);
    } else {
      const code = await life().stop();
      if (code !== 0) faults.push(`stopped with ${code}`);
    }
    disk.disarm();
    if (when === "starting") {
      disk.arm(fault);
      // It starts, or says why it does not, and then starts the next time.
      const started = await start().then(
        () => true,
        (error: Error) => {
          if (!/^ended \(1\) .*\n?mailonce: /.test(error.message)) faults.push(`start: ${error.message}`);
          return false;
        },
      );
      if (disk.hits() === 0) disk.disarm();
      if (started) return;
      disk.disarm();
    }
    await start();
  }

  return {
    faults,
    async run() {
      await start();
      if (when === "running") disk.arm(fault);
      await enter(mails);
      await nextGeneration();
      await enter([[{ task: "later", to: ["later@example.com"] }]]);
      await again();
      if (when === "running") disk.disarm();
      await nextLife();
      await again();
      checkCopies();
      disk.disarm();
      const code = await life().stop();
      if (code !== 0) faults.push(`stopped with ${code} at last`);
    },
    async close() {
      for (const one of lives) await one.kill();
    },
  };
}

async function ended(one: GatewayProcess): Promise<boolean> {
  return await Promise.race([one.exited.then(() => true), Promise.resolve(false)]);
}
