// Who has signed in with a browser: a cookie in place of a token, for half a day. Sessions are in memory, so a restart
// ends them.
import { createHash } from "node:crypto";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import type { Asked, Asker } from "./route.ts";

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

/**
 * Cookies are one host's, whatever its port: the port by which the browser asks is in the name, so that a session at one
 * gateway does not end that at another on the same host, or behind another tunnel. With the prefix a browser takes it from this
 * host under TLS only, and from no page below or above it (RFC 6265bis).
 */
function nameOf({ header, isTls }: Pick<Asked, "header" | "isTls">): string {
  const port = /:(\d{1,5})$/.exec(header("host") ?? "")?.[1];
  return `${isTls ? "__Host-" : ""}mailonce${port === undefined ? "" : `-${port}`}`;
}

/** The value in the header field Cookie. */
export function cookieIn(asked: Pick<Asked, "header" | "isTls">): string | undefined {
  const name = `${nameOf(asked)}=`;
  const found = asked
    .header("cookie")
    ?.split(";")
    .map((part) => part.trim())
    .find((part) => part.startsWith(name));
  return found?.slice(name.length);
}

/** The header field Set-Cookie. @param value empty ends it */
export function cookieWith(value: string, asked: Pick<Asked, "header" | "isTls">): string {
  const seconds = value === "" ? 0 : SESSION_MS / 1_000;
  const secure = asked.isTls ? "; Secure" : "";
  return `${nameOf(asked)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`;
}
