// One gateway of several on a shared ledger in memory, whose upstream answers when the test says so, and another one
// that takes over what it holds.
import { expect } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { deriveId } from "../../src/identity/message-id.ts";
import type { Claim, ClaimResult, Ledger } from "../../src/ledger/ledger.ts";
import type { Change, Taking } from "../../src/ledger/shared/engine.ts";
import { openSharedLedger } from "../../src/ledger/shared/shared.ts";
import { beginTransaction } from "../../src/listeners/transaction.ts";
import { openRelay } from "../../src/relay.ts";
import { type Log, silentLog } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import type { Outcome, Transmission } from "../../src/upstream/upstream.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryEngines } from "../support/memory-engine.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";

export interface Asked {
  readonly transmission: Transmission;
  readonly answer: (outcome: Outcome) => void;
}

export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
};

/** What outlives a gateway. */
interface World {
  readonly storage: ReturnType<typeof createMemoryStorage>;
  readonly engines: ReturnType<typeof createMemoryEngines>;
  /** Of the engines. */
  readonly time: ReturnType<typeof createManualClock>;
  readonly clock: ReturnType<typeof createManualClock>;
}

const RECIPIENT = "user@example.net";
const TASK = "task";

/** Its one mail is that of `submit`, each time. @param earlier the one before it on the same disk, which has ended */
export async function openAmongOthers(environment: Readonly<Record<string, string>> = {}, earlier?: World) {
  const config = loadConfig({ environment: { MAILONCE_HOSTNAME: "gateway.example", ...environment } });
  const { lease: leaseMs, retention: retentionMs } = config.ledger;
  const { clock, time } = earlier ?? { clock: createManualClock(), time: createManualClock() };
  const engines = earlier?.engines ?? createMemoryEngines(() => time.now(), { leaseMs, retentionMs });
  const calls: Asked[] = [];
  const events: string[] = [];
  const note = (event: string) => void events.push(event);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const limits = { messageOctets: 1e9, lineOctets: 1e9, smtpUtf8: true };
  /** Called before the engine, or the disk of the queue, does what the gateway asks for. */
  const before: {
    change: (batch: readonly Change[]) => Promise<void>;
    take: (batch: readonly Taking[]) => Promise<void>;
    read: () => Promise<void>;
    write: () => Promise<void>;
  } = { change: async () => {}, take: async () => {}, read: async () => {}, write: async () => {} };
  const storage =
    earlier?.storage ??
    createMemoryStorage({
      async pause(call, name, place) {
        if (call === "write" && name === "spool/queue" && place === "begin") await before.write();
      },
    });
  /** Called when it has, and before the gateway has the answer. */
  const after: { change: (batch: readonly Change[]) => Promise<void> } = { change: async () => {} };
  const relay = await openRelay(config, {
    ...{ storage, clock, random: systemRandom, log, elapsed: () => clock.now() },
    async openEngine() {
      const engine = engines.connect();
      return {
        ...engine,
        async change(batch) {
          await before.change(batch);
          const answers = await engine.change(batch);
          await after.change(batch);
          return answers;
        },
        async read(keys) {
          await before.read();
          return await engine.read(keys);
        },
        async take(incarnation, batch) {
          await before.take(batch);
          return await engine.take(incarnation, batch);
        },
      };
    },
    upstreams: new Map([
      [
        "upstream",
        {
          ...{ name: "held", limits, close: async () => {} },
          transmit: (transmission: Transmission) =>
            new Promise<Outcome>((answer) => void calls.push({ transmission, answer })),
        },
      ],
    ]),
  });

  const submit = () => {
    const begun = beginTransaction(
      { reversePath: "sender@example.org", envid: undefined, ret: undefined },
      true,
    );
    if ("reply" in begun) throw new Error(begun.reply.text);
    const read = begun.transaction.read(RECIPIENT);
    if ("recipient" in read) begun.transaction.add(read.recipient);
    const content = async function* () {
      yield Buffer.from(`From: <a@example.org>\r\nX-Task-Id: ${TASK}\r\n\r\nHello!\r\n`);
    };
    const client = { address: "127.0.0.1", helo: "mailer.example.org", protocol: "ESMTP" } as const;
    return relay.submit(begun.transaction.envelope(), client, content());
  };

  const { secret, namespace } = config.identity;
  const id = deriveId({ secret, namespace, task: TASK, recipient: RECIPIENT, part: "" });

  const openOther = (): Promise<Ledger> =>
    openSharedLedger({
      ...{ engine: engines.connect(), gatewayId: "other", clock: time, elapsed: () => time.now() },
      ...{ log: silentLog, retentionMs, leaseMs },
    });

  /** Its heartbeat stands, and the engine's time goes on: the others take it for dead, and one its id. */
  const lapse = async (expected: ClaimResult["kind"]): Promise<{ other: Ledger; claim: Claim }> => {
    time.advance(leaseMs * 1.5);
    const other = await openOther();
    const [taken] = await other.claim([{ id, digest: new Uint8Array(16) }]);
    expect(taken?.kind).toBe(expected);
    return { other, claim: (taken as { claim: Claim }).claim };
  };

  return {
    ...{ relay, storage, engines, time, calls, events, clock, id, before, after, submit, openOther, lapse },
    retryMs: config.spool.retry_max,
  };
}

/** The same, when it has accepted its mail and its first attempt is under way. */
export async function gatewayAmongOthers(environment: Readonly<Record<string, string>> = {}) {
  const opened = await openAmongOthers(environment);
  expect((await opened.submit()).code).toBe(250);
  await settled();
  const [first] = opened.calls as [Asked];
  return { ...opened, first };
}
