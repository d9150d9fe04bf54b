// The ledger of several gateways over one engine (engine.ts). It holds L1 to L15 of ledger.ts, among the
// calls of this process in memory, among gateways by compare-and-set:
//
//     claim     reserved in memory first, so that of this process only one asks the engine for an id;
//               then inserted or taken over under this incarnation
//     accepted  others are told a little later (announcements.ts); until then they wait
//     attempt   written under the fence, and the lease looked at once more: only then may be sent
//     relayed   the record stays, without a holder
//
// A claim ends with its incarnation: at once when the gateway starts again, and for other gateways when its
// heartbeat is older than the lease. docs/protocol.md says what remains possible.
import { decodeBase32, encodeBase32 } from "../../identity/base32.ts";
import type { Id } from "../../identity/message-id.ts";
import { formatDate } from "../../message/trace.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { StorageError } from "../../runtime/storage.ts";
import { inOrder } from "../batch-order.ts";
import { createClaims, repeatOf } from "../claims.ts";
import type { Claim, ClaimRequest, ClaimResult, Doubt, Ledger } from "../ledger.ts";
import { createUnderWay } from "../under-way.ts";
import { createAnnouncements } from "./announcements.ts";
import { type CallCounts, createCalls } from "./calls.ts";
import { type Claiming, createClaimer } from "./claiming.ts";
import type { Engine } from "./engine.ts";
import { startExpiry } from "./expiry.ts";
import { type Heartbeat, startHeartbeat } from "./heartbeat.ts";
import { createWriter, type Held, unheld } from "./held.ts";
import { createKnown, KNOWN_CAPACITY } from "./known.ts";
import { createLeavings } from "./leavings.ts";

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
  /** Ids of each filter; 0 goes without, for comparison. */
  readonly knownCapacity?: number;
}

export interface SharedLedger extends Ledger {
  /** Gateways that are alive, this one included; as last heard. */
  gateways(): number;
  /** What the engine was asked so far. */
  calls(): CallCounts;
}

/** Rejects with a StorageError; nothing stays open then. */
export async function openSharedLedger(options: SharedLedgerOptions): Promise<SharedLedger> {
  const { engine } = options;
  let heartbeat: Heartbeat | undefined;
  try {
    heartbeat = await startHeartbeat({ ...options, leaseMs: options.leaseMs ?? LEASE_MS });
    const open = new Set<Id>();
    let found = 0;
    for await (const { key, record } of engine.open()) {
      open.add(encodeBase32(key));
      if (record.holder?.alive !== true) found++;
    }
    if (found > 0) options.log.warn("ledger.doubtful_found", { ids: found });
    return createLedger(options, heartbeat, open);
  } catch (error) {
    await heartbeat?.stop();
    await engine.close();
    throw error;
  }
}

