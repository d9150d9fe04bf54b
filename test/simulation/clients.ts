// The mailers: workers of a job queue that run a task each time the queue delivers it, and run it again,
// whole, when a mail of it was not taken. The same task id each time, the mail rendered anew.
import { deriveId, type Id } from "../../src/identity/message-id.ts";
import { beginTransaction } from "../../src/listeners/transaction.ts";
import type { Envelope } from "../../src/submission/contract.ts";
import type { Evidence } from "./evidence.ts";
import { type Heard, ownMessageIdOf, type Submission } from "./history.ts";
import type { Life, Machine } from "./machine.ts";
import { configsOf, FROM_DOMAIN, type Mail, type Plan, type Task } from "./plan.ts";
import type { Site } from "./site.ts";

export interface Clients {
  /** Runs a delivery of the task until all its mails have been taken or refused for good. */
  deliver(task: Task): void;
  /** Deliveries that have not come to their end. */
  readonly working: number;
  /** Mail transactions under way. */
  readonly submitting: number;
  /** Resolves when no mail transaction with the machine is under way. */
  idle(machine: Machine): Promise<void>;
}

const LOST: Heard = { code: 0, text: "the connection is lost" };
const REFUSED: Heard = { code: 0, text: "no connection" };
const VANISHED: Heard = { code: 0, text: "the client has left" };

/** How long a client of several gateways waits for an answer: shorter and longer than they are paused. */
const PATIENCE_MS = [20_000, 300_000] as const;

const TRIES_MAX = 12;

/** What a task's transmissions go by, where a client can compute it. */
function idOf(plan: Plan, task: Task, mail: Mail, recipient: string): Id | undefined {
  if (task.id === undefined) return undefined;
  const { secret, namespace } = plan.config.identity;
  return deriveId({ secret, namespace, task: task.id, recipient, part: mail.part ?? "" });
}

