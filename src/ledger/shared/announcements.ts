// Tells other gateways that claims are accepted: until then they wait. It is written a little later and
// many at a time, since most are attempted by then, which says the same and is written anyway.
import type { Clock, Timer } from "../../runtime/clock.ts";
import { type Held, isUnannounced, type Writer } from "./held.ts";

/**
 * Long enough that a gateway without a backlog has attempted what it accepted, short beside the round trip
 * of a client that waits for it at another gateway.
 */
const DELAY_MS = 20;

/** After a failure: others wait meanwhile, and hear 451 in the end. */
const RETRY_MS = 500;

export interface Announcements {
  add(entries: readonly Held[]): void;
  /** Never rejects. */
  stop(): Promise<void>;
}

/** @param isLive whether the claim has not ended */
export function createAnnouncements(
  clock: Clock,
  writer: Writer,
  isLive: (entry: Held) => boolean,
): Announcements {
  const unannounced = new Set<Held>();
  let timer: Timer | undefined;
  let announcing: Promise<void> | undefined;
  let isStopped = false;

  async function announce(): Promise<void> {
    let failures = 0;
    const all = [...unannounced].map(async (entry) => {
      if (isLive(entry) && isUnannounced(entry)) {
        // What is being written will say it, or is followed by the next turn.
        if (entry.writing > 0) return;
        const isNoted = await writer.noteAccepted(entry).catch(() => undefined);
        if (isNoted === undefined) {
          failures++;
          return;
        }
        // False: it has been taken over, which its attempt will find.
      }
      unannounced.delete(entry);
    });
    await Promise.all(all);
    announcing = undefined;
    schedule(failures > 0 ? RETRY_MS : DELAY_MS);
  }

  function schedule(ms: number): void {
    if (isStopped || unannounced.size === 0) return;
    timer ??= clock.after(ms, () => {
      timer = undefined;
      announcing = announce();
    });
  }

  return {
    add(entries) {
      for (const entry of entries) unannounced.add(entry);
      if (announcing === undefined) schedule(DELAY_MS);
    },
    async stop() {
      isStopped = true;
      timer?.cancel();
      await announcing;
    },
  };
}
