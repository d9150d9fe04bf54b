// The ledger of several gateways over one engine (engine.ts). It keeps the contract of ledger.ts: among the
// calls of this process in memory, among gateways by compare-and-set.
//
//     claim     reserved in memory first, so that of this process only one asks the engine for an id;
//               then inserted or taken over under this incarnation
//     accepted  others are told a little later (announcements.ts); until then they wait
//     attempt   written under the fence, and the lease looked at once more: only then may be sent
//     relayed   the record stays, without a holder
//
// A claim ends with its incarnation: at once when the gateway starts again, and for other gateways when its
// heartbeat is older than the lease. docs/protocol.md says what remains possible.

import type { Id } from "../../identity/message-id.ts";
import { formatDate } from "../../message/trace.ts";
import { decodeBase32, encodeBase32 } from "../../runtime/base32.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { StorageError } from "../../storage/storage.ts";
import { type BatchSteps, claimBatch } from "../claim-batch.ts";
import { createClaims } from "../claims.ts";
import type { IdentityDigests } from "../identity-digest.ts";
import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  Decided,
  Decision,
  Doubt,
  Ledger,
  Settlement,
} from "../ledger.ts";
import { DECISION_EVENTS, decidedBy, type IdState, PROTOCOL } from "../protocol.ts";
import { createUnderWay } from "../under-way.ts";
import { openAgreement } from "./agreement.ts";
import { createAnnouncements } from "./announcements.ts";
import { type CallCounts, createCalls } from "./calls.ts";
import { type Claiming, createClaimer, isHeldElsewhere } from "./claiming.ts";
import type { Engine, EngineLimits } from "./engine.ts";
import { startExpiry } from "./expiry.ts";
import { type Heartbeat, startHeartbeat } from "./heartbeat.ts";
import { createWriter, type Held, stateOf, unheld } from "./held.ts";
import { createKnown, KNOWN_CAPACITY } from "./known.ts";
import { createLeavings } from "./leavings.ts";

/** Milliseconds without a heartbeat after which others take a gateway's claims over. */
export const LEASE_MS = 30_000;

/** Records of these states are decided; of all others an operator has nothing to decide. */
const IN_DOUBT: ReadonlySet<IdState> = new Set(["attempted", "doubtful", "reclaimed", "remembered"]);

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
}

