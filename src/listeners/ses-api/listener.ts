// The listener with the API of SES: binds it to an address, under the same admission as SMTP.
import type { Log } from "../../runtime/log.ts";
import type { SubmissionHandler } from "../../submission/contract.ts";
import type { ReceiveBudget } from "../../submission/receive-budget.ts";
import { countedAdmission, type ListenerCounters } from "../counting.ts";
import { createDialogue, type DialogueOptions } from "../dialogue.ts";
import type { Gate } from "../gate.ts";
import { type HttpConnection, type HttpTimeouts, listenHttp } from "../http/listen.ts";
import type { Listener } from "../listener.ts";
import type { Quota } from "./call.ts";
import { createHandler, type HandlerOptions } from "./handler.ts";

export interface SesApiOptions extends DialogueOptions, HandlerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly tls: "none" | "implicit";
  readonly timeouts: HttpTimeouts;
}

export interface SesApiParts {
  readonly gate: Gate;
  readonly submit: SubmissionHandler;
  /** What the account behind the gateway may send. */
  quota(): Quota;
  readonly budget: ReceiveBudget;
  readonly counters: ListenerCounters;
  readonly log: Log;
}

/** At a stop, for calls under way: below the 30 s after which container runtimes kill. */
const CLOSE_MS = 20_000;

/** Listens, and resolves once clients can connect; rejects when the address can't be had. */
export async function listenSesApi(options: SesApiOptions, parts: SesApiParts): Promise<Listener> {
  const { gate, submit, counters, log, quota, budget } = parts;
  const { policy, authenticator, keys, failures, trusted, now } = gate;
  const dialogueParts = { policy, authenticator, trusted, submit, counters, log };
  const handler = createHandler(
    {
      ...{ keys, failures, trusted, quota, budget, counters, log, now },
      isProxy: (address) => gate.proxies.has(address),
      open: (peer) =>
        createDialogue({ ...dialogueParts, room: (octets) => gate.room(octets) }, options, peer),
    },
    options,
  );
  /** Counted under the address that is listened on, once that is known. */
  let admission = gate.callerAdmission;

  function admit(connection: HttpConnection): boolean {
    const guest = {
      get idleSince() {
        return connection.idleSince;
      },
      get dispensable() {
        return connection.isIdle;
      },
      dismiss: () => connection.end(),
    };
    // Nobody has asked for anything yet who could be answered.
    if (admission.enter(guest, connection.address) !== undefined) return false;
    connection.onEnd(() => admission.leave(guest));
    return true;
  }

  const listener = await listenHttp(
    {
      at: { host: options.host, port: options.port },
      ...(options.tls === "implicit" ? { tls: gate.tls } : {}),
      ...{ admit, timeouts: options.timeouts },
      ...{ keepsProcess: true, closeMs: CLOSE_MS },
      failed: { type: "text/plain", body: "" },
    },
    async () => handler,
  );
  admission = countedAdmission(admission, `${options.host}:${listener.port}`, counters);
  return {
    host: options.host,
    port: listener.port,
    updateTls(tls) {
      if (options.tls === "implicit") listener.updateTls(tls);
    },
    stop: () => listener.close(),
  };
}
