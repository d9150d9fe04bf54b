// Who has signed in with a browser: a cookie in place of a token, for half a day. Sessions are in memory, so a restart
// ends them.
import { createHash } from "node:crypto";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import type { Asker } from "./route.ts";

/** A working day. */
export const SESSION_MS = 12 * 60 * 60_000;

/** Each takes a token that was right; beyond it the oldest ends. */
const SESSIONS_MAX = 1_000;

const SECRET_OCTETS = 32;

export interface Sessions {
  /** Begins one. @param valid whether its token is still good. @returns the value of the cookie */
  begin(asker: Asker, valid: () => boolean): string;
  find(cookie: string): Asker | undefined;
  end(cookie: string): void;
}

interface Session {
  readonly asker: Asker;
  readonly valid: () => boolean;
  readonly begunAt: number;
}

export function createSessions(clock: Clock, random: Random): Sessions {
  /** By the digest of the cookie: a look-up by the cookie itself would take longer the more of it is right. */
  const sessions = new Map<string, Session>();

  return {
    begin(asker, valid) {
      const cookie = Buffer.from(random.octets(SECRET_OCTETS)).toString("base64url");
      sessions.set(digestOf(cookie), { asker, valid, begunAt: clock.now() });
      const [oldest] = sessions.keys();
      if (sessions.size > SESSIONS_MAX && oldest !== undefined) sessions.delete(oldest);
      return cookie;
    },

    find(cookie) {
      const key = digestOf(cookie);
      const session = sessions.get(key);
      if (session === undefined) return undefined;
      const age = clock.now() - session.begunAt;
      // A clock that was set back must not make it last.
      if (age >= 0 && age < SESSION_MS && session.valid()) return session.asker;
      sessions.delete(key);
      return undefined;
    },

    end: (cookie) => void sessions.delete(digestOf(cookie)),
  };
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("base64");

/** With the prefix a browser takes it from this host under TLS only, and from no page below or above it (RFC 6265bis). */
const nameOf = (isTls: boolean): string => (isTls ? "__Host-mailonce" : "mailonce");

/** The value in a header field Cookie. */
export function cookieIn(field: string | undefined, isTls: boolean): string | undefined {
  const name = `${nameOf(isTls)}=`;
  const found = field
    ?.split(";")
    .map((part) => part.trim())
    .find((part) => part.startsWith(name));
  return found?.slice(name.length);
}

/** The header field Set-Cookie. @param value empty ends it */
export function cookieWith(value: string, isTls: boolean): string {
  const seconds = value === "" ? 0 : SESSION_MS / 1_000;
  const secure = isTls ? "; Secure" : "";
  return `${nameOf(isTls)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`;
}
