// One request to the API of SES, from its header to its answer: who calls, what is asked, and, for a mail, the same decisions as
// at each command of SMTP.
import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Failures } from "../../access/failures.ts";
import type { Keys } from "../../access/keys-file.ts";
import { canonicalAddress, type Networks } from "../../address/networks.ts";
import type { Counters } from "../../metrics/counters.ts";
import type { Log } from "../../runtime/log.ts";
import type { ReceiveBudget } from "../../submission/receive-budget.ts";
import { type Reply, replies } from "../../submission/reply.ts";
import type { Dialogue, Peer } from "../dialogue.ts";
import { readBody } from "./body.ts";
import {
  type Call,
  CallError,
  type Done,
  type ErrorKind,
  type HttpAnswer,
  type MailCall,
  type NameValue,
  type Quota,
  type Version,
} from "./call.ts";
import { type Claims, claimantOf, invocationOf, verify } from "./caller.ts";
import { type DraftOptions, draftOf } from "./mail.ts";
import { v1 } from "./v1.ts";
import { v2 } from "./v2.ts";

export interface HandlerParts {
  readonly keys: Keys | undefined;
  readonly failures: Pick<Failures, "blocked" | "count">;
  readonly trusted: Networks;
  /** Begins the dialogue with a client. */
  open(peer: Peer): Dialogue;
  /** A listed proxy, which names no client here. */
  isProxy(address: string): boolean;
  quota(): Quota;
  readonly budget: ReceiveBudget;
  readonly counters: Pick<Counters, "authentications" | "replies">;
  readonly log: Pick<Log, "warn" | "error">;
  now(): number;
}

export interface HandlerOptions extends DraftOptions {
  /** Of a request's body. */
  readonly bodyOctets: number;
}

/** Octets handed to the submission at a time. */
const PIECE = 64 * 1024;

/** By them a client tries keys and secrets. What is signed by the right secret is none, however late it comes. */
const GUESSES: ReadonlySet<ErrorKind> = new Set(["unknown-key", "mismatch"]);

/** A call, and who asks it. */
interface Asked {
  readonly call: Call;
  readonly dialogue: Dialogue;
  /** See Envelope. */
  readonly invocation: string | undefined;
  /** What names the task in the header of the request. */
  readonly names: readonly NameValue[];
}