/** @param open ids attempted or doubtful, as far as this gateway knows */
function createLedger(options: SharedLedgerOptions, heartbeat: Heartbeat, open: Set<Id>): SharedLedger {
  const { engine, clock, elapsed, log } = options;
  const { incarnation } = heartbeat;
  const claims = createClaims(unheld);
  const calls = createCalls(engine, incarnation);
  const writer = createWriter(calls);
  const leavings = createLeavings({
    calls,
    incarnation,
    clock,
    elapsed,
    callMaxMs: engine.callMaxMs,
    isClaimed: (id) => claims.get(id) !== undefined,
  });
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
    giveBack,
  });
  const announcements = createAnnouncements(clock, writer, (entry) => claims.get(entry.id) === entry);
  const expiry = startExpiry({ ...options, expired: (id) => open.delete(id) });
  const underWay = createUnderWay();
  const tracked = underWay.run;

  /** Gives up in the engine what the entries hold; the entries stay. */
  async function giveBack(entries: readonly Held[]): Promise<void> {
    const changes = entries.map((entry) => [entry.id, writer.releasing(entry)] as const);
    const answers = await Promise.allSettled(changes.map(([, change]) => calls.change.ask(change)));
    const failed = answers.flatMap((answer, i) => (answer.status === "rejected" ? [{ answer, i }] : []));
    for (const { i } of failed) {
      const [id, change] = changes[i] as (typeof changes)[number];
      leavings.change(id, change);
    }
    if (failed[0] !== undefined) throw failed[0].answer.reason;
  }

  /** So too when the engine does not answer: it is told later, and nothing goes on under these claims. */
  async function release(entries: readonly Held[]): Promise<void> {
    try {
      await giveBack(entries);
    } finally {
      for (const entry of entries) claims.end(entry);
    }
  }

  async function claim(requests: readonly ClaimRequest[]): Promise<ClaimResult[]> {
    heartbeat.assertCurrent();
    const results: ClaimResult[] = new Array(requests.length);
    const own: { readonly index: number; readonly entry: Held }[] = [];
    try {
      for (const index of inOrder(requests)) {
        const request = requests[index] as ClaimRequest;
        let held = claims.get(request.id);
        while (held !== undefined && !held.isAccepted) {
          await claims.changed(held);
          held = claims.get(request.id);
        }
        if (held === undefined) {
          const entry = claims.begin(request.id, decodeBase32(request.id), 0, request.digest);
          leavings.begun(request.id);
          entry.since = request.since ?? Number.NEGATIVE_INFINITY;
          own.push({ index, entry });
        } else {
          results[index] = repeatOf(held);
        }
      }
      const claimings = await claimer.claim(own.map(({ entry }) => entry));
      claimings.forEach((claiming, i) => {
        const { index, entry } = own[i] as (typeof own)[number];
        results[index] = resultOf(entry, claiming);
      });
      return results;
    } catch (error) {
      for (const { entry } of own) {
        claims.end(entry);
        leavings.lookFor(entry.id, entry.key);
      }
      throw error;
    }
  }

  function resultOf(entry: Held, claiming: Claiming): ClaimResult {
    if (claiming.kind === "repeat") {
      claims.end(entry);
      return claiming;
    }
    if (claiming.kind === "doubtful") open.add(entry.id);
    else open.delete(entry.id);
    return { ...claiming, claim: { id: entry.id, fence: entry.fence } };
  }

  /**
   * The record is not under the entry's fence any more. If another gateway has given up what it had taken
   * over, with nothing attempted, nobody has the mail but this one, and the claim goes on.
   */
  async function hadAgain(entry: Held): Promise<boolean> {
    heartbeat.assertCurrent();
    if (entry.doubt === undefined) {
      const claiming = await claimer.tryOne(entry);
      if (claiming.kind === "pending") {
        throw new StorageError("unavailable", `${entry.id} is being claimed by another gateway`);
      }
      if (claiming.kind === "claimed") return true;
      if (claiming.kind === "doubtful") await release([entry]);
    }
    claims.end(entry);
    return false;
  }

  async function attempt(one: Claim, firstDate: string): Promise<"attempted" | "stale"> {
    const entry = claims.live(one);
    if (entry === undefined) return "stale";
    for (;;) {
      heartbeat.assertCurrent();
      if (!(await writer.move(entry, "attempt", firstDate))) {
        if (!(await hadAgain(entry))) return "stale";
        continue;
      }
      open.add(entry.id);
      if (heartbeat.isFresh()) return "attempted";
      // This process, or its connection, has been stopped for long: others may have taken over since.
      await heartbeat.confirm();
    }
  }

  return {
    claim: (requests) => tracked(() => claim(requests)),
    accepted(batch, awaited = false) {
      const entries = batch.flatMap((one) => claims.live(one) ?? []);
      for (const entry of entries) claims.accept(entry, awaited);
      announcements.add(entries);
    },
    attempt: (one, firstDate) => tracked(() => attempt(one, firstDate)),
    settle: (one, settlement) =>
      tracked(async () => {
        const entry = claims.live(one);
        if (entry === undefined) return "stale";
        if (!(await writer.move(entry, settlement, formatDate(clock.now())))) {
          log.warn("ledger.settled_stale", { id: entry.id, settlement });
          claims.end(entry);
          return "stale";
        }
        if (entry.doubt === undefined || settlement === "relayed") open.delete(entry.id);
        else open.add(entry.id);
        if (settlement === "relayed") claims.end(entry);
        return "settled";
      }),
    release: (batch) =>
      tracked(async () => {
        await release(batch.flatMap((one) => claims.live(one) ?? []));
      }),
    doubts: () =>
      tracked(async () => {
        const doubts: Doubt[] = [];
        for await (const { key, record } of engine.open()) {
          const { state, firstDate = "", digest, changedAt, holder } = record;
          const id = encodeBase32(key);
          const isOurs = holder?.incarnation === incarnation;
          const claimed = isOurs ? claims.get(id) !== undefined : holder?.alive === true;
          if (state === "attempted" && claimed) continue;
          doubts.push({ id, firstDate, digest, changedAt, claimed });
        }
        return doubts.sort((a, b) => a.changedAt - b.changedAt);
      }),
    counts: () => ({ claims: claims.size, open: open.size }),
    gateways: () => heartbeat.gateways,
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
