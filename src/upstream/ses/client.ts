// Calls of the SES API. The SDK says where a request goes, what its header has, how it is signed and
// what an answer other than success means; but a message does not go through the SDK's middleware, which
// costs more than twice what signing and HTTP do together. The SDK is imported here and nowhere else.
import { Readable } from "node:stream";
import {
  type EventDestination,
  GetAccountCommand,
  GetConfigurationSetEventDestinationsCommand,
  GetEmailIdentityCommand,
  SESv2Client,
  SendEmailCommand,
  type SendEmailCommandInput,
} from "@aws-sdk/client-sesv2";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { isRefusalOfCredentials, WITHOUT_CACHED_FILES } from "../../runtime/aws-credentials.ts";
import { bufferOf } from "../../runtime/buffer-view.ts";
import { createSesAgents } from "./agents.ts";
import type { SendQuota } from "./quota.ts";

export interface SesTimeouts {
  /** Name look-up and TCP; what ends here was certainly not sent. */
  readonly connectMs: number;
  /** From the beginning of a call to its answer; what ends here is doubtful. */
  readonly requestMs: number;
  /** How long an unused connection is kept. */
  readonly idleMs: number;
}

export interface SesClientOptions {
  /** From the SDK's own sources (AWS_REGION, the profile) unless given. */
  readonly region?: string | undefined;
  /** Instead of the region's own address. */
  readonly endpoint?: string | undefined;
  readonly timeouts?: Partial<SesTimeouts> | undefined;
}

const timeoutDefaults: SesTimeouts = {
  connectMs: 5_000,
  // SES answers within a second. Waiting longer than its front end does brings nothing; giving up before
  // makes doubtful ids.
  requestMs: 60_000,
  // A request on a connection that the server is just closing ends in a reset, which is doubtful though
  // nothing was read. So ours are given up long before a front end does so (60 s and more).
  idleMs: 10_000,
};

/** SendEmail but for its content. */
export type SesEnvelope = Omit<SendEmailCommandInput, "Content">;

/** What GetAccount says, as far as we use it. */
export interface SesAccount {
  readonly quota: SendQuota;
  readonly isPaused: boolean;
  /** It may send only to addresses that are verified. */
  readonly isSandbox: boolean;
}

export interface SesClient {
  /**
   * One HTTP request, never two. Rejects as the SDK does.
   *
   * @param raw the message
   * @param beforeCall called just before the HTTP client is handed the request; what it throws prevents that
   * @returns the id of SES, if it gave one
   */
  sendEmail(
    envelope: SesEnvelope,
    raw: Uint8Array,
    signal: AbortSignal,
    beforeCall: () => void,
  ): Promise<string | undefined>;
  readQuota(signal: AbortSignal): Promise<SendQuota>;
  readAccount(signal: AbortSignal): Promise<SesAccount>;
  /** Whether mail from the identity, an address or a domain, may be sent; false where it is not known to SES. */
  isVerified(identity: string, signal: AbortSignal): Promise<boolean>;
  /** Where the configuration set publishes what becomes of mails. Rejects when it is not there. */
  eventDestinations(set: string, signal: AbortSignal): Promise<readonly EventDestination[]>;
  /** Rejects when region or credentials are missing. */
  resolve(): Promise<{ readonly region: string }>;
  close(): void;
}

type HttpRequest = Parameters<NodeHttpHandler["handle"]>[0];
type HttpResponse = Awaited<ReturnType<NodeHttpHandler["handle"]>>["response"];
type Signer = Awaited<ReturnType<SESv2Client["config"]["signer"]>>;

/** What all requests of SendEmail have in common. */
interface Pattern {
  readonly request: HttpRequest;
  readonly signer: Signer;
}

/**
 * Credentials come from the SDK's default chain at each call. The chain keeps for ever what has no expiry, and its
 * files' content besides; so both are read again before a call as long as the last one was refused for them.
 */