export function createHandler(parts: HandlerParts, options: HandlerOptions) {
  const { keys, log } = parts;
  const taskFields = [...options.headers, options.partHeader];

  async function answer(request: IncomingMessage, version: Version, requestId: string): Promise<HttpAnswer> {
    const address = addressOf(request);
    try {
      const { call, ...asked } = await ask(request, address, version);
      if (call.kind === "send") return version.done(await send(call.mail, asked), requestId);
      const done = call.kind === "quota" ? { kind: call.kind, quota: parts.quota() } : call;
      return version.done(done, requestId);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      const { kind, message } = error;
      log.warn("api.refused", { client: address, error: kind, reason: message, request: requestId });
      return version.failed(error, requestId);
    }
  }

  /** Receives the request. Nothing of its body is held any more when the call is answered. */
  async function ask(request: IncomingMessage, address: string, version: Version): Promise<Asked> {
    const claims = claimsOf(request);
    const isSecure = (request.socket as Partial<TLSSocket>).encrypted === true;
    const claimant = identified(address, () => claimantOf(claims, keys));
    const dialogue = parts.open({
      address,
      helo: address.includes(":") ? `[IPv6:${address}]` : `[${address}]`,
      protocol: isSecure ? "HTTPS" : "HTTP",
      isSecure,
      isAuthenticated: claimant.key !== undefined,
      isProxy: parts.isProxy(address),
    });
    if (claimant.key === undefined && !dialogue.isPermitted()) {
      throw new CallError("denied", "this network may not submit mail here without a key of a keys file");
    }
    const share = parts.budget.open();
    try {
      const body = await readBody(request, options.bodyOctets, share);
      const { method = "", url: target = "/", rawHeaders } = request;
      const names = fieldsOf(rawHeaders, taskFields);
      const bodyDigest = createHash("sha256").update(body).digest("hex");
      const signed = { method, target, rawHeaders, bodyDigest };
      const now = parts.now();
      identified(address, () => verify(signed, claimant, [...new Set(names.map(({ name }) => name))], now));
      if (claimant.key !== undefined) {
        parts.counters.authentications.add("accepted");
        dialogue.vouched(claimant.key.name);
      }
      const call = version.read(method, pathOf(target), body);
      return { call, dialogue, names, invocation: invocationOf(signed, claims, claimant, now) };
    } finally {
      share.close();
    }
  }

  /** @throws CallError also where the address has guessed too often, whether this is right or wrong */
  function identified<T>(address: string, check: () => T): T {
    // One bad mailer must not lock out a whole trusted host, and no proxy those behind it.
    const isCounted = !parts.trusted.has(address) && !parts.isProxy(address);
    if (isCounted && parts.failures.blocked(address)) {
      throw new CallError("denied", "too many wrong signatures from this address, try again later");
    }
    try {
      return check();
    } catch (error) {
      parts.counters.authentications.add("wrong");
      if (isCounted && error instanceof CallError && GUESSES.has(error.kind)) parts.failures.count(address);
      throw error;
    }
  }

  async function send(call: MailCall, { dialogue, invocation, names }: Omit<Asked, "call">): Promise<Done> {
    const { reversePath, recipients, octets, content } = draftOf(call, options, names);
    const refuse = (reply: Reply | undefined): void => {
      if (reply !== undefined) throw errorOf(reply);
    };
    refuse(await dialogue.mail({ reversePath, octets, invocation, envid: undefined, ret: undefined }));
    for (const recipient of recipients) refuse(await dialogue.recipient(recipient, undefined));
    const { answer } = await dialogue.data(inPieces(await content()));
    parts.counters.replies.add(answer.code);
    if (answer.code !== 250) throw errorOf(answer);
    const messageId = (answer.messageId ?? "").replace(/^<|>$/g, "");
    return { kind: "sent", content: call.content.kind, messageId };
  }

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const requestId = randomUUID();
    const version = pathOf(request.url ?? "/").startsWith("/v2/") ? v2 : v1;
    let answered: HttpAnswer;
    try {
      answered = await answer(request, version, requestId);
    } catch (error) {
      const cause = error instanceof Error ? error.stack : String(error);
      log.error("api.failed", { error: cause, request: requestId });
      answered = version.failed(new CallError("unavailable", "try again later"), requestId);
    }
    const { status, headers, body } = answered;
    // Behind a balancer the next try may reach a gateway that can.
    if (status === 503) response.shouldKeepAlive = false;
    // What was not read of the request is received and dropped: a client that still sends would not see the answer.
    response.writeHead(status, { ...headers, "Content-Length": Buffer.byteLength(body) });
    response.end(body);
  };
}

/** Without the query, and without what an endpoint's own path has put before that of version 2. */
function pathOf(target: string): string {
  const [path = "/"] = target.split("?");
  return path.slice(Math.max(path.indexOf("/v2/"), 0));
}

function addressOf({ socket }: IncomingMessage): string {
  const { remoteAddress = "" } = socket;
  return canonicalAddress(remoteAddress) ?? remoteAddress;
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : value?.join(", ");
}

const claimsOf = (request: IncomingMessage): Claims => ({
  authorization: request.headers.authorization,
  origin: request.headers.origin,
  date: headerOf(request, "x-amz-date"),
  // The second is that of PHP's SDK, and so of Laravel.
  invocation: headerOf(request, "amz-sdk-invocation-id") ?? headerOf(request, "aws-sdk-invocation-id"),
});

/** Those fields that have one of the names, each under the name as it is given here. */
function fieldsOf(rawHeaders: readonly string[], names: readonly string[]): NameValue[] {
  return rawHeaders.flatMap((raw, at) => {
    const name = at % 2 === 0 ? names.find((one) => one.toLowerCase() === raw.toLowerCase()) : undefined;
    return name === undefined ? [] : [{ name, value: rawHeaders[at + 1] ?? "" }];
  });
}

async function* inPieces(content: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += PIECE) yield content.subarray(at, at + PIECE);
}

/** The error that says the same as a reply of SMTP. */
function errorOf(reply: Reply): CallError {
  const { code, status, text } = reply;
  // Over SMTP the client submits to those that were taken, and to the others in a second mail.
  if (reply === replies.tooManyRecipients) return new CallError("rejected", text);
  // RFC 3463: x.7.1 is policy, and for now it is a quota.
  if (code === 450 && status === "4.7.1") return new CallError("throttled", text);
  if (code < 500) return new CallError("unavailable", text);
  if (code === 530) return new CallError("denied", text);
  return new CallError(code === 553 ? "invalid" : "rejected", text);
}
