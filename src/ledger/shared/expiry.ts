// What the shared ledger does now and then: removes what has expired, in bounded steps, and counts what is
// in doubt. Every gateway does; what one has removed the others do not find.
import { encodeBase32 } from "../../identity/base32.ts";
import type { Id } from "../../identity/message-id.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Engine } from "./engine.ts";

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
  /** Told of every id in doubt that was removed. */
  readonly expired: (id: Id) => void;
}

export function startExpiry({ engine, clock, log, retentionMs, expired }: ExpiryOptions): Expiry {
  let timer: Timer | undefined;
  let sweeping: Promise<void> = Promise.resolve();
  let isStopped = false;

  async function sweep(): Promise<void> {
    try {
      for (let more = true; more && !isStopped; ) {
        const swept = await engine.sweep();
        ({ more } = swept);
        for (const { key, firstDate } of swept.doubts) {
          const id = encodeBase32(key);
          log.warn("ledger.doubtful_expired", { id, firstDate });
          expired(id);
        }
      }
    } catch (cause) {
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
