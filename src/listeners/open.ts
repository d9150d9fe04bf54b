// Opens a listener of the protocol that the configuration names.
import type { Config, ListenerConfig } from "../config/config.ts";
import type { Log } from "../runtime/log.ts";
import type { SubmissionHandler } from "../submission/contract.ts";
import { createReceiveBudget } from "../submission/receive-budget.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { ListenerCounters } from "./counting.ts";
import type { Gate } from "./gate.ts";
import type { Listener } from "./listener.ts";

export interface ListenerParts {
  readonly gate: Gate;
  readonly submit: SubmissionHandler;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly counters: ListenerCounters;
  readonly log: Log;
}

/** What the upstreams take. */
export interface ListenerLimits {
  readonly messageOctets: number;
  readonly smtpUtf8: boolean;
}

/** Listens, and resolves once clients can connect; rejects when the address can't be had. */
export async function openListener(
  config: Config,
  place: ListenerConfig,
  limits: ListenerLimits,
  parts: ListenerParts,
): Promise<Listener> {
  return place.protocol === "ses-api"
    ? await openSesApi(config, place, limits, parts)
    : await openSmtp(config, { ...place, protocol: place.protocol }, limits, parts);
}

async function openSmtp(
  { smtp, hostname }: Config,
  { protocol, host, port, tls, auth }: ListenerConfig & { readonly protocol: "smtp" | "lmtp" },
  { messageOctets, smtpUtf8 }: ListenerLimits,
  { gate, submit, counters, log }: ListenerParts,
): Promise<Listener> {
  const { listen } = await import("./smtp/listener.ts");
  const { greeting, command, data_idle: dataIdle, data } = smtp.timeouts;
  const options = {
    ...{ protocol, host, port, tls, auth, hostname, messageOctets, smtpUtf8 },
    recipientsMax: smtp.recipients_max,
    commandOctets: smtp.command_max_bytes,
    connectionsMax: smtp.connections_max,
    limits: {
      errorsMax: smtp.errors_max,
      junkCommandsMax: smtp.junk_commands_max,
      unauthenticatedCommandsMax: smtp.unauthenticated_commands_max,
      bareNewlines: smtp.bare_newline,
      refusalsMax: smtp.refusals_max,
      strict: smtp.strict,
      timeouts: { greeting, command, dataIdle, data },
    },
  };
  return await listen(options, gate, submit, counters, log);
}

async function openSesApi(
  { smtp, identity }: Config,
  { host, port, tls, auth }: ListenerConfig,
  { messageOctets, smtpUtf8 }: ListenerLimits,
  { gate, submit, upstreams, counters, log }: ListenerParts,
): Promise<Listener> {
  const { listenSesApi } = await import("./ses-api/listener.ts");
  const { greeting, command, data_idle: idle, data } = smtp.timeouts;
  const bodyOctets = Math.floor(messageOctets * BODY_PER_OCTET) + BODY_BESIDE;
  const options = {
    ...{ host, port, auth, smtpUtf8, bodyOctets },
    recipientsMax: smtp.recipients_max,
    headerOctets: smtp.header_max_bytes,
    tls: tls === "implicit" ? tls : "none",
    headers: identity.headers,
    partHeader: identity.part_header,
    timeouts: { header: greeting, request: data, idle, keepAlive: command },
  } as const;
  return await listenSesApi(options, {
    ...{ gate, submit, counters, log },
    // Of its own: here a body is held whole, and SMTP's clients must not wait for those of this API.
    budget: createReceiveBudget(Math.max(smtp.buffer_max_bytes, bodyOctets)),
    quota: () => quotaOf(upstreams),
  });
}

/** Octets of a request for each of its message: base64, of which a form encodes some once more. */
const BODY_PER_OCTET = 1.5;
/** For all that is beside the message. */
const BODY_BESIDE = 256 * 1024;

/** Of the first upstream that says what its account may send; nothing limits what the others queue. */
function quotaOf(upstreams: ReadonlyMap<string, Upstream>) {
  for (const upstream of upstreams.values()) {
    const quota = upstream.quota?.();
    if (quota !== undefined) return { max: quota.max ?? -1, sent: quota.sent, perSecond: RATE };
  }
  return { max: -1, sent: 0, perSecond: RATE };
}

/** Mailers slow down to it by themselves. The gateway takes what it can, and keeps to the rate of its upstream. */
const RATE = 1_000;
