// How old events are when they are read. What lies in the queue for longer than a doubt waits comes too late.
import type { Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import type { Received } from "./queue.ts";

/** Events are read so many milliseconds after they came, and doubt waits for `waitMs`. */
export interface Behind {
  readonly ms: number;
  readonly waitMs: number;
}

export interface Lag {
  /** What one receive brought. */
  received(messages: readonly Received[]): void;
  behind(): Behind | undefined;
}

/** Messages come in no order: an old one may come after many new ones. */
const SEEN_MS = 2 * 60_000;

/** @param waitMs how long a doubt waits for what is in this queue */
export function createLag(
  name: string,
  waitMs: number,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Lag {
  let behind: { readonly ms: number; readonly seenAt: number } | undefined;
  const isOver = (): boolean => behind === undefined || clock.now() - behind.seenAt > SEEN_MS;

  return {
    received(messages) {
      const now = clock.now();
      const ages = messages.map(ageAt(now));
      const ms = Math.max(0, ...ages);
      if (ms > waitMs) {
        if (behind === undefined) log.warn("events.behind", { queue: name, ms, waitMs });
        behind = { ms, seenAt: now };
      } else if (behind !== undefined && (messages.length === 0 || isOver())) {
        log.info("events.caught_up", { queue: name });
        behind = undefined;
      }
    },
    behind: () => (behind === undefined || isOver() ? undefined : { ms: behind.ms, waitMs }),
  };
}

/** What is seen again, since it had to wait, is not late for that. */
const ageAt =
  (now: number) =>
  ({ sentAt = now, receives }: Received): number =>
    receives === 1 ? now - sentAt : 0;
