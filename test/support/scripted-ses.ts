// SES as the SDK sees it: SendEmail (Raw) and GetAccount of API v2 over HTTP, going wrong on request.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { createMessageCounter, type MessageCounts } from "./message-counts.ts";
import { type SesFault, type SesPlan, sesFaults, sesPlanOf } from "./ses-faults.ts";

/** In the environment of who calls it. */
export const CREDENTIALS = {
  AWS_REGION: "eu-west-1",
  AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "secret",
  // The SDK would ask for others there, on a machine that has no such address.
  AWS_EC2_METADATA_DISABLED: "true",
};

/** A fault for all calls of SendEmail, or chosen by their number, from 0. */
export type SesScript = SesFault | ((number: number) => SesFault);

export interface ScriptedSesOptions {
  readonly script?: SesScript;
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly keepContents?: boolean;
  /** A fault at "reply" for a call by what it says; undefined: as scripted. */
  readonly faultOf?: (call: SendEmailBody) => SesFault | undefined;
  /** A wait after each chunk of a request that is read, as behind a thin line. */
  readonly chunkMs?: number;
  /** For GetAccount; a fault instead of it, when that is scripted. */
  readonly quota?: Readonly<{ MaxSendRate: number; Max24HourSend: number; SentLast24Hours: number }>;
  readonly accountScript?: SesScript;
  /** What GetEmailIdentity knows as verified; nothing is known of identities when left out. */
  readonly identities?: readonly string[];
  /** What a configuration set publishes, by its name; others are not there. */
  readonly eventDestinations?: Readonly<Record<string, readonly unknown[]>>;
  /** Is called with each mail that SES has taken, before it answers: it publishes events. */
  readonly onTaken?: (mail: TakenBySes) => void;
  /** Refuse what comes faster than MaxSendRate, beyond a burst of one second's worth. */
  readonly enforcesRate?: boolean;
}

export interface TakenBySes {
  /** What SES calls it. */
  readonly upstreamId: string;
  readonly call: SendEmailBody;
  readonly content: Uint8Array;
}

/** The body of a SendEmail call, as far as we use it. */
export interface SendEmailBody {
  readonly FromEmailAddress?: string;
  readonly FeedbackForwardingEmailAddress?: string;
  readonly FromEmailAddressIdentityArn?: string;
  readonly ConfigurationSetName?: string;
  readonly TenantName?: string;
  readonly ListManagementOptions?: { readonly ContactListName?: string; readonly TopicName?: string };
  readonly EmailTags?: readonly { readonly Name: string; readonly Value: string }[];
  readonly Destination?: { readonly ToAddresses?: readonly string[] };
  readonly Content?: { readonly Raw?: { readonly Data?: string } };
}

export interface ScriptedSes extends MessageCounts {
  /** For the SDK's `endpoint`. */
  readonly endpoint: string;
  /** SendEmail calls that arrived so far, whole or not. */
  calls(): number;
  connections(): number;
  /** Calls of GetAccount so far. */
  accountCalls(): number;
  /** Calls refused so far for coming too fast. */
  tooFast(): number;
  /** The body of the last SendEmail call, without the content. */
  lastCall(): SendEmailBody | undefined;
  /** The signature of the last SendEmail call. */
  lastAuthorization(): string;
  play(script: SesScript): void;
  /** Resolves when a call next meets a fault. */
  struck(): Promise<void>;
  /** Sends the answers that "held-reply" kept back. */
  release(): void;
  close(): Promise<void>;
}

