// The HTTP of a gateway without the gateway: the listener, the socket, the door and the routes, with a desk that has one
// doubtful mail. And clients that say what no browser would.
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { request as requestTls } from "node:https";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { putLine } from "../../src/access/access-edit.ts";
import { digestOf, newToken, parseTokens, type Role } from "../../src/access/tokens-lines.ts";
import { loadConfig } from "../../src/config/config.ts";
import { type Changes, createChanges } from "../../src/history/changes.ts";
import type { Id } from "../../src/identity/message-id.ts";
import type { DoubtfulEntry } from "../../src/operator/doubtful.ts";
import { type OperatorHttp, openHttp } from "../../src/operator/http/open.ts";
import type { OperatorParts } from "../../src/operator/routes/parts.ts";
import { createEvents, type Events } from "../../src/operator/status/events.ts";
import type { Status } from "../../src/operator/status/schema.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Log, LogFields } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { trust } from "./doors.ts";
import { createManualClock, type ManualClock } from "./manual-clock.ts";
import { type GatewayProcess, makeFolder, type Settings } from "./process.ts";
import { unread } from "./readings.ts";

export const HELD: DoubtfulEntry = {
  id: "a".repeat(32) as Id,
  messageId: "<own-id@mailer.example>",
  recipient: "person@example.net",
  attempts: 1,
  lastUpstream: "smtp 192.0.2.7:25",
  standing: "held",
  since: "2026-11-27T10:00:00.000Z",
};

/** Of a gateway that has nothing. */
export const STATUS: Status = {
  ...{ version: "1.0.0", startedAt: "2026-11-27T10:00:00.000Z", phase: "running", degraded: true },
  troubles: [
    {
      ...{ kind: "upstream", degrades: true, upstream: "main", text: "main has taken nothing" },
      ...{ since: "2026-11-27T10:00:00.000Z", reason: "535 a reply", todo: "Correct the password" },
    },
  ],
  lanes: [],
  upstreams: [
    {
      ...{ name: "main", place: "smtp smtp.example.com:587", state: "failing" },
      pause: {
        ...{ by: "upstream", since: "2026-11-27T10:00:00.000Z", reason: "535 a reply" },
        firstReason: "421 another reply",
      },
    },
  ],
  rates: {
    minute: { accepted: 0, relayed: 0, repeats: 0, refused: 0 },
    fiveMinutes: { accepted: 0, relayed: 0, repeats: 0, refused: 0 },
  },
  ...{ prevented: { sinceStart: 0 }, doubtful: 0, reportsWaiting: 0 },
  disk: { minimum: 0 },
  ledger: { kind: "embedded", isUp: true, gateways: 1 },
  certificates: [],
};

/** Of a gateway that has nothing. */
export const NO_PARTS: OperatorParts = {
  doubtful: {
    list: async () => [],
    oldest: async () => ({ items: [], total: 0 }),
    resolve: async () => ({ ok: false, fault: "" }),
  },
  evidence: { take: async () => "known" },
  explain: { explain: async () => undefined, find: async () => ({ items: [] }) },
  forget: { forget: async () => ({ ok: false, why: "nothing", fault: "" }) },
  pausing: {
    pause: async () => ({ ok: false, names: [] }),
    resume: async () => ({ ok: false, names: [] }),
  },
  status: {
    read: async () => STATUS,
    minutes: () => [],
    decided() {},
    others: () => ({ ledger: true, upstreams: [["main", "failing"]] }),
  },
  draining: {
    begin: () => ({ since: 0, wasDraining: true }),
    ...{ since: () => undefined, ended: new Promise(() => {}), close() {} },
  },
  queue: {
    list: async () => ({ items: [] }),
    lastReplies: async () => ({ items: [] }),
    counts: async () => ({ total: 0, groups: [] }),
    show: async () => [],
    content: async () => undefined,
    order: async () => ({ kind: "given", items: [] }),
  },
  recent: { list: () => [] },
  outbox: undefined,
  events: { open: () => undefined, count: () => 0, close() {} },
  disk: async () => undefined,
  ...unread(),
};

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpPlace {
  readonly http: OperatorHttp;
  readonly port: number;
  readonly clock: ManualClock;
  readonly folder: string;
  readonly data: string;
  readonly tokensFile: string;
  /** What the desk was told, and by whom. */
  readonly decided: readonly string[];
  readonly logged: readonly (readonly [event: string, fields: LogFields])[];
  readonly events: Events;
  readonly changes: Changes;
  /** Changes what the gateway says of its state. */
  setStatus(next: Partial<Status>): void;
  ask(path: string, asking?: Asking): Promise<Reply>;
  /** Writes a token into the file, which the gateway then reads. */
  addToken(name: string, role: Role): Promise<string>;
  close(): Promise<void>;
}

