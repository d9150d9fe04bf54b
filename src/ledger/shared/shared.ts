// The ledger of several gateways over one engine (engine.ts). It keeps the contract of ledger.ts: among the
// calls of this process in memory, among gateways by compare-and-set.
//
//     claim     reserved in memory first, so that of this process only one asks the engine for an id;
//               then inserted or taken over under this incarnation
//     accepted  written for others a little later (announcements.ts); until then they wait
//     attempt   written under the fence; then the lease is checked once more before anything is sent
//     relayed   the record stays, without a holder
//
// A claim ends with its incarnation: at once when the gateway starts again, and for other gateways when its
// heartbeat is older than the lease. docs/protocol.md says what remains possible.

import type { Id } from "../../identity/message-id.ts";
import { type Counters, createCounters } from "../../metrics/counters.ts";
import { encodeBase32 } from "../../runtime/base32.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { StorageError } from "../../storage/storage.ts";
import { type BatchSteps, claimBatch } from "../claim-batch.ts";
import { createClaims } from "../claims.ts";
import type { IdentityDigests } from "../identity-digest.ts";
import type { ClaimRequest, ClaimResult, Ledger } from "../ledger.ts";
import { createUnderWay } from "../under-way.ts";
import { openAgreement } from "./agreement.ts";
import { createAnnouncements } from "./announcements.ts";
import { createAttempts } from "./attempts.ts";
import { type CallCounts, createCalls } from "./calls.ts";
import { type Claiming, createClaimer } from "./claiming.ts";
import { createDeciding } from "./deciding.ts";
import { createDoubts } from "./doubts.ts";
import type { Engine, EngineLimits } from "./engine.ts";
import { startExpiry } from "./expiry.ts";
import { createGivingUp } from "./giving-up.ts";
import { type Heartbeat, startHeartbeat } from "./heartbeat.ts";
import { createWriter, type Held, unheld } from "./held.ts";
import { createKnown, KNOWN_CAPACITY } from "./known.ts";
import { createLeavings } from "./leavings.ts";
import { createLook } from "./looking.ts";

/** Milliseconds without a heartbeat after which others take a gateway's claims over. */
export const LEASE_MS = 30_000;

export interface SharedLedgerOptions {
  /** Made with the same retention and lease. Closed with the ledger, also when it can't be opened. */
  readonly engine: Engine;
  /** See gateway-id.ts. One process at a time uses it. */
  readonly gatewayId: string;
  readonly clock: Clock;
  /** Milliseconds since any moment; never steps back, and goes on while the process is stopped. */
  readonly elapsed: () => number;
  readonly log: Log;
  readonly retentionMs: number;
  readonly leaseMs?: number;
  /** Digests of what ids are derived from; left out: nothing is compared. */
  readonly identity?: (salt: string) => IdentityDigests;
  /** See AgreementOptions. */
  readonly contradicts?: (limits: EngineLimits) => string | undefined;
  /** Ids of each filter; 0 goes without, for comparison. */
  readonly knownCapacity?: number;
  readonly counters?:
    | Pick<Counters, "elapsed" | "ledgerSeconds" | "lookups" | "stale" | "takeovers">
    | undefined;
}

export interface SharedLedger extends Ledger {
  /** The name of this ledger. No other ledger has it, wherever it is kept. */
  readonly name: string;
  /** Gateways that are alive, this one included, as the last beat said. */
  gateways(): number;
  /** The database has answered the last beat. */
  isUp(): boolean;
  /** Calls of the engine so far. */
  calls(): CallCounts;
}

/** Rejects with a StorageError, or with a SettingsError; nothing stays open then. */
export async function openSharedLedger(options: SharedLedgerOptions): Promise<SharedLedger> {
  const { engine } = options;
  let heartbeat: Heartbeat | undefined;
  try {
    const { retentionMs, leaseMs = LEASE_MS, identity } = options;
    const agreement = await openAgreement({
      engine,
      own: (salt) => ({ leaseMs, retentionMs, identity: identity?.(salt) }),
      // Chance, by the gateway's name, and another one for each ledger that it is the first of.
      salt: `${options.gatewayId} ${options.clock.now().toString(36)}`,
      contradicts: options.contradicts ?? (() => undefined),
      log: options.log,
    });
    heartbeat = await startHeartbeat({ ...options, agreement });
    // Another gateway may have changed them between the two.
    agreement.assertOwn();
    const open = new Set<Id>();
    let found = 0;
    for await (const { key, record } of engine.open()) {
      open.add(encodeBase32(key));
      if (record.holder?.alive !== true) found++;
    }
    if (found > 0) options.log.warn("ledger.doubtful_found", { ids: found });
    return { ...createLedger(options, heartbeat, open), name: agreement.ledger };
  } catch (error) {
    await heartbeat?.stop();
    await engine.close();
    throw error;
  }
}

