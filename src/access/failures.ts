// Wrong passwords and signatures of an address: each password is answered later than the one before, and after too many
// the address is blocked. Only the cost of a hash slows down a client that guesses from many addresses
// (authenticator.ts).

import { addressKey } from "../address/networks.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { createQuota } from "./quota.ts";

export interface FailuresOptions {
  /** So many within the window block the address. */
  readonly max: number;
  readonly windowMs: number;
  readonly blockMs: number;
}

export interface Failures {
  /** Is the address blocked, or the /64 of an IPv6 one? */
  blocked(address: string): boolean;
  /** Counts a wrong signature: its answer need not be late, as verifying takes no time. */
  count(address: string): void;
  /**
   * Counts a wrong password, and resolves when it is time to answer it, with the delay in milliseconds.
   *
   * @param since when the client asked: the delay begins there, so that it covers how long verifying took
   */
  failed(address: string, since?: number): Promise<number>;
}

/**
 * Longer than the costliest hash takes that a users file may have (bcrypt with 2^14 rounds, a second): a verification
 * that shows through the delay would tell who is a user, and what their hash costs. A person who mistyped waits.
 */
const DELAY_MIN_MS = 2_000;
/** Doubled up to here: clients wait for minutes (RFC 5321 §4.5.3.2), but each delay holds a connection. */
const DELAY_MAX_MS = 8_000;

/** Remembers 65,536 addresses at most (see quota.ts): each takes a password that was verified. */
export function createFailures(
  { max, windowMs, blockMs }: FailuresOptions,
  clock: Clock,
  log: Pick<Log, "warn">,
): Failures {
  // The first failure beyond the limit blocks.
  const quota = createQuota({ points: max - 1, perMs: windowMs, blockMs });

  const countKey = (key: string): void => {
    const wasBlocked = quota.blocked(key);
    const isBlocked = !quota.consume(key);
    if (isBlocked && !wasBlocked) log.warn("auth.blocked", { address: key, failures: max, blockMs });
  };

  return {
    blocked: (address) => quota.blocked(addressKey(address)),
    count: (address) => countKey(addressKey(address)),

    async failed(address, since = clock.now()) {
      const key = addressKey(address);
      countKey(key);
      const delayMs = Math.min(DELAY_MIN_MS * 2 ** (quota.used(key) - 1), DELAY_MAX_MS);
      // The time of day may have been set meanwhile; nobody waits longer for that. Where many verify at once, or the
      // machine is slow, it is the next multiple: to the millisecond nobody learns how long it took.
      const elapsedMs = Math.max(clock.now() - since, 0);
      const leftMs = elapsedMs === 0 ? delayMs : (delayMs - (elapsedMs % delayMs)) % delayMs;
      await new Promise<void>((resolve) => clock.after(leftMs, resolve));
      return delayMs;
    },
  };
}
