// One session with an SMTP server: set up, exchanges one after the other, end. It reports facts
// (Exchange) and judges nothing.
import type { Socket } from "node:net";
import type { Transmission } from "../upstream.ts";
import {
  createConnection,
  type Fault,
  offersOf,
  replyOf,
  type SmtpConnection,
  type SmtpSessionOptions,
} from "./connection.ts";
import { outgoingContent } from "./content.ts";
import { dsnParameters } from "./dsn.ts";
import type { Exchange } from "./outcome.ts";
import { replyCode } from "./reply.ts";
import { createSteps, type StepEnd, type Steps } from "./step.ts";

export interface SmtpSession {
  /** False when another exchange can't be made: the connection is gone, or not to be trusted. */
  usable(): boolean;
  /** Exchanges made so far. */
  used(): number;
  /** Why this server can't take the transmission at all; undefined when nothing speaks against it. */
  obstacle(transmission: Transmission): string | undefined;
  /** One mail transaction, after RSET when the one before was refused. Never rejects; one at a time. */
  exchange(transmission: Transmission, signal: AbortSignal): Promise<Exchange>;
  /** QUIT, then the end. */
  quit(): Promise<void>;
}

/** Connects, secures and authenticates. Never rejects. */
export async function openSmtpSession(
  options: SmtpSessionOptions,
  signal: AbortSignal,
): Promise<{ readonly session: SmtpSession } | { readonly failure: Exchange }> {
  const { timeouts, clock, username, password } = options;
  const connection = createConnection(options);
  const steps = createSteps(clock, () => connection.close());
  // The library reports a connection that ends between two of its callbacks by "error", or by "end"
  // alone. While a message is under way "end" comes just before its callback, which knows more.
  connection.on("error", (fault: Fault) => steps.fail(fault));
  connection.on("end", () => queueMicrotask(() => steps.fail(new Error("the connection was closed"))));

  const failure = (problem: string, reply?: string) => {
    connection.close();
    return { failure: { step: "setup", progress: "untouched", problem, reply } as const };
  };
  const failed = ({ fault }: StepEnd) => fault && failure(fault.message, fault.response);

  const dialing = clock.after(timeouts.connectMs, () => {
    if (connection.stage === "init") {
      steps.fail(new Error(`connecting took more than ${timeouts.connectMs} ms`));
    }
  });
  const connected = await steps.run(signal, (done, allow) => {
    allow(timeouts.connectMs + timeouts.commandMs, "connecting, greeting and EHLO");
    connection.connect((fault) => done(fault));
  });
  dialing.cancel();
  const unconnected = failed(connected);
  if (unconnected) return unconnected;

  if (username !== undefined && password !== undefined) {
    if (options.tls === "opportunistic" && !connection.secure) {
      return failure("the server offers no STARTTLS, and the password is not sent in plain text");
    }
    if (!connection.allowsAuth) return failure("the server offers no AUTH");
    const authenticated = await steps.run(signal, (done, allow) => {
      allow(timeouts.commandMs, "AUTH");
      connection.login({ user: username, pass: password }, (fault) => done(fault));
    });
    const unauthenticated = failed(authenticated);
    if (unauthenticated)
      return isRefused(authenticated) ? withPasswordRefused(unauthenticated) : unauthenticated;
  }
  return { session: createSession(connection, steps, options) };
}

/** A 4yz says that the server can't tell now; whatever else is no reply says nothing of the password. */
const isRefused = ({ fault }: StepEnd): boolean => /^5\d\d(?:[ -]|$)/.test(fault?.response ?? "");

const withPasswordRefused = ({ failure }: { readonly failure: Exchange }) => ({
  failure: { ...failure, isPasswordRefused: true as const },
});

