// Connections waiting for their next message. How many are open at all is bounded by the number of
// concurrent transmissions, which is the dispatcher's affair.
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { SmtpSession } from "./session.ts";

export interface SmtpPool {
  /** The connection used last, since it is the least likely to have been ended by the server. */
  take(): SmtpSession | undefined;
  /** Keeps the connection for later, or ends it when it has served its time. */
  give(session: SmtpSession): void;
  close(): Promise<void>;
}

export interface SmtpPoolOptions {
  readonly clock: Clock;
  readonly idleMs: number;
  readonly idleMax: number;
  /** Messages over one connection. */
  readonly messagesMax: number;
}

export function createSmtpPool({ clock, idleMs, idleMax, messagesMax }: SmtpPoolOptions): SmtpPool {
  const idle: { session: SmtpSession; timer: Timer }[] = [];
  const quitting = new Set<Promise<void>>();

  function retire(session: SmtpSession): void {
    const quit = session.quit().finally(() => quitting.delete(quit));
    quitting.add(quit);
  }

  function remove(session: SmtpSession): void {
    const at = idle.findIndex((waiting) => waiting.session === session);
    if (at >= 0) idle.splice(at, 1);
    retire(session);
  }

  return {
    take() {
      for (let waiting = idle.pop(); waiting !== undefined; waiting = idle.pop()) {
        waiting.timer.cancel();
        if (waiting.session.usable()) return waiting.session;
      }
      return undefined;
    },
    give(session) {
      if (!session.usable()) return;
      if (session.used() >= messagesMax || idle.length >= idleMax) return retire(session);
      idle.push({ session, timer: clock.after(idleMs, () => remove(session)) });
    },
    async close() {
      for (const { session, timer } of idle.splice(0)) {
        timer.cancel();
        retire(session);
      }
      await Promise.all(quitting);
    },
  };
}
