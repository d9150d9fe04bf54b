// Opens both ways to operate a gateway, the address of [http] and the operator's socket, with the same routes. The HTTP
// libraries are loaded a little later than the gateway begins to take mail.
import { chmod } from "node:fs/promises";
import { AccessFileError } from "../../access/access-file.ts";
import { createFailures } from "../../access/failures.ts";
import { openTokensFile, readTokens } from "../../access/tokens-file.ts";
import { ConfigError } from "../../config/config.ts";
import { isLoopback } from "../../config/listeners.ts";
import { type Config, HTTP_PORT } from "../../config/schema.ts";
import { type HttpListener, listenHttp, type RequestListener } from "../../listeners/http/listen.ts";
import { loadTls, TlsError, type TlsFiles } from "../../listeners/tls/certificates.ts";
import { type CertificateFacts, type TlsWatch, watchTls } from "../../listeners/tls/watch.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Random } from "../../runtime/random.ts";
import type { OperatorParts, OperatorState, Phase } from "../routes/parts.ts";
import type { NetworkDoorParts } from "./door.ts";
import { createOnceTokens } from "./once-tokens.ts";
import { FAILED } from "./route.ts";
import { createSessions } from "./sessions.ts";
import { placeSocket } from "./socket-path.ts";

/** The port of [http] is taken. */
export class HttpListenError extends Error {
  override readonly name = "HttpListenError";
}