export interface SharedLedger extends Ledger {
  /** What this ledger is known by: no other has it, wherever it is kept. */
  readonly name: string;
  /** Gateways that are alive, this one included; as last heard. */
  gateways(): number;
  /** What the engine was asked so far. */
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
      // An operator may have ended it while it was not its turn.
      if (claims.live(one) !== entry) return "stale";
      heartbeat.assertCurrent();
      // A later one would not show that nobody has taken over between the note and its answer.
      const { confirmedAt } = heartbeat;
      if (!(await writer.move(entry, "attempt", firstDate))) {
        if (!(await hadAgain(entry))) return "stale";
        continue;
      }
      if (await wasRelayed(entry)) return "stale";
      open.add(entry.id);
      if (heartbeat.isFresh(confirmedAt)) return "attempted";
      // This process, or its connection, has been stopped for long: others may have taken over since.
      await heartbeat.confirm();
    }
  }

  /**
   * To be asked after a change. A decision that it was relayed, whose answer was lost, has left the record without a
   * holder if it took effect. The change bars it from taking effect later, and has undone it if it came first: then
   * the record says relayed again, and the claim ends.
   */
  async function wasRelayed(entry: Held): Promise<boolean> {
    if (!entry.mayBeRelayed) return false;
    const record = await calls.read.ask(entry.key);
    if (record?.holder?.incarnation === incarnation) {
      entry.mayBeRelayed = false;
      return false;
    }
    if (!(await writer.move(entry, "relayed", "")))
      log.warn("ledger.settled_stale", { id: entry.id, settlement: "relayed" });
    open.delete(entry.id);
    claims.end(entry);
    return true;
  }

  async function settle(one: Claim, settlement: Settlement): Promise<"settled" | "stale"> {
    const entry = claims.live(one);
    if (entry === undefined) return "stale";
    if (!(await writer.move(entry, settlement, formatDate(clock.now())))) {
      log.warn("ledger.settled_stale", { id: entry.id, settlement });
      claims.end(entry);
      return "stale";
    }
    if (settlement !== "relayed" && (await wasRelayed(entry))) return "stale";
    if (entry.doubt === undefined || settlement === "relayed") open.delete(entry.id);
    else open.add(entry.id);
    if (settlement === "relayed") claims.end(entry);
    return "settled";
  }

  /** The work in the claim's turn; "stale" when it is not live. */
  async function inTurn<T>(one: Claim, work: () => Promise<T | "stale">): Promise<T | "stale"> {
    const entry = claims.live(one);
    return entry === undefined ? "stale" : await claims.inTurn(entry, work);
  }

  async function releaseAll(batch: readonly Claim[]): Promise<void> {
    const releases = batch.map((one) =>
      inTurn(one, async () => {
        const entry = claims.live(one);
        if (entry !== undefined) await release([entry]);
      }),
    );
    const failed = (await Promise.allSettled(releases)).find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
  }

  async function decide(id: Id, decision: Decision): Promise<Decided> {
    const held = claims.get(id);
    if (held === undefined) return await decideUnclaimed(id, decision);
    const decided = await claims.inTurn(held, async () =>
      claims.get(id) === held ? await decideHeld(held, decision) : undefined,
    );
    // The claim has ended; perhaps there is another one.
    return decided ?? (await decide(id, decision));
  }

  async function decideHeld(held: Held, decision: Decision): Promise<Decided> {
    heartbeat.assertCurrent();
    // It is being claimed, and what of is not known yet.
    if (held.fence === 0) return "busy";
    const pending = held.doubt === undefined ? "claimed" : "reclaimed";
    const event = DECISION_EVENTS[decision];
    const next = decidedBy(PROTOCOL[held.isAccepted ? stateOf(held) : pending][event]);
    if (next !== "relayed" && next !== "queued") return next;
    // Until it is answered, and when it never is.
    held.mayBeRelayed ||= next === "relayed";
    if (!(await writer.move(held, event, ""))) {
      claims.end(held);
      return "elsewhere";
    }
    open.delete(held.id);
    if (next === "relayed") claims.end(held);
    return next;
  }

  /** No claim of this process is live: the id is claimed for as long as it takes. */
  async function decideUnclaimed(id: Id, decision: Decision): Promise<Decided> {
    heartbeat.assertCurrent();
    const event = DECISION_EVENTS[decision];
    const record = await calls.read.ask(decodeBase32(id));
    // One that is not accepted may take long, and is waited for below.
    if (claims.get(id) !== undefined) return await decide(id, decision);
    const state = record?.state ?? "absent";
    if (record === undefined || !IN_DOUBT.has(state)) return decidedBy(PROTOCOL.absent[event]);
    if (isHeldElsewhere(record, incarnation, heartbeat.tellsTheDead())) return "elsewhere";
    const [result] = await claim([{ id, digest: record.digest }]);
    const entry = claims.get(id);
    if (result?.kind === "repeat" || result === undefined || entry?.fence !== result.claim.fence) {
      return result?.kind === "repeat" && result.standing !== "relayed" ? "elsewhere" : "nothing";
    }
    return await claims.inTurn(entry, async () => {
      const next = decidedBy(PROTOCOL[result.kind === "doubtful" ? "remembered" : "absent"][event]);
      if (next === "nothing") {
        await release([entry]);
        return next;
      }
      const isWritten = await writer.move(entry, event, "").catch(async (error: unknown) => {
        await release([entry]).catch(() => {});
        throw error;
      });
      if (!isWritten) {
        claims.end(entry);
        return "elsewhere";
      }
      open.delete(id);
      if (next === "absent") await release([entry]);
      else claims.end(entry);
      return next;
    });
  }

  return {
    claim: (requests) => tracked(() => claim(requests)),
    accepted(batch, awaited = false) {
      const entries = batch.flatMap((one) => claims.live(one) ?? []);
      for (const entry of entries) claims.accept(entry, awaited);
      announcements.add(entries);
    },
    attempt: (one, firstDate) => tracked(() => inTurn(one, () => attempt(one, firstDate))),
    settle: (one, settlement) => tracked(() => inTurn(one, () => settle(one, settlement))),
    release: (batch) => tracked(() => releaseAll(batch)),
    decide: (id, decision) => tracked(() => decide(id, decision)),
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
        // A decision without an answer has taken effect, and nothing has followed from it: it is decided once more.
        const listed = new Set(doubts.map(({ id }) => id));
        for (const { id, doubt, firstDate = "", digest } of claims.all()) {
          if (doubt !== "doubtful" || listed.has(id)) continue;
          doubts.push({ id, firstDate, digest, changedAt: clock.now(), claimed: true });
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