export interface HttpPlaceOptions {
  readonly settings?: Settings;
  /** Takes no visitors then. */
  readonly withTokens?: boolean;
  readonly clock?: Clock;
  /** In place of those of a gateway that has nothing. */
  readonly parts?: Partial<OperatorParts>;
}

export async function openHttpPlace({
  settings,
  withTokens,
  clock,
  parts,
}: HttpPlaceOptions = {}): Promise<HttpPlace> {
  const folder = makeFolder();
  const data = join(folder.path, "data");
  const tokensFile = join(folder.path, "tokens");
  mkdirSync(data, { mode: 0o700 });
  const manual = createManualClock();
  const logged: [string, LogFields][] = [];
  const note = (event: string, fields: LogFields = {}): void => void logged.push([event, fields]);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const put = async (name: string, role: Role): Promise<string> => {
    const token = newToken(systemRandom);
    await putLine(tokensFile, parseTokens, name, `${role}:${digestOf(token)}`, false);
    return token;
  };
  if (withTokens === true) await put("first", "read");
  const all: Settings = {
    ...{ DATA_DIR: data, HTTP_PORT: 0, ...(withTokens === true ? { HTTP_TOKENS_FILE: tokensFile } : {}) },
    ...settings,
  };
  const config = loadConfig({
    environment: Object.fromEntries(
      Object.entries(all).map(([name, value]) => [`MAILONCE_${name}`, String(value)]),
    ),
  });
  const http = await openHttp(config, { clock: clock ?? manual, random: systemRandom, log });
  const decided: string[] = [];
  const doubtful: OperatorParts["doubtful"] = {
    list: async () => [HELD],
    oldest: async () => ({ items: [HELD], total: 1 }),
    async resolve(id, decision, reason, by) {
      if (id !== HELD.id) return { ok: false, fault: `${id} is not doubtful` };
      decided.push([decision, reason, by].join(" "));
      return { ok: true, id: HELD.id, next: "relayed" };
    },
  };
  const changes = createChanges();
  let status = STATUS;
  const events = createEvents({ status: async () => status, changes, clock: clock ?? manual });
  await http.run({ ...NO_PARTS, doubtful, events, ...parts });
  const port = Number(http.address?.split(":").at(-1));
  const isTls = config.http.tls.cert_file !== undefined;
  return {
    ...{ http, port, clock: manual, folder: folder.path, data, tokensFile, decided, logged, events, changes },
    setStatus(next) {
      status = { ...status, ...next };
    },
    ask: (path, asking) => askAt(port, path, asking, isTls),
    async addToken(name, role) {
      const token = await put(name, role);
      await http.reload();
      return token;
    },
    async close() {
      events.close();
      await http.close();
      folder.remove();
    },
  };
}

/** One request on a connection of its own. */
export async function askAt(
  port: number,
  path: string,
  { method = "GET", headers = {}, body }: Asking = {},
  isTls = false,
): Promise<Reply> {
  const options = { host: "127.0.0.1", port, path, method, headers, agent: false };
  const asked = isTls ? requestTls({ ...options, ...trust }) : request(options);
  asked.end(body);
  const [reply] = await once(asked, "response");
  return { status: reply.statusCode, headers: reply.headers, body: await text(reply) };
}

/** Where a gateway says that it answers. */
export const httpPortOf = (gateway: GatewayProcess): number =>
  Number(String(gateway.said("gateway.listening")[0]?.http).split(":").at(-1));

export const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });

/** A decision about the doubtful mail. */
export const decision = (headers: Readonly<Record<string, string>>): Asking => ({
  method: "POST",
  headers: { "Content-Type": "application/json", ...headers },
  body: JSON.stringify({ id: HELD.id, decision: "relayed" }),
});

/** The form of /login, as a page of the gateway sends it. */
export const signIn = (port: number, token: string, scheme = "http"): Asking => ({
  method: "POST",
  headers: {
    "Content-Type": "application/x-www-form-urlencoded",
    Origin: `${scheme}://localhost:${port}`,
    Host: `localhost:${port}`,
  },
  body: new URLSearchParams({ token }).toString(),
});

/** The cookie that a reply sets, as it is sent back. */
export const cookieOf = ({ headers }: Reply): string => headers["set-cookie"]?.[0]?.split(";")[0] ?? "";

/** A connection that is open. */
export async function openRaw(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Sends the octets and gives all that comes until the other side ends the connection. */
export async function sendRaw(port: number, octets: string): Promise<string> {
  const socket = await openRaw(port);
  let answer = "";
  socket.setEncoding("latin1").on("data", (piece: string) => {
    answer += piece;
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(octets, "latin1");
  await closed;
  return answer;
}