export interface HttpWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface OperatorHttp {
  /** `host:port`; absent where there is no listener. */
  readonly address: string | undefined;
  /** A URL on which a browser signs in once, within ten minutes; absent where there is no listener. */
  signInUrl(): string | undefined;
  /** The gateway runs: answers with its parts, and opens the operator's socket. */
  run(parts: OperatorParts): Promise<void>;
  /** In force on the address; undefined where that has no TLS. */
  certificate(): CertificateFacts | undefined;
  phase(): Phase;
  /** The gateway takes no more mail. */
  draining(): void;
  /** The gateway begins to stop. */
  stopping(): void;
  /** Reads tokens and certificate again. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/**
 * The libraries take some 60 ms and are needed by nobody in the first moment. They are loaded in any case, so that a
 * gateway whose files are replaced while it runs has the ones it was started with; but for the one of node-listener.ts.
 */
const LOAD_AFTER_MS = 2_000;

/**
 * Reads the tokens file and the certificate as a start would.
 *
 * @throws ConfigError with all that is wrong with them
 */
export async function checkHttpFiles({ http }: Config, clock: Clock): Promise<void> {
  if (!http.enabled) return;
  const faults: string[] = [];
  const files = tlsFilesOf(http);
  try {
    if (http.tokens_file !== undefined) await readTokens(http.tokens_file);
  } catch (error) {
    if (!(error instanceof AccessFileError)) throw error;
    faults.push(...error.faults.map((fault) => `http.tokens_file: ${fault}`));
  }
  try {
    if (files !== undefined) await loadTls(files, clock);
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    faults.push(...error.faults.map((fault) => `http.tls: ${fault}`));
  }
  if (faults.length > 0) throw new ConfigError(faults);
}

/**
 * Listens on the address, and answers there that the gateway starts. To be called when the files have been checked.
 *
 * @throws HttpListenError when a port that is set is taken
 */
export async function openHttp(config: Config, { clock, random, log }: HttpWorld): Promise<OperatorHttp> {
  const { http, access, data_dir: dataDir } = config;
  let phase: Phase = "starting";
  let parts: OperatorParts | undefined;
  const state: OperatorState = { phase: () => phase, parts: () => parts };
  const tokens =
    http.enabled && http.tokens_file !== undefined
      ? await openTokensFile(http.tokens_file, clock, log)
      : undefined;
  const once = createOnceTokens(clock, random);
  const failures = createFailures(
    { max: access.auth_failures_max, windowMs: access.auth_failures_window, blockMs: access.auth_block },
    clock,
    { warn: (_, fields) => log.warn("http.blocked", fields) },
  );
  const sessions = createSessions(clock, random);
  const network: NetworkDoorParts = {
    ...{ hosts: http.hosts, tokens, sessions, failures },
    takesVisitors: isLoopback(http.host) && tokens === undefined,
  };
  const load = onceOnly(
    async () =>
      (await import("../serving/listeners.ts")).createListeners({ state, network, once, clock, log }),
    (error) => log.error("http.failed", { error: String(error) }),
  );
  const files = tlsFilesOf(http);
  const loaded = !http.enabled || files === undefined ? undefined : await loadTls(files, clock);
  let listener: HttpListener | undefined;
  let watch: TlsWatch | undefined;
  try {
    listener = await listenOn(config, loaded?.options, async () => (await load()).network, log);
  } catch (error) {
    tokens?.close();
    throw error;
  }
  if (files !== undefined && loaded !== undefined) {
    watch = watchTls(files, loaded, ({ options }) => listener?.updateTls(options), log, clock);
  }
  let closeSocket = async (): Promise<void> => {};
  const address = listener === undefined ? undefined : hostAndPort(listener.host, listener.port);

  return {
    address,

    signInUrl() {
      if (address === undefined) return undefined;
      const scheme = loaded === undefined ? "http" : "https";
      const [named] = http.hosts;
      const place = named === undefined ? address : hostAndPort(named, listener?.port ?? 0);
      return `${scheme}://${place}/login?token=${once.make()}`;
    },

    async run(running) {
      parts = running;
      phase = "running";
      closeSocket = await openSocket(dataDir, async () => (await load()).owner, log);
      clock.after(LOAD_AFTER_MS, () => void load().catch(() => {}));
    },

    phase: () => phase,
    certificate: () => watch?.certificate(),

    draining() {
      if (phase === "running") phase = "draining";
    },

    stopping() {
      phase = "stopping";
    },

    async reload() {
      await Promise.all([tokens?.reload(), watch?.reload()]);
    },

    async close() {
      tokens?.close();
      watch?.close();
      await Promise.all([listener?.close(), closeSocket()]);
    },
  };
}

async function listenOn(
  { http }: Config,
  tls: Parameters<HttpListener["updateTls"]>[0] | undefined,
  load: () => Promise<RequestListener>,
  log: Pick<Log, "warn">,
): Promise<HttpListener | undefined> {
  if (!http.enabled) return undefined;
  const { host, port = HTTP_PORT } = http;
  try {
    return await listenHttp({ at: { host, port }, tls, failed: FAILED }, load);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isTaken = code === "EADDRINUSE";
    if (isTaken && http.port === undefined) {
      log.warn("http.port_taken", { host, port });
      return undefined;
    }
    throw new HttpListenError(
      isTaken
        ? `http.port: ${host}:${port} is in use by another program`
        : `http.host, http.port: can't listen: ${message}`,
      { cause: error },
    );
  }
}

/** Where the system refuses a socket, the gateway runs without, and the log says so. */
async function openSocket(
  dataDir: string,
  load: () => Promise<RequestListener>,
  log: Pick<Log, "warn">,
): Promise<() => Promise<void>> {
  try {
    const { bound, remove } = await placeSocket(dataDir, process.env, async (path) => {
      const listener = await listenHttp({ at: { path }, answerForeign: answerOlder, failed: FAILED }, load);
      await chmod(path, 0o600);
      return listener;
    });
    return async () => {
      await bound.close();
      await remove();
    };
  } catch (error) {
    log.warn("operator.unavailable", { error: String(error) });
    return async () => {};
  }
}

/** A command from before the socket had HTTP sends a line of JSON, and prints the error of the line that answers it. */
const answerOlder = (octets: Uint8Array): string | undefined =>
  octets[0] === "{".charCodeAt(0) ? `${JSON.stringify({ error: OLDER })}\n` : undefined;

const OLDER =
  "the gateway that runs here is newer than this command; use the mailonce that it was started with";

function tlsFilesOf({ tls: { cert_file, key_file } }: Config["http"]): TlsFiles | undefined {
  if (cert_file === undefined || key_file === undefined) return undefined;
  return { certFile: cert_file, keyFile: key_file, minVersion: "1.2" };
}

const hostAndPort = (host: string, port: number): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`;

/** The same promise for each call; a load that failed is told to `failed`, and tried again. */
function onceOnly<T>(work: () => Promise<T>, failed: (error: unknown) => void): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work().catch((error: unknown) => {
      result = undefined;
      failed(error);
      throw error;
    });
    return result;
  };
}