export async function createScriptedSes(options: ScriptedSesOptions = {}): Promise<ScriptedSes> {
  const { tls, quota = { MaxSendRate: 14, Max24HourSend: 50_000, SentLast24Hours: 0 } } = options;
  const counter = createMessageCounter(options.keepContents === true);
  const sockets = new Set<Socket>();
  let script: SesScript = options.script ?? "accept";
  let calls = 0;
  let connections = 0;
  let accountCalls = 0;
  let tooFast = 0;
  const mayTake = bucketOf(options.enforcesRate === true ? quota.MaxSendRate : Number.POSITIVE_INFINITY);
  let lastCall: SendEmailBody | undefined;
  let lastAuthorization = "";
  const held: (() => void)[] = [];
  const onStruck: (() => void)[] = [];

  async function sendEmail(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const number = calls++;
    lastAuthorization = request.headers.authorization ?? "";
    let plan = sesPlanOf(typeof script === "function" ? script(number) : script);
    if (plan?.at === "request") {
      if (plan.does === "drop") request.socket.destroy();
      else request.pause();
      strike();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk);
      if (options.chunkMs !== undefined) await setTimeout(options.chunkMs);
    }
    const { Content, ...call }: SendEmailBody = JSON.parse(Buffer.concat(chunks).toString());
    lastCall = call;
    const ownFault = options.faultOf?.(call);
    if (ownFault !== undefined) plan = sesPlanOf(ownFault);
    if ((plan === undefined || plan.takes === true) && !mayTake()) {
      tooFast++;
      fail(sesFaults["too-many-requests"], response, "");
      return;
    }
    if (plan === undefined || plan.takes === true) {
      const recipients = call.Destination?.ToAddresses ?? [];
      const content = Buffer.from(Content?.Raw?.Data ?? "", "base64");
      counter.take(content, call.FeedbackForwardingEmailAddress ?? "", recipients);
      options.onTaken?.({ upstreamId: `0100-${counter.taken.length}-000000`, call, content });
    }
    const accepted = JSON.stringify({ MessageId: `0100-${counter.taken.length}-000000` });
    if (plan === undefined) answer(response, 200, accepted);
    else fail(plan, response, accepted);
    if (plan !== undefined) strike();
  }

  function fail(plan: SesPlan, response: ServerResponse, accepted: string): void {
    const { does, status = 200, error, text } = plan;
    const body = error === undefined ? (text ?? accepted) : JSON.stringify({ message: text });
    const headers = { ...plan.headers, ...(error === undefined ? {} : { "x-amzn-errortype": error }) };
    if (does === "drop") {
      response.socket?.destroy();
    } else if (does === "release") {
      held.push(() => answer(response, 200, accepted));
    } else if (does === "answer") {
      answer(response, status, body, headers);
    } else if (does !== "hang") {
      response.writeHead(status, { "content-type": "application/json", "content-length": body.length });
      response.write(body.slice(0, body.length / 2), () => {
        if (does === "answer-half") response.socket?.destroy();
      });
    }
  }

  function strike(): void {
    for (const resolve of onStruck.splice(0)) resolve();
  }

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.method === "POST" && request.url === "/v2/email/outbound-emails") {
      sendEmail(request, response).catch(() => response.destroy());
    } else if (request.method === "GET" && request.url === "/v2/email/account") {
      const { accountScript = "accept" } = options;
      const number = accountCalls++;
      const plan = sesPlanOf(typeof accountScript === "function" ? accountScript(number) : accountScript);
      const account = JSON.stringify({ SendingEnabled: true, SendQuota: quota });
      if (plan === undefined) answer(response, 200, account);
      else fail(plan, response, account);
    } else if (request.url?.startsWith("/v2/email/configuration-sets/")) {
      const [, set = ""] =
        /^\/v2\/email\/configuration-sets\/([^/]+)\/event-destinations$/.exec(request.url) ?? [];
      const EventDestinations = options.eventDestinations?.[decodeURIComponent(set)];
      const missing = JSON.stringify({ message: `Configuration set ${set} does not exist.` });
      if (EventDestinations !== undefined) answer(response, 200, JSON.stringify({ EventDestinations }));
      else answer(response, 404, missing, { "x-amzn-errortype": "NotFoundException" });
    } else if (options.identities !== undefined && request.url?.startsWith("/v2/email/identities/")) {
      const identity = decodeURIComponent(request.url.slice("/v2/email/identities/".length));
      const isVerified = options.identities.includes(identity);
      const known = JSON.stringify({ VerifiedForSendingStatus: true });
      if (isVerified) answer(response, 200, known);
      else fail(sesFaults["no-identity"], response, known);
    } else {
      answer(response, 404, JSON.stringify({ message: "unknown operation" }));
    }
  };
  const server = tls === undefined ? createServer(handle) : createTlsServer({ ...tls }, handle);
  server.on("connection", (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    ...counter,
    endpoint: `${tls === undefined ? "http" : "https"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: () => calls,
    connections: () => connections,
    accountCalls: () => accountCalls,
    tooFast: () => tooFast,
    lastCall: () => lastCall,
    lastAuthorization: () => lastAuthorization,
    play(next) {
      script = next;
    },
    struck: () => new Promise((resolve) => onStruck.push(resolve)),
    release() {
      for (const resume of held.splice(0)) resume();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Says whether one more may come now. */
function bucketOf(perSecond: number): () => boolean {
  let tokens = perSecond;
  let filledAt = performance.now();
  return () => {
    if (!Number.isFinite(perSecond)) return true;
    const now = performance.now();
    tokens = Math.min(perSecond, tokens + ((now - filledAt) * perSecond) / 1000);
    filledAt = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}

function answer(response: ServerResponse, status: number, body: string, headers = {}): void {
  const all = { "content-type": "application/json", "content-length": Buffer.byteLength(body), ...headers };
  response.writeHead(status, { ...all, "x-amzn-requestid": "11111111-2222-3333-4444-555555555555" });
  response.end(body);
}
