// The upstream "smtp": one attempt is one mail transaction with one server. MX look-up and trying again
// are not its business.
import type { ConnectionOptions } from "node:tls";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { oneLine } from "../line.ts";
import type { Outcome, Transmission, Upstream } from "../upstream.ts";
import { type Conceal, createConceal } from "./conceal.ts";
import type { SmtpTls } from "./connection.ts";
import { createSmtpLogin, type Opened } from "./login.ts";
import { type Exchange, outcomeOf } from "./outcome.ts";
import { createSmtpPool } from "./pool.ts";
import { openSmtpSession, type SmtpSession } from "./session.ts";
import { type SmtpTimeouts, smtpTimeouts } from "./timeouts.ts";

export interface SmtpUpstreamOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: SmtpTls;
  /** What EHLO says: a domain name or an address literal. */
  readonly hostname: string;
  /** AUTH is used when both are there. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Reads the password anew, after a refusal. Throws when that is not possible. */
  readonly readPassword?: (() => string) | undefined;
  /** For tls.connect: `ca`, `servername`, client certificates. */
  readonly tlsOptions?: ConnectionOptions | undefined;
  readonly timeouts?: Partial<SmtpTimeouts> | undefined;
  /** Idle connections kept; 64 unless given, more than a relay lets one client open. */
  readonly idleMax?: number | undefined;
  /** Messages over one connection; 100 unless given, since large relays end longer sessions. */
  readonly messagesMax?: number | undefined;
  readonly clock?: Clock | undefined;
}

export function createSmtpUpstream(options: SmtpUpstreamOptions): Upstream {
  const { host, port, tls, hostname, username, password, tlsOptions, clock = systemClock } = options;
  const timeouts = { ...smtpTimeouts, ...options.timeouts };
  const { idleMax = 64, messagesMax = 100 } = options;
  const login =
    username === undefined || password === undefined
      ? undefined
      : createSmtpLogin({ password, readPassword: options.readPassword, clock });
  /** Of every password that was shown: a reply to an earlier one may come late. */
  const conceals = new Map<string | undefined, Conceal>([[password, concealOf(username, password)]]);
  const conceal: Conceal = (text) => [...conceals.values()].reduce((rest, one) => one(rest), text);
  const pool = createSmtpPool({ clock, idleMs: timeouts.idleMs, idleMax, messagesMax });
  const sessionOptions = {
    ...{ host, port, tls, hostname, timeouts, clock },
    ...(tlsOptions === undefined ? {} : { tlsOptions }),
  };

  async function open(signal: AbortSignal): Promise<Opened> {
    if (login === undefined || username === undefined) return await openSmtpSession(sessionOptions, signal);
    return await login.open(async (password) => {
      if (!conceals.has(password)) conceals.set(password, concealOf(username, password));
      return await openSmtpSession({ ...sessionOptions, username, password }, signal);
    }, signal);
  }

  async function over(session: SmtpSession, transmission: Transmission, signal: AbortSignal) {
    const exchange = await session.exchange(transmission, signal);
    pool.give(session);
    return exchange;
  }

  async function attempt(transmission: Transmission, signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return aborted;
    const idle = pool.take();
    if (idle !== undefined) {
      const obstacle = idle.obstacle(transmission);
      if (obstacle !== undefined) {
        pool.give(idle);
        return impossible(obstacle);
      }
      const exchange = await over(idle, transmission, signal);
      // A connection that died while it was idle says nothing about the server. Nothing of the
      // message has left, so a fresh connection is the same attempt; there is no third.
      if (!diedIdle(exchange, signal)) return outcomeOf(exchange, conceal);
    }
    const opened = await open(signal);
    if ("failure" in opened) return signal.aborted ? aborted : outcomeOf(opened.failure, conceal);
    const obstacle = opened.session.obstacle(transmission);
    if (obstacle === undefined) {
      return outcomeOf(await over(opened.session, transmission, signal), conceal);
    }
    pool.give(opened.session);
    return impossible(obstacle);
  }

  return {
    name: `smtp ${host}:${port}`,
    // The server's own SIZE is known only once it has been asked; a message above it is refused then.
    limits: {
      messageOctets: Number.POSITIVE_INFINITY,
      lineOctets: Number.POSITIVE_INFINITY,
      smtpUtf8: true,
    },
    async transmit(transmission, signal) {
      try {
        return await attempt(transmission, signal);
      } catch (error) {
        // Every step above turns its errors into facts, so this is a fault of ours, at a place unknown.
        return { kind: "doubtful", cause: oneLine(conceal(`unexpected: ${String(error)}`)) };
      }
    },
    async check(signal) {
      const opened = await open(signal);
      if ("failure" in opened) {
        const { reply, problem } = opened.failure;
        return { isUsable: false, finding: oneLine(conceal(reply ?? problem)) };
      }
      await opened.session.quit();
      const over = tls === "required" || tls === "implicit" ? " over TLS" : "";
      const as = login === undefined ? "" : `, takes the password of ${username}`;
      return { isUsable: true, finding: `answers${over}${as}` };
    },
    ...(login === undefined ? {} : { forgetRefusals: login.forgetRefusals }),
    close: () => pool.close(),
  };
}

const concealOf = (username: string | undefined, password: string | undefined): Conceal =>
  password === undefined ? (text) => text : createConceal(username ?? "", password);

/** 421 is how a server ends an idle session when it is asked for something just then. */
function diedIdle({ progress, reply }: Exchange, signal: AbortSignal): boolean {
  return progress === "untouched" && !signal.aborted && (reply === undefined || /^421/.test(reply));
}

/** Ours, not the upstream's: nothing is known about the server. */
const aborted: Outcome = { kind: "later", reply: "the attempt was aborted before it began" };

function impossible(reply: string): Outcome {
  return { kind: "refused", reply };
}