export function createSesClient({ region, endpoint, timeouts }: SesClientOptions): SesClient {
  const { connectMs, requestMs, idleMs } = { ...timeoutDefaults, ...timeouts };
  // Concurrency is the dispatcher's: a request that waited for a socket would be timed as if it ran.
  const agents = createSesAgents({
    keepAlive: true,
    maxSockets: Number.POSITIVE_INFINITY,
    timeout: idleMs,
  });
  const http = new NodeHttpHandler({
    connectionTimeout: connectMs,
    requestTimeout: requestMs,
    throwOnRequestTimeout: true,
    // The request's time-out ends with the first octet of the answer; this one covers its body.
    socketTimeout: requestMs,
    httpAgent: agents.http,
    httpsAgent: agents.https,
  });
  const client = new SESv2Client({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    // With the default of 3 one call may reach SES three times. AWS_MAX_ATTEMPTS does not override it.
    maxAttempts: 1,
    retryMode: "standard",
    requestHandler: http,
    ...WITHOUT_CACHED_FILES,
  });

  let areRefused = false;
  /** To be awaited before a call. Rejects when there are no credentials any more. */
  async function freshCredentials(): Promise<void> {
    if (areRefused) await client.config.credentials({ forceRefresh: true });
  }
  async function noting<T>(call: Promise<T>): Promise<T> {
    try {
      const result = await call;
      areRefused = false;
      return result;
    } catch (error) {
      areRefused = isRefusalOfCredentials(error);
      throw error;
    }
  }

  /** The SDK makes a request of an empty message, and is stopped before it signs it. */
  async function resolvePattern(): Promise<Pattern> {
    const command = new SendEmailCommand({ Content: { Raw: { Data: new Uint8Array() } } });
    let pattern: Pattern | undefined;
    command.middlewareStack.add(
      (_next, context) => async (args) => {
        const signer = await client.config.signer(context.authSchemes?.[0]);
        pattern = { request: args.request as HttpRequest, signer };
        return { response: undefined, output: { $metadata: {} } };
      },
      { step: "build", priority: "low" },
    );
    await client.send(command);
    if (pattern === undefined) throw new Error("the SDK made no request");
    return pattern;
  }

  let resolving: Promise<Pattern> | undefined;
  function patternOnce(): Promise<Pattern> {
    resolving ??= resolvePattern().catch((error: unknown) => {
      resolving = undefined;
      throw error;
    });
    return resolving;
  }

  async function sign({ request, signer }: Pattern, body: Uint8Array): Promise<HttpRequest> {
    const headers = { ...request.headers, "content-length": String(body.length) };
    // The SDK sets the offset when SES finds our clock wrong.
    const signingDate = new Date(Date.now() + client.config.systemClockOffset);
    const signed = await signer.sign({ ...request, headers, body }, { signingDate });
    return { ...signed, body: piecewise(body) } as HttpRequest;
  }

  /** Any answer but a plain success: the SDK makes the call once more, with the answer in place of HTTP. */
  async function replay(envelope: SesEnvelope, response: HttpResponse): Promise<string | undefined> {
    const command = new SendEmailCommand({ ...envelope, Content: {} });
    command.middlewareStack.add(() => async () => ({ response, output: { $metadata: {} } }), {
      step: "deserialize",
      priority: "low",
    });
    return (await client.send(command)).MessageId;
  }

  async function call(request: HttpRequest, abortSignal: AbortSignal): Promise<HttpResponse> {
    try {
      return (await http.handle(request, { abortSignal })).response;
    } catch (error) {
      throw agents.neverConnected(request.headers)
        ? Object.assign(error as Error, { neverConnected: true })
        : error;
    }
  }

  async function readAccount(abortSignal: AbortSignal): Promise<SesAccount> {
    await freshCredentials();
    const account = await noting(client.send(new GetAccountCommand({}), { abortSignal }));
    const { SendQuota = {}, SendingEnabled, ProductionAccessEnabled } = account;
    return {
      quota: SendQuota,
      isPaused: SendingEnabled === false,
      isSandbox: ProductionAccessEnabled === false,
    };
  }

  const answerIn = async (response: HttpResponse, envelope: SesEnvelope): Promise<string | undefined> =>
    idOfSuccess(response) ?? (await replay(envelope, response));

  return {
    async sendEmail(envelope, raw, signal, beforeCall) {
      const pattern = await patternOnce();
      await freshCredentials();
      const request = await sign(pattern, bodyOf(envelope, raw));
      signal.throwIfAborted();
      beforeCall();
      const response = await call(request, signal);
      try {
        response.body = await octetsOf(response.body);
        return await noting(answerIn(response, envelope));
      } catch (error) {
        // The status is known even where the body got lost.
        const $metadata = { httpStatusCode: response.statusCode };
        throw Object.assign(error as Error, { $metadata });
      }
    },
    readQuota: async (signal) => (await readAccount(signal)).quota,
    readAccount,
    async isVerified(EmailIdentity, abortSignal) {
      try {
        await freshCredentials();
        const command = new GetEmailIdentityCommand({ EmailIdentity });
        return (await noting(client.send(command, { abortSignal }))).VerifiedForSendingStatus === true;
      } catch (error) {
        if ((error as Error).name === "NotFoundException") return false;
        throw error;
      }
    },
    async eventDestinations(ConfigurationSetName, abortSignal) {
      await freshCredentials();
      const command = new GetConfigurationSetEventDestinationsCommand({ ConfigurationSetName });
      return (await noting(client.send(command, { abortSignal }))).EventDestinations ?? [];
    },
    async resolve() {
      const region = await client.config.region();
      await client.config.credentials();
      return { region };
    },
    close: () => client.destroy(),
  };
}