/** @param open ids attempted or doubtful, as far as this gateway knows */
function createLedger(
  options: SharedLedgerOptions,
  heartbeat: Heartbeat,
  open: Set<Id>,
): Omit<SharedLedger, "name"> {
  const { engine, clock, elapsed, log, retentionMs, counters = createCounters() } = options;
  const { incarnation } = heartbeat;
  const claims = createClaims(unheld);
  const calls = createCalls(engine, incarnation, counters);
  const writer = createWriter(calls);
  const leavings = createLeavings({
    calls,
    incarnation,
    clock,
    elapsed,
    callMaxMs: engine.callMaxMs,
    isClaimed: (id) => claims.get(id) !== undefined,
  });
  const givingUp = createGivingUp({ calls, writer, claims, leavings });
  const closing = new AbortController();
  const claimer = createClaimer({
    calls,
    known: createKnown(options.knownCapacity ?? KNOWN_CAPACITY),
    incarnation,
    clock,
    elapsed,
    tellsTheDead: heartbeat.tellsTheDead,
    log,
    closing: closing.signal,
    giveBack: givingUp.giveBack,
    counters,
  });
  const parts = { engine, calls, writer, claims, claimer, claim, givingUp, heartbeat, incarnation, open };
  const attempts = createAttempts({ ...parts, counters, clock, log });
  const deciding = createDeciding({ ...parts, clock, retentionMs });
  const look = createLook({ ...parts, clock, tellsTheDead: heartbeat.tellsTheDead });
  const doubts = createDoubts({ ...parts, clock });
  const announcements = createAnnouncements(clock, writer, (entry) => claims.get(entry.id) === entry);
  const expiry = startExpiry({ ...options, expired: (id) => open.delete(id) });
  const underWay = createUnderWay();
  const tracked = underWay.run;

  const steps: BatchSteps<Held> = {
    reserve(request) {
      leavings.begun(request.id);
      return claims.begin(request, 0);
    },
    async lookUp(entries) {
      const claimings = await claimer.claim(entries);
      return claimings.map((claiming, i) => resultOf(entries[i] as Held, claiming));
    },
    failed: ({ id, key }) => leavings.lookFor(id, key),
  };

  async function claim(requests: readonly ClaimRequest[]): Promise<ClaimResult[]> {
    heartbeat.assertCurrent();
    if (leavings.isFull()) {
      throw new StorageError("unavailable", "too many calls of the database are still without an answer");
    }
    return await claimBatch(claims, requests, steps);
  }

  function resultOf(entry: Held, claiming: Claiming): ClaimResult {
    if (claiming.kind === "repeat") {
      claims.end(entry);
      return claiming;
    }
    if (claiming.kind === "doubtful") open.add(entry.id);
    else open.delete(entry.id);
    // Should it lapse, it is claimed again for the same mail.
    entry.isAgain = true;
    entry.since = Math.max(entry.since, claiming.since ?? entry.since);
    return { ...claiming, claim: { id: entry.id, fence: entry.fence } };
  }

  return {
    claim: (requests) => tracked(() => claim(requests)),
    accepted(batch, awaited = false) {
      const entries = batch.flatMap((one) => claims.live(one) ?? []);
      for (const entry of entries) claims.accept(entry, awaited);
      announcements.add(entries);
    },
    attempt: (one, firstDate) => tracked(() => attempts.attempt(one, firstDate)),
    settle: (one, settlement) => tracked(() => attempts.settle(one, settlement)),
    release: (batch) => tracked(() => givingUp.releaseAll(batch)),
    decide: (id, decision) => tracked(() => deciding.decide(id, decision)),
    prove: (id, at) => tracked(() => deciding.prove(id, at)),
    forget: (id) => tracked(() => deciding.forget(id)),
    look: (id) => tracked(() => look(id)),
    doubts: () => tracked(doubts.all),
    counts() {
      let doubtful = 0;
      for (const { doubt } of claims.all()) if (doubt !== undefined && doubt !== "attempted") doubtful++;
      return { claims: claims.size, open: open.size, doubtful };
    },
    gateways: () => heartbeat.gateways,
    isUp: () => heartbeat.isAnswered,
    calls: () => ({ ...calls.counts, beat: { calls: heartbeat.beats, records: 0 } }),
    async close() {
      if (!underWay.shut()) return;
      claims.close();
      closing.abort();
      await underWay.idle();
      await announcements.stop();
      await leavings.stop();
      await expiry.stop();
      await heartbeat.stop();
      await engine.close();
    },
  };
}
