// A gateway in this process whose upstream answers when the test says so, on a clock and a disk that the test owns.
import { loadConfig } from "../../src/config/config.ts";
import type { Order, Ordered } from "../../src/dispatch/order.ts";
import type { Id } from "../../src/identity/message-id.ts";
import { beginTransaction } from "../../src/listeners/transaction.ts";
import { createCounters } from "../../src/metrics/counters.ts";
import type { OrderResult } from "../../src/operator/queue/words.ts";
import { openRelay, type Relay } from "../../src/relay.ts";
import type { LogFields } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import type { Outcome, Transmission } from "../../src/upstream/upstream.ts";
import { createManualClock } from "./manual-clock.ts";
import { createMemoryStorage } from "./memory-storage.ts";

/** All that goes on without time has gone on. */
export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 60; turn++) await new Promise(setImmediate);
};

export interface HeldCall {
  readonly transmission: Transmission;
  readonly answer: (outcome: Outcome) => Promise<void>;
}

/**
 * @param startAt what the clock says, milliseconds since the epoch
 * @param evidenceWaitMs for how long a doubt waits for evidence
 */
export async function openHeldGateway(
  settings: Readonly<Record<string, string>>,
  storage = createMemoryStorage(),
  startAt?: number,
  evidenceWaitMs = 0,
) {
  const config = loadConfig({
    environment: { MAILONCE_HOSTNAME: "gateway.example", MAILONCE_SPOOL_RETRY_MAX: "1m", ...settings },
  });
  const time = createManualClock(startAt);
  let offset = 0;
  const clock = { now: () => time.now() + offset, after: time.after };
  const calls: HeldCall[] = [];
  const lines: ({ readonly event: string } & LogFields)[] = [];
  const note = (event: string, fields: LogFields = {}) => void lines.push({ event, ...fields });
  const limits = { messageOctets: 1e9, lineOctets: 1e9, smtpUtf8: true };
  const counters = createCounters();
  const relay = await openRelay(config, {
    ...{ counters, storage, clock, random: systemRandom, elapsed: () => time.now() },
    evidenceWaitMs: () => evidenceWaitMs,
    log: { debug: note, info: note, warn: note, error: note },
    upstreams: new Map([
      [
        "upstream",
        {
          ...{ name: "held", limits, close: async () => {} },
          transmit: (transmission: Transmission) =>
            new Promise<Outcome>((resolve) => {
              const answer = async (outcome: Outcome) => {
                resolve(outcome);
                await settled();
              };
              calls.push({ transmission, answer });
            }),
        },
      ],
    ]),
  });
  return {
    ...{ relay, calls, lines, storage, time, counters },
    /** Sets the clock, by so many milliseconds. */
    setClock(by: number) {
      offset += by;
    },
    /** @param fields the header fields that name its task */
    submit: async (recipients: readonly string[], fields = "X-Task-Id: task\r\n") => {
      const begun = beginTransaction(
        { reversePath: "sender@example.org", envid: undefined, ret: undefined },
        true,
      );
      if ("reply" in begun) throw new Error(begun.reply.text);
      for (const recipient of recipients) {
        const read = begun.transaction.read(recipient);
        if ("recipient" in read) begun.transaction.add(read.recipient);
      }
      const content = async function* () {
        yield Buffer.from(`From: <a@example.org>\r\n${fields}\r\nHello!\r\n`);
      };
      const client = { address: "127.0.0.1", helo: "mailer.example.org", protocol: "ESMTP" } as const;
      const reply = relay.submit(begun.transaction.envelope(), client, content());
      await settled();
      return reply;
    },
    pass: async (ms = config.spool.retry_max * 2) => {
      time.advance(ms);
      await settled();
    },
    /** The latest call for the recipient. */
    call: (recipient: string): HeldCall => {
      const found = calls.filter(({ transmission }) => transmission.recipient === recipient).at(-1);
      if (found === undefined) throw new Error(`nothing was attempted for ${recipient}`);
      return found;
    },
    events: (...names: string[]) => lines.map(({ event }) => event).filter((event) => names.includes(event)),
    stop: async () => {
      await relay.drain();
      await relay.close();
    },
  };
}

/** What comes of an operator's order about one mail. */
export async function orderOne({ relay }: { readonly relay: Relay }, id: Id, order: Order): Promise<Ordered> {
  const page = await relay.queue.order(order, { names: [id] }, { all: false, limit: 10 });
  await settled();
  if (page.kind === "many") throw new Error("one name, and many mails");
  const [{ name: _, messageId: __, recipient: ___, doubtful: ____, ...answer }] = page.items as [OrderResult];
  return answer;
}
