// What the shared ledger does now and then: removes what has expired, in bounded steps, and counts what is
// in doubt. Every gateway does; what one has removed the others do not find.

import type { Id } from "../../identity/message-id.ts";
import { encodeBase32 } from "../../runtime/base32.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Engine, ExpiredDoubt } from "./engine.ts";

/** Sweeps in a retention: what has expired stays at most a sixty-fourth longer, and counts as absent. */
const SWEEPS_IN_RETENTION = 64;

/** But at least so often, so that one sweep has not too much to remove. */
const SWEEP_MAX_MS = 600_000;

export interface Expiry {
  /** Never rejects. */
  stop(): Promise<void>;
}

export interface ExpiryOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Log;
  readonly retentionMs: number;
  /** Called with every id in doubt that was removed. */
  readonly expired: (id: Id) => void;
}

export function startExpiry({ engine, clock, log, retentionMs, expired }: ExpiryOptions): Expiry {
  let timer: Timer | undefined;
  let sweeping: Promise<void> = Promise.resolve();
  let isStopped = false;
  /** Announced by the sweep before this one. What is still there then could not be removed. */
  let announced = new Set<Id>();

  async function sweep(): Promise<void> {
    const current = new Set<Id>();
    /** Before the removal, whose answer may be lost, or the process with it. Once, however often it is tried. */
    const announce = ({ key, firstDate }: ExpiredDoubt): void => {
      const id = encodeBase32(key);
      if (!announced.has(id) && !current.has(id)) log.warn("ledger.doubtful_expired", { id, firstDate });
      current.add(id);
    };
    try {
      for (let more = true; more && !isStopped; ) {
        const swept = await engine.sweep(announce);
        ({ more } = swept);
        for (const { key } of swept.doubts) expired(encodeBase32(key));
      }
      announced = current;
    } catch (cause) {
      for (const id of current) announced.add(id);
      log.error("ledger.sweep_failed", { cause });
    }
    schedule();
  }

  function schedule(): void {
    if (isStopped) return;
    timer = clock.after(Math.min(retentionMs / SWEEPS_IN_RETENTION, SWEEP_MAX_MS), () => {
      sweeping = sweep();
    });
  }

  schedule();
  return {
    async stop() {
      isStopped = true;
      timer?.cancel();
      await sweeping;
    },
  };
}
