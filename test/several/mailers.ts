// Mailers as a queue has them: each mail goes to every gateway at the same instant, and whoever does not hear
// 250 submits again to any of them.
import { randomUUID } from "node:crypto";
import type { Chance } from "../crash/chance.ts";
import { connectSmtp, openSmtp, type SmtpClient, taskMail } from "../support/smtp-client.ts";

/** One mail of a task; its recipient is no other mail's. */
export interface Mail {
  readonly task: string;
  readonly recipient: string;
}

/** What the mailers heard, in numbers. */
export interface Heard {
  queued: number;
  repeats: number;
  /** 4yz, each followed by another try. */
  later: number;
  /** Connections that could not be had, broke, or stayed without an answer. */
  lost: number;
  /** The longest that a mailer waited for the reply to a content. */
  longestMs: number;
  /** Replies that no mailer should hear. */
  readonly wrong: string[];
}

export interface MailersOptions {
  readonly chance: Chance;
  /** Where a gateway listens now. Asked at each connection. */
  readonly ports: () => readonly number[];
  /** Connections to each gateway. */
  readonly connections: number;
  /** Milliseconds without an answer after which a mailer gives the connection up. */
  readonly patienceMs: number;
  /** Called after each 250, with their number. */
  readonly answered?: (count: number) => void;
}

/** Before another try. Mailers wait longer; this is short so that many rounds can be run. */
const AGAIN_MS = 100;
/** Tries of one mailer for one mail. With what each waits, more than a minute. */
const TRIES_MAX = 600;

export function mailsOf(count: number, round: string): Mail[] {
  const task = randomUUID();
  return Array.from({ length: count }, (_, n) => ({ task, recipient: `${round}u${n + 1}@example.com` }));
}

/** Resolves when every mailer has heard 250 for every mail. */
export async function submitToAll(mails: readonly Mail[], options: MailersOptions): Promise<Heard> {
  const { chance, ports, connections } = options;
  const heard: Heard = { queued: 0, repeats: 0, later: 0, lost: 0, longestMs: 0, wrong: [] };
  const lists = ports().map(() => chance.shuffled(mails));
  const mailers = lists.flatMap((list, home) =>
    Array.from({ length: connections }, () => createMailer(list, home, options, heard)),
  );
  await Promise.all(mailers.map((mailer) => mailer.connect()));
  await Promise.all(mailers.map((mailer) => mailer.run()));
  return heard;
}

/** Submits each mail once, one after the other on one connection; the replies. */
export async function submitTo(port: number, mails: readonly Mail[]): Promise<string[]> {
  const client = await connectSmtp(port);
  const replies: string[] = [];
  for (const { task, recipient } of mails) {
    replies.push(await client.submit({ to: [recipient], content: taskMail(task) }));
  }
  await client.quit();
  return replies;
}

/** @param list shared with the others of its gateway; each takes what is next */
function createMailer(list: Mail[], home: number, options: MailersOptions, heard: Heard) {
  const { chance, ports, patienceMs, answered } = options;
  let client: SmtpClient | undefined;

  async function connect(to: number): Promise<SmtpClient> {
    const port = ports()[to];
    if (port === undefined) throw new Error(`no gateway ${to}`);
    const opened = await openSmtp(port);
    return await patiently(opened, async () => {
      expectCode(await opened.reply(), "220");
      expectCode(await opened.command("EHLO mailer.example"), "250");
      return opened;
    });
  }

  async function patiently<T>(open: SmtpClient, work: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => open.destroy(), patienceMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
    }
  }

  /** The reply to the content; undefined when there was none. */
  async function submit({ task, recipient }: Mail, to: number): Promise<string | undefined> {
    try {
      client ??= await connect(to);
      const open = client;
      const began = performance.now();
      const reply = await patiently(open, () =>
        open.submit({ to: [recipient], content: taskMail(task, { body: `To ${recipient}.\r\n` }) }),
      );
      heard.longestMs = Math.max(heard.longestMs, performance.now() - began);
      return reply;
    } catch (error) {
      const refused = /^Error: expected \d+: (.*)/s.exec(String(error))?.[1];
      client?.destroy();
      client = undefined;
      if (refused === undefined) heard.lost++;
      return refused;
    }
  }

  async function deliver(mail: Mail): Promise<void> {
    let to = home;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const reply = await submit(mail, to);
      if (reply?.startsWith("250 ") === true) {
        if (reply.includes("repeat of")) heard.repeats++;
        else heard.queued++;
        answered?.(heard.queued + heard.repeats);
        return;
      }
      if (reply?.startsWith("4") === true) heard.later++;
      else if (reply !== undefined) heard.wrong.push(`${mail.recipient}: ${reply}`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      const next = chance.below(ports().length);
      if (next !== to) client?.destroy();
      if (next !== to) client = undefined;
      to = next;
    }
    heard.wrong.push(`${mail.recipient}: no 250 in ${TRIES_MAX} tries`);
  }

  return {
    async connect() {
      client = await connect(home).catch(() => undefined);
    },
    async run() {
      for (let mail = list.shift(); mail !== undefined; mail = list.shift()) await deliver(mail);
      client?.destroy();
    },
  };
}

function expectCode(reply: string, code: string): void {
  if (!reply.startsWith(code)) throw new Error(`expected ${code}: ${reply}`);
}