function createSession(connection: SmtpConnection, steps: Steps, options: SmtpSessionOptions): SmtpSession {
  const { timeouts, clock } = options;
  const offers = offersOf(connection);
  const reports = offers.extensions.includes("DSN") ? true : undefined;
  let used = 0;
  let resetFirst = false;

  async function reset(signal: AbortSignal): Promise<Fault | undefined> {
    const { fault } = await steps.run(signal, (done, allow) => {
      allow(timeouts.commandMs, "RSET");
      connection.reset((fault) => done(fault));
    });
    resetFirst = false;
    return fault;
  }

  async function exchange(transmission: Transmission, signal: AbortSignal): Promise<Exchange> {
    used++;
    const fault = resetFirst ? await reset(signal) : undefined;
    if (fault) {
      connection.close();
      return { step: "transaction", progress: "untouched", problem: fault.message };
    }
    const end = await transact(transmission, signal);
    const reply = end.reply ?? replyOf(end.fault);
    const code = reply === undefined ? undefined : replyCode(reply);
    // A refused transaction may still be open at the server (RFC 5321 §4.1.1.5). RSET is left to the
    // next use: it then also shows whether the connection is alive.
    resetFirst = code !== undefined && code >= 400;
    if (!inStep(code)) connection.close();
    // What the server sent beyond its reply is noticed in the next turn, and ends the connection. Were
    // that turn left out, a stray reply would answer the next message's MAIL, and so on to its DATA.
    await new Promise((resolve) => setImmediate(resolve));
    const problem = end.fault?.message ?? reply ?? "";
    return { step: "transaction", progress: end.progress, problem, reply, reports };
  }

  function transact(transmission: Transmission, signal: AbortSignal): Promise<StepEnd> {
    let advanced: (octets: number) => void = () => {};
    const content = outgoingContent(transmission, (octets) => advanced(octets));
    const envelope = {
      from: transmission.reversePath,
      to: transmission.recipient,
      size: transmission.size,
      use8BitMime: transmission.eightBit,
      dsn: dsnParameters(transmission),
    };
    return steps.run(
      signal,
      (done, allow) => {
        allow(timeouts.commandMs, "the reply to MAIL, RCPT or DATA");
        advanced = (octets) => {
          if (octets > 0) allow(timeouts.blockMs, "sending a block of the content");
          else allow(timeouts.replyMs, "the reply to the content");
        };
        connection.transact(envelope, write, (fault, info) => done(fault, info?.response));
      },
      content.progress,
    );

    async function write(socket: Socket): Promise<void> {
      // The library takes any 2yz or 3yz for the reply to DATA, and one that belongs to an earlier
      // command would have it send the content into a server that does not expect it.
      const reply = String(connection.lastServerResponse);
      if (replyCode(reply) !== START_INPUT) throw new Error(`not a reply to DATA: ${reply}`);
      await content.writeTo(socket);
    }
  }

  function obstacle({ reversePath, recipient, eightBit, size }: Transmission): string | undefined {
    if (/[\r\n<>]/.test(reversePath + recipient)) {
      return "an address with an angle bracket or a line end can't be handed on";
    }
    if (/[^\x20-\x7e]/.test(reversePath + recipient) && !offers.extensions.includes("SMTPUTF8")) {
      return "the server does not offer SMTPUTF8, and an address needs it";
    }
    if (eightBit && !offers.extensions.includes("8BITMIME")) {
      return "the server does not offer 8BITMIME, and the content needs it";
    }
    if (size > offers.sizeMax) {
      return `the server takes ${offers.sizeMax} octets (SIZE), and the content has ${size}`;
    }
    return undefined;
  }

  function quit(): Promise<void> {
    return new Promise((resolve) => {
      if (connection.destroyed) return resolve();
      const timer = clock.after(timeouts.quitMs, () => connection.close());
      connection.once("end", () => {
        timer.cancel();
        resolve();
      });
      connection.quit();
    });
  }

  return {
    usable: () => !connection.destroyed,
    used: () => used,
    obstacle,
    exchange,
    quit,
  };
}

/** RFC 5321 §4.2.3. */
const START_INPUT = 354;
const CLOSING = 421;
const OUT_OF_STEP = 503;

/** True when both sides agree that the transaction is over, so that the next may follow. */
function inStep(code: number | undefined): boolean {
  if (code === undefined || code === CLOSING || code === OUT_OF_STEP) return false;
  return code < 300 || code >= 400;
}