/** Of three octets, four characters, so that slices of it are the base64 of the whole. */
const SLICE_OCTETS = 3 * 65_536;

/** The body as the SDK would write it, but the base64 of a large message is not held twice. */
function bodyOf(envelope: SesEnvelope, raw: Uint8Array): Uint8Array {
  const octets = bufferOf(raw);
  const before = `${JSON.stringify(envelope).slice(0, -1)},"Content":{"Raw":{"Data":"`;
  const after = '"}}}';
  const length = Buffer.byteLength(before) + 4 * Math.ceil(raw.length / 3) + after.length;
  const body = Buffer.allocUnsafe(length);
  let at = body.write(before);
  for (let from = 0; from < raw.length; from += SLICE_OCTETS) {
    at += body.write(octets.toString("base64", from, from + SLICE_OCTETS), at, "latin1");
  }
  body.write(after, at, "latin1");
  return body;
}

/** TLS would encrypt all of a large body at once, and hold it twice: it gets no more than the connection takes. */
const PIECE_OCTETS = 64 * 1024;

function piecewise(body: Uint8Array): Uint8Array | Readable {
  if (body.length <= PIECE_OCTETS) return body;
  const count = Math.ceil(body.length / PIECE_OCTETS);
  const pieces = Array.from({ length: count }, (_, at) =>
    body.subarray(at * PIECE_OCTETS, (at + 1) * PIECE_OCTETS),
  );
  return Readable.from(pieces, { objectMode: false });
}

/** The body of an answer, by events: the SDK's collector and `node:stream/consumers` cost up to 40 µs a mail more. */
function octetsOf(body: Readable): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    body.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    body.on("end", () => resolve(Buffer.concat(chunks)));
    body.on("error", reject);
    body.on("close", () => {
      if (!body.readableEnded) reject(new Error("the connection was closed before the end of the answer"));
    });
  });
}

/** Undefined when it is anything else than a 200 with an id. */
function idOfSuccess({ statusCode, body }: HttpResponse): string | undefined {
  if (statusCode !== 200) return undefined;
  try {
    const { MessageId } = JSON.parse(Buffer.from(body).toString()) as { MessageId?: unknown };
    return typeof MessageId === "string" && MessageId !== "" ? MessageId : undefined;
  } catch {
    return undefined;
  }
}
