// Who asks, and whether they may: the first thing that is done with a request. A browser carries the pages of strangers
// into this machine, so a request has to come by a name of ours and, for a change, from a page of ours.
import { isIP } from "node:net";
import type { Failures } from "../../access/failures.ts";
import type { TokenHolder, Tokens } from "../../access/tokens-file.ts";
import { type Asked, type Asker, type Problem, problem, type Route } from "./route.ts";
import { cookieIn, type Sessions } from "./sessions.ts";

/** What of a request decides who asks. */
export interface Knock extends Pick<Asked, "address" | "isTls" | "header"> {
  readonly isChange: boolean;
}

export type Door = (knock: Knock, needs: Route["needs"]) => Promise<Asker | Problem>;

/** Of the Unix socket, which the rights of its file guard. */
export const ownersDoor: Door = async () => ({ name: "the operator's socket", role: "operate" });

export interface NetworkDoorParts {
  /** Names in Host beside loopback ones and addresses, in lower case. */
  readonly hosts: readonly string[];
  /** Whether nobody needs a token to see what a visitor may: on loopback, where there is no tokens file. */
  readonly takesVisitors: boolean;
  /** Absent where there is no tokens file. */
  readonly tokens: Tokens | undefined;
  readonly sessions: Sessions;
  readonly failures: Failures;
}

/**
 * Wrong tokens that wait for their answer at once. Each holds a connection for seconds; beyond it the answer comes at
 * once, and no token is looked at.
 */
const WRONG_MAX = 32;

/** Looks at one token. @returns undefined when it is wrong, which is answered late */
export type TokenCheck = (token: string, address: string) => Promise<TokenHolder | Problem>;

export function createTokenCheck(
  { tokens, failures }: Pick<NetworkDoorParts, "tokens" | "failures">,
  find: (token: string) => TokenHolder | undefined = (token) => tokens?.find(token),
): TokenCheck {
  let waiting = 0;
  return async (token, address) => {
    if (failures.blocked(address) || waiting >= WRONG_MAX) return later;
    const found = find(token);
    if (found !== undefined) return found;
    waiting++;
    try {
      await failures.failed(address);
    } finally {
      waiting--;
    }
    return wrong;
  };
}

const later = problem(429, "tokens of this address are not looked at now", { "Retry-After": "600" });
const wrong = problem(401, "this token is not known", { "WWW-Authenticate": "Bearer" });
const missing = problem(401, "send Authorization: Bearer and a token, or sign in at /login", {
  "WWW-Authenticate": "Bearer",
});

export function createNetworkDoor(parts: NetworkDoorParts): Door {
  const { hosts, takesVisitors, sessions } = parts;
  const check = createTokenCheck(parts);

  const askerOf = async (
    { header, address }: Knock,
    cookie: string | undefined,
  ): Promise<Asker | Problem | undefined> => {
    const authorization = header("authorization");
    if (authorization !== undefined) {
      const token = /^Bearer +([!-~]+) *$/i.exec(authorization)?.[1];
      return token === undefined ? missing : await check(token, address);
    }
    return cookie === undefined ? undefined : sessions.find(cookie);
  };

  return async (knock, needs) => {
    const host = knock.header("host");
    if (host !== undefined && !isOurs(host, hosts)) {
      return problem(421, "this host name is not one of http.hosts");
    }
    if (knock.isChange && !isSameOrigin(knock)) {
      return problem(403, "a change is taken from a page of this gateway only");
    }
    const cookie = cookieIn(knock);
    if (needs === "nobody") return (cookie !== undefined && sessions.find(cookie)) || VISITOR;
    const found = await askerOf(knock, cookie);
    if (found !== undefined && "kind" in found) return found;
    const asker = found ?? (takesVisitors ? VISITOR : undefined);
    if (asker === undefined) return missing;
    if (RANK[asker.role] >= RANK[needs]) return asker;
    return asker === VISITOR ? missing : problem(403, `the role of ${asker.name} does not allow this`);
  };
}

const VISITOR: Asker = { name: "visitor", role: "visitor" };

const RANK: Readonly<Record<Asker["role"], number>> = { visitor: 0, read: 1, operate: 2 };

/**
 * A page of an attacker can give its own name an address of ours and then read what is here (DNS rebinding). Its
 * requests have that name in Host. An address in Host is never such a name.
 */
function isOurs(host: string, hosts: readonly string[]): boolean {
  const name = host.toLowerCase().replace(/:\d*$/, "");
  const literal = /^\[(.*)\]$/.exec(name)?.[1] ?? name;
  return name === "localhost" || isIP(literal) !== 0 || hosts.includes(name);
}

/**
 * Browsers send Origin with each POST. Without it the client is none, unless it has a cookie. The scheme is not compared:
 * where a proxy ends TLS we don't know it.
 */
function isSameOrigin({ header }: Knock): boolean {
  const site = header("sec-fetch-site");
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  const origin = header("origin");
  if (origin === undefined) return header("cookie") === undefined || site === "same-origin";
  const named = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1];
  return named !== undefined && named.toLowerCase() === header("host")?.toLowerCase();
}