export function createClients(site: Site, machines: readonly Machine[], evidence: Evidence): Clients {
  const { chance, history, plan, wait } = site;
  const isHeldSomewhere = configsOf(plan).some(({ ledger }) => ledger.doubtful === "hold");
  /** What is in doubt is answered so until an operator decides, and there is none here. */
  const waitsForOperator =
    plan.operator === undefined &&
    plan.settings === undefined &&
    plan.config.smtp.reply === "relayed" &&
    isHeldSomewhere;
  /** Tries until it gives up what waits for a decision that need not come, or for other settings. */
  const triesMax =
    isHeldSomewhere && (plan.operator ?? plan.settings) !== undefined ? TRIES_MAX : Number.POSITIVE_INFINITY;
  /** It is there when the gateway is up again, to meet what that finds in its spool. */
  const comesBackSoon = plan.settings !== undefined;
  let submissions = 0;
  let working = 0;
  let submitting = 0;
  const onIdle = new Map<Machine, (() => void)[]>();

  /** As a load balancer does. */
  function gateway(): Machine {
    const there = machines.filter(({ isGone }) => !isGone);
    const [only] = there as [Machine];
    return there.length === 1 ? only : chance.pick(there as [Machine, ...Machine[]]);
  }

  async function submit(task: Task, mail: Mail): Promise<Heard> {
    const machine = gateway();
    const { life } = machine;
    const { relay } = life;
    if (relay === undefined || life.isStopping) return REFUSED;
    // The connection stands, and nobody takes it up.
    if (machine.isPaused) {
      await wait(chance.between(...PATIENCE_MS));
      return LOST;
    }
    const number = ++submissions;
    const submission: Submission = {
      number,
      gateway: machine.number,
      task,
      mail,
      marker: `s${number}`,
      ids: mail.recipients.map((recipient) => idOf(plan, task, mail, recipient)),
    };
    history.add({ kind: "submitted", submission });
    const beganAt = site.elapsed();
    submitting += 1;
    machine.submitting += 1;
    const vanishes = site.fails(plan.faults.client_vanishes);
    const reply = await new Promise<Heard>((resolve) => {
      const onEnd = () => resolve(LOST);
      life.onEnd.add(onEnd);
      const hear = (heard: Heard) => {
        life.onEnd.delete(onEnd);
        resolve(heard);
      };
      if (plan.sharing !== undefined) void wait(chance.between(...PATIENCE_MS)).then(onEnd);
      const client = { address: "127.0.0.1", helo: "mailer.example.org", protocol: "ESMTP" };
      relay.submit(envelopeOf(task, mail), client, content(machine, submission, vanishes)).then(
        ({ code, status, text }) => {
          if (life.isAlive) hear(vanishes ? VANISHED : { code, text: `${status} ${text}` });
          ended(life);
        },
        (error: unknown) => {
          if (life.isAlive) hear(vanishes ? VANISHED : { code: -1, text: String(error) });
          ended(life);
        },
      );
    });
    const undurable: string[] = [];
    const knownAt = machine.pausedAt < beganAt ? site.elapsed() : beganAt;
    history.add({ kind: "heard", submission, reply, undurable, knownAt });
    if (reply.code === 250) {
      const missing = evidence.undurable(submission.ids, knownAt);
      if (missing instanceof Promise) void missing.then((ids) => void undurable.push(...ids));
      else undurable.push(...missing);
    }
    submitting -= 1;
    if (reply.code === 250) machine.step(life, "reply");
    return reply;
  }

  function ended({ machine, isAlive }: Life): void {
    if (!isAlive) return;
    machine.submitting -= 1;
    if (machine.submitting > 0) return;
    for (const tell of onIdle.get(machine) ?? []) tell();
    onIdle.delete(machine);
  }

  async function* content(
    machine: Machine,
    submission: Submission,
    vanishes: boolean,
  ): AsyncGenerator<Uint8Array> {
    const octets = render(machine, submission);
    const pieces = chance.between(1, 3);
    const size = Math.ceil(octets.length / pieces);
    const last = vanishes ? chance.between(0, pieces - 1) : pieces;
    for (let piece = 0; piece < last; piece++) {
      if (chance.happens(0.3)) await wait(chance.between(1, 400));
      while (machine.isPaused) await machine.running();
      yield octets.subarray(piece * size, (piece + 1) * size);
    }
    if (vanishes) throw new Error("the client went away");
  }

  function render({ clock }: Machine, { number, task, mail, marker }: Submission): Uint8Array {
    const { subject, part, padding, recipients } = mail;
    const fields = [
      `From: Newsletter <news@${FROM_DOMAIN}>`,
      `To: ${recipients[0]}`,
      `Subject: ${subject}`,
      ...(mail.hasDate ? [`Date: ${new Date(clock.now()).toUTCString().replace("GMT", "+0000")}`] : []),
      `Message-ID: ${ownMessageIdOf({ number })}`,
      ...(task.id !== undefined && task.idIn !== "envid" ? [`${task.idIn}: ${task.id}`] : []),
      ...(part === undefined ? [] : [`X-Task-Part: ${part}`]),
      `X-Sim: ${marker}`,
    ];
    // A fingerprint takes only the same content for a repeat; a task's mail may be rendered anew.
    const rendered = task.id === undefined ? "" : ` Rendered ${number} times.`;
    const body = `Hello!${rendered}\r\n${`${"x".repeat(68)}\r\n`.repeat(Math.ceil(padding / 70))}`;
    return Buffer.from(`${fields.join("\r\n")}\r\n\r\n${body}`);
  }

  /** At first soon, to meet what is still under way; then rarely. */
  const pauseAfter = (tries: number): number =>
    tries < 2 ? chance.between(50, 5_000) : chance.between(10_000, 120_000);

  /** As a queue that drops a task: what another gateway has accepted must not rest on the next try. */
  const givesUp = () => plan.sharing !== undefined && site.fails(plan.sharing.faults.queue_gives_up);

  async function run(task: Task): Promise<void> {
    working += 1;
    let tries = 0;
    for (let isDone = false; !isDone; tries++) {
      isDone = true;
      let isSoon = false;
      for (const mail of task.mails) {
        const reply = await submit(task, mail);
        const { code, text } = reply;
        const isInDoubt = waitsForOperator && text.startsWith("4.4.2");
        const givesUpInTime = code >= 400 && site.isHealed && tries >= triesMax;
        if (code === 250 || code >= 500 || isInDoubt || givesUpInTime) continue;
        isDone = false;
        isSoon = comesBackSoon && reply === REFUSED;
        break;
      }
      if (!isDone && givesUp()) break;
      if (!isDone) await wait(pauseAfter(isSoon ? 0 : tries));
    }
    working -= 1;
  }

  return {
    deliver: (task) => void run(task),
    get working() {
      return working;
    },
    get submitting() {
      return submitting;
    },
    idle: (machine) =>
      machine.submitting === 0
        ? Promise.resolve()
        : new Promise<void>((resolve) => {
            onIdle.set(machine, [...(onIdle.get(machine) ?? []), resolve]);
          }),
  };
}

function envelopeOf(task: Task, mail: Mail): Envelope {
  const envid = task.idIn === "envid" ? task.id : undefined;
  const begun = beginTransaction({ reversePath: mail.reversePath, envid, ret: undefined }, true);
  if ("reply" in begun) throw new Error(begun.reply.text);
  for (const path of mail.recipients) {
    const read = begun.transaction.read(path);
    if ("recipient" in read) begun.transaction.add(read.recipient);
  }
  return begun.transaction.envelope();
}
