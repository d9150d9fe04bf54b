// How often our password is shown to an SMTP server. Servers and their fail2ban shut out a client that shows a wrong
// one a few times, so after a refusal it is shown again only after a minute, then two, four … or when another one is there.
import type { Clock } from "../../runtime/clock.ts";
import { type Exchange, PASSWORD_RETRY_MS } from "./outcome.ts";
import type { SmtpSession } from "./session.ts";

export type Opened = { readonly session: SmtpSession } | { readonly failure: Exchange };

export interface SmtpLogin {
  /** The password of now. */
  password(): string;
  /**
   * Opens a session, or says at once why not. The first password is shown over one connection alone; those that wait
   * meanwhile fail as that one did, unless it was aborted.
   */
  open(open: (password: string) => Promise<Opened>, signal: AbortSignal): Promise<Opened>;
  /** The password is shown again at once, although the server refused it. */
  forgetRefusals(): void;
}

export interface SmtpLoginParts {
  readonly password: string;
  /** Reads the password anew; throws when that is not possible. Left out: it can't change. */
  readonly readPassword?: (() => string) | undefined;
  readonly clock: Clock;
}

/**
 * fail2ban's default is 5 failures within 10 minutes. Waits of 1, 2, 4 and 8 minutes make 4 in the first 10, and this one
 * makes less than one.
 */
const REFUSED_MAX_MS = 15 * 60_000;
/** So many at once show a password that was taken before; if it no longer is, that stays below 5 too. */
const LOGINS_MAX = 4;

export function createSmtpLogin({ password, readPassword, clock }: SmtpLoginParts): SmtpLogin {
  let current = password;
  let isProven = false;
  let refused: { readonly reply: string; readonly until: number; readonly times: number } | undefined;
  let underWay = 0;
  /** Resolves when a login ends, with its failure when that is everybody's. */
  let ended = newEnd();

  /** What kept us from reading it again. */
  function readAgain(): string | undefined {
    try {
      const next = readPassword?.() ?? current;
      if (next !== current) refused = undefined;
      current = next;
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  async function run(open: (password: string) => Promise<Opened>, signal: AbortSignal): Promise<Opened> {
    underWay += 1;
    const shown = current;
    let opened: Opened | undefined;
    try {
      opened = await open(shown);
      if ("session" in opened) {
        isProven = true;
        refused = undefined;
      } else if (opened.failure.isPasswordRefused === true && shown === current) {
        isProven = false;
        const times = (refused?.times ?? 0) + 1;
        const wait = Math.min(REFUSED_MAX_MS, PASSWORD_RETRY_MS * 2 ** (times - 1));
        refused = { reply: replyIn(opened.failure), until: clock.now() + wait, times };
      }
      return opened;
    } finally {
      underWay -= 1;
      const last = ended;
      ended = newEnd();
      const failure = opened !== undefined && "failure" in opened ? opened.failure : undefined;
      last.resolve(isProven || signal.aborted ? undefined : failure);
    }
  }

  return {
    password: () => current,
    forgetRefusals() {
      if (refused !== undefined) readAgain();
      refused = undefined;
    },
    async open(open, signal) {
      for (;;) {
        if (refused !== undefined) {
          const fault = readAgain();
          // A clock that was set back makes no wait longer than the longest.
          const waitMs = Math.min((refused?.until ?? 0) - clock.now(), REFUSED_MAX_MS);
          if (refused !== undefined && waitMs > 0) return { failure: waiting(refused.reply, waitMs, fault) };
        }
        if (underWay < (isProven ? LOGINS_MAX : 1)) return await run(open, signal);
        const failure = await unlessAborted(ended.promise, signal);
        if (signal.aborted) return { failure: { ...NOT_BEGUN, problem: "the attempt was aborted" } };
        if (failure !== undefined) return { failure };
      }
    },
  };
}

const NOT_BEGUN = { step: "setup", progress: "untouched" } as const;

const replyIn = ({ reply, problem }: Exchange): string => reply ?? problem;

function waiting(reply: string, ms: number, fault: string | undefined): Exchange {
  const remedy = fault === undefined ? "" : `; ${fault}`;
  const problem = `${reply} (the password is not tried again for ${Math.ceil(ms / 1_000)} s${remedy})`;
  return { ...NOT_BEGUN, problem, isPasswordRefused: true };
}

function newEnd() {
  let resolve: (failure: Exchange | undefined) => void = () => {};
  const promise = new Promise<Exchange | undefined>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Resolves as the promise does, and earlier, with undefined, when the signal aborts. */
const unlessAborted = <T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> =>
  new Promise((resolve) => {
    const abort = () => resolve(undefined);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    void promise.then((value) => {
      signal.removeEventListener("abort", abort);
      resolve(value);
    });
  });
