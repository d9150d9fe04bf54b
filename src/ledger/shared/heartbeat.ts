// The heartbeat of this gateway's incarnation: one for all its claims. While it is fresh no other gateway
// can have taken one of them over.
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { StorageError } from "../../storage/storage.ts";
import type { Agreement } from "./agreement.ts";
import type { Engine } from "./engine.ts";

/** Beats in a lease: five may be lost before others take over. */
const BEATS_IN_LEASE = 6;

/** Beats that were missed in a row before that counts as an outage of the engine, for this gateway at least. */
const BEATS_MISSED = 2.5;

/** The part of a lease in which others can beat again after an outage: two beats and their calls. */
const GRACE_OF_LEASE = 1 / 3;

/**
 * The part of a lease that must be left when an attempt begins: in it the upstream has to hear the first of
 * it. Connecting, TLS and greeting of a slow one take some seconds.
 */
const MARGIN_OF_LEASE = 1 / 3;

/** Beats made to confirm one attempt: a process that is stopped again and again gives it up. */
const CONFIRM_TRIES = 3;

export interface Heartbeat {
  readonly incarnation: number;
  /** Gateways that are alive, this one included, as the last beat said. */
  readonly gateways: number;
  /** Beats that were made. */
  readonly beats: number;
  /** The last beat got its answer. */
  readonly isAnswered: boolean;
  /** When the beat was sent that was confirmed last, as by `elapsed`. */
  readonly confirmedAt: number;
  /** The lease of what was confirmed last, or since then, is far from over. */
  isFresh(since?: number): boolean;
  /**
   * Whether a gateway without a heartbeat is dead. Not while this gateway has not reached the engine itself, or has
   * only just reached it again: then the others could not beat either.
   */
  tellsTheDead(): boolean;
  /** Resolves when it is fresh. Rejects with a StorageError when that is not possible now, or never again. */
  confirm(): Promise<void>;
  /** Throws a StorageError when the gateway has begun another life elsewhere. */
  assertCurrent(): void;
  /** Ends the incarnation in order. Never rejects. */
  stop(): Promise<void>;
}

export interface HeartbeatOptions {
  readonly engine: Engine;
  readonly gatewayId: string;
  readonly agreement: Agreement;
  readonly clock: Clock;
  /** Milliseconds since any moment; never steps back, and goes on while the process is stopped. */
  readonly elapsed: () => number;
  readonly log: Log;
}

/** Registers, and beats from then on. Rejects with a StorageError. */
export async function startHeartbeat(options: HeartbeatOptions): Promise<Heartbeat> {
  const { engine, gatewayId, agreement, clock, elapsed, log } = options;
  /** Of a lease that is being changed the shorter one, which is the safe one for all that is done here. */
  const beatMs = () => agreement.inForce.beatLeaseMs / BEATS_IN_LEASE;
  const outageMs = () => beatMs() * BEATS_MISSED;
  // Before the call: the engine counts the lease from some time after this.
  let confirmedAt = elapsed();
  const incarnation = await engine.register(gatewayId);
  let gateways = 1;
  let beats = 0;
  let reachedAgainAt = Number.NEGATIVE_INFINITY;
  let isSuperseded = false;
  /** No beat has said yet what the gateways have agreed on since this one asked. */
  let isAgreed = false;
  let isStopped = false;
  let isUnconfirmed = false;
  let failures = 0;
  let isBehind = false;
  let timer: Timer | undefined;
  let beating: Promise<void> | undefined;
  let confirming: Promise<void> | undefined;

  async function beat(): Promise<void> {
    const sentAt = elapsed();
    beats++;
    const { confirmed } = agreement;
    const received = await engine.beat(gatewayId, incarnation, confirmed);
    gateways = Math.max(received.gateways, 1);
    const { behindMs = 0 } = received;
    if (behindMs > 0 && !isBehind) log.warn("ledger.time_stepped_back", { ms: behindMs });
    isBehind = behindMs > 0;
    isAgreed = true;
    if (agreement.receive(received)) isUnconfirmed = true;
    else if (agreement.confirmed === confirmed) isUnconfirmed = false;
    if (sentAt - confirmedAt > outageMs()) reachedAgainAt = elapsed();
    if (received.current) confirmedAt = Math.max(confirmedAt, sentAt);
    else if (!isSuperseded) {
      isSuperseded = true;
      log.error("ledger.superseded", { gateway: gatewayId, incarnation });
    }
  }

  function schedule(): void {
    if (isStopped || isSuperseded) return;
    // What has just been taken up is confirmed at once.
    timer = clock.after(isUnconfirmed ? 0 : beatMs(), () => {
      beating = regular();
    });
  }

  async function regular(): Promise<void> {
    try {
      await beat();
      if (failures > 0) log.info("ledger.reached", { failures });
      failures = 0;
    } catch (error) {
      failures++;
      if (failures === 1) log.warn("ledger.unreachable", { error: String(error) });
    }
    schedule();
  }

  const isFresh = (since = confirmedAt) =>
    isAgreed && !isSuperseded && elapsed() - since < agreement.inForce.beatLeaseMs * (1 - MARGIN_OF_LEASE);

  function assertCurrent(): void {
    if (!isSuperseded) return;
    throw new StorageError(
      "unavailable",
      `another process has started as gateway ${gatewayId}: two data folders are copies of one another`,
    );
  }

  beating = regular();
  await beating;
  return {
    incarnation,
    get gateways() {
      return gateways;
    },
    get beats() {
      return beats;
    },
    get isAnswered() {
      return failures === 0;
    },
    get confirmedAt() {
      return confirmedAt;
    },
    isFresh,
    tellsTheDead: () =>
      elapsed() - confirmedAt <= outageMs() &&
      elapsed() - reachedAgainAt >= agreement.inForce.leaseMs * GRACE_OF_LEASE,
    async confirm() {
      for (let tries = 0; tries < CONFIRM_TRIES && !isFresh(); tries++) {
        assertCurrent();
        // One for all attempts that need it.
        confirming ??= beat().finally(() => {
          confirming = undefined;
        });
        await confirming;
      }
      assertCurrent();
      if (!isFresh()) throw new StorageError("unavailable", "the ledger answers too late for the lease");
    },
    assertCurrent,
    async stop() {
      isStopped = true;
      timer?.cancel();
      await beating;
      await engine.retire(gatewayId, incarnation).catch(() => {});
    },
  };
}
