// A gateway that was away for longer than the lease, in the middle of an attempt: what another gateway has
// taken over is its own; what that one has given up again is this one's still.
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { openRelay } from "../../src/gateway.ts";
import type { Id } from "../../src/identity/message-id.ts";
import type { Claim, ClaimResult, Ledger } from "../../src/ledger/ledger.ts";
import { openSharedLedger } from "../../src/ledger/shared/shared.ts";
import { type Log, silentLog } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { beginTransaction } from "../../src/submission/session.ts";
import type { Outcome, Transmission } from "../../src/upstream/upstream.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryEngines } from "../support/memory-engine.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";

const REFUSED: Outcome = {
  kind: "refused",
  permanence: "permanent",
  scope: "transmission",
  reply: "550 5.1.1 no such user",
};
const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const NOT_NOW: Outcome = {
  kind: "refused",
  permanence: "transient",
  scope: "transmission",
  reply: "450 4.2.1 not now",
};
const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "1" };

interface Asked {
  readonly transmission: Transmission;
  readonly answer: (outcome: Outcome) => void;
}

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
};

async function gatewayAmongOthers(environment: Readonly<Record<string, string>> = {}) {
  const config = loadConfig({ environment: { MAILONCE_HOSTNAME: "gateway.example", ...environment } });
  const { lease: leaseMs, retention: retentionMs } = config.ledger;
  const [clock, time] = [createManualClock(), createManualClock()];
  const engines = createMemoryEngines(() => time.now(), { leaseMs, retentionMs });
  const calls: Asked[] = [];
  const events: string[] = [];
  const note = (event: string) => void events.push(event);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const limits = { messageOctets: 1e9, lineOctets: 1e9, smtpUtf8: true };
  const relay = await openRelay(config, {
    ...{ storage: createMemoryStorage(), clock, random: systemRandom, log, elapsed: () => clock.now() },
    openEngine: async () => engines.connect(),
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
  const begun = beginTransaction("sender@example.org", undefined, true);
  if ("reply" in begun) throw new Error(begun.reply.text);
  const read = begun.transaction.read("user@example.net");
  if ("recipient" in read) begun.transaction.add(read.recipient);
  const content = async function* () {
    yield Buffer.from("From: <a@example.org>\r\nX-Task-Id: task\r\n\r\nHello!\r\n");
  };
  const client = { address: "127.0.0.1", helo: "mailer.example.org", protocol: "ESMTP" } as const;
  const reply = await relay.submit(begun.transaction.envelope(), client, content());
  expect(reply.code).toBe(250);
  await settled();
  const [first] = calls as [Asked];

  /** Its heartbeat stands, and the engine's time goes on: the others take it for dead, and one its id. */
  const lapse = async (expected: ClaimResult["kind"]) => {
    time.advance(leaseMs * 1.5);
    const other: Ledger = await openSharedLedger({
      ...{ engine: engines.connect(), gatewayId: "other", clock: time, elapsed: () => time.now() },
      ...{ log: silentLog, retentionMs, leaseMs },
    });
    const [taken] = await other.claim([{ id: first.transmission.id as Id, digest: new Uint8Array(16) }]);
    expect(taken?.kind).toBe(expected);
    return { other, claim: (taken as { claim: Claim }).claim };
  };
  return { relay, calls, events, first, clock, retryMs: config.spool.retry_max, lapse };
}

test("a refusal of what another gateway has taken over is not reported", async () => {
  const { calls, events, first, lapse } = await gatewayAmongOthers();
  const { other, claim } = await lapse("doubtful");
  other.accepted([claim]);
  await other.attempt(claim, "a date");
  first.answer(REFUSED);
  await settled();
  expect(events).toContain("transmission.stale");
  expect(events).not.toContain("transmission.reported");
  expect(calls).toHaveLength(1);
});

test.each([
  ["refused", REFUSED],
  ["doubtful", DOUBTFUL],
])("what another has taken over and given up again is attempted again, %s", async (_, outcome) => {
  const { calls, events, first, lapse } = await gatewayAmongOthers();
  const { other, claim } = await lapse("doubtful");
  await other.release([claim]);
  first.answer(outcome);
  await settled();
  expect(events).toContain("transmission.doubtful");
  expect(calls).toHaveLength(2);
  calls[1]?.answer(ACCEPTED);
  await settled();
  expect(events).toContain("transmission.relayed");
});

test("what is held after another has given it up is listed, and can be decided", async () => {
  const { relay, calls, events, first, lapse } = await gatewayAmongOthers({
    MAILONCE_LEDGER_DOUBTFUL: "hold",
  });
  const { other, claim } = await lapse("doubtful");
  // An operator has said there that it was not relayed.
  await other.settle(claim, "cleared");
  await other.release([claim]);
  first.answer(DOUBTFUL);
  await settled();
  expect(events).toContain("transmission.doubtful");
  const { id } = first.transmission;
  expect(await relay.doubtful.list()).toMatchObject([{ id, standing: "held" }]);
  expect(await relay.doubtful.resolve(id, "not-relayed")).toEqual({ ok: true, id, next: "queued" });
  await settled();
  expect(calls).toHaveLength(2);
});

test("what another has attempted first, and given up, goes again with the Date of that attempt (P6)", async () => {
  const { calls, first, clock, retryMs, lapse } = await gatewayAmongOthers();
  // Certainly not there, so that the next attempt is the first one.
  first.answer(NOT_NOW);
  await settled();
  const { other, claim } = await lapse("claimed");
  const date = "Thu, 01 Jan 2026 00:00:00 +0000";
  other.accepted([claim]);
  await other.attempt(claim, date);
  await other.release([claim]);
  clock.advance(retryMs);
  await settled();
  expect(calls).toHaveLength(2);
  expect(Buffer.from(calls[1]?.transmission.octets ?? []).toString()).toContain(`\r\nDate: ${date}\r\n`);
});

test.each([
  ["is relayed there", "relayed"],
  ["is refused there, which the other's client alone is told", "released"],
] as const)("what another relays for a client that waits is kept here until it %s (P5)", async (_, ends) => {
  const { calls, events, first, clock, retryMs, lapse } = await gatewayAmongOthers();
  first.answer(NOT_NOW);
  await settled();
  const { other, claim } = await lapse("claimed");
  other.accepted([claim], true);
  await other.attempt(claim, "Thu, 01 Jan 2026 00:00:00 +0000");
  const looks = async (times: number) => {
    for (let look = 0; look < times; look++) {
      clock.advance(retryMs);
      await settled();
    }
  };
  await looks(3);
  expect(events.filter((event) => event === "transmission.waiting")).toHaveLength(1);
  expect(events).not.toContain("transmission.stale");
  await other.settle(claim, ends === "relayed" ? "relayed" : "refused");
  if (ends === "released") await other.release([claim]);
  await looks(2);
  expect(events).toContain("transmission.stale");
  expect(calls).toHaveLength(ends === "relayed" ? 1 : 2);
});
