// Before a gateway is taken away for good: it takes no more mail, relays what is there, and ends when nothing is left. Not
// kept: a restart takes mail again.
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";

export interface Draining {
  /** Takes no more mail from now on. @returns since when, milliseconds since the epoch; and whether it drained before */
  begin(order: { readonly reason?: string | undefined; readonly by?: string | undefined }): {
    readonly since: number;
    readonly wasDraining: boolean;
  };
  /** Undefined while the gateway does not drain. */
  since(): number | undefined;
  /** Resolves when the gateway has drained, and nothing is left. */
  readonly ended: Promise<void>;
  close(): void;
}

export interface DrainingParts {
  /** Closes the doors to new mail, for good. */
  readonly refuse: () => void;
  /** Nothing that was accepted is left. */
  readonly isEmpty: () => boolean;
  /** Ends the connections; resolves when no mail is being received any more. */
  readonly stopListening: () => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Pick<Log, "warn" | "info">;
}

/** A look costs nothing, and nobody waits for less. */
const LOOK_MS = 250;

export function createDraining(parts: DrainingParts): Draining {
  const { refuse, isEmpty, stopListening, clock, log } = parts;
  let begun: number | undefined;
  let timer: Timer | undefined;
  let isClosed = false;
  let finish: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    finish = resolve;
  });

  const look = (): void => {
    if (isClosed) return;
    if (isEmpty()) void lookOnceMore();
    else timer = clock.after(LOOK_MS, look);
  };

  /** A mail whose MAIL came before may still arrive, until the connections have ended. */
  const lookOnceMore = async (): Promise<void> => {
    await stopListening();
    if (isClosed) return;
    if (!isEmpty()) {
      timer = clock.after(LOOK_MS, look);
      return;
    }
    log.info("gateway.drained");
    finish();
  };

  return {
    begin({ reason, by }) {
      if (begun !== undefined) return { since: begun, wasDraining: true };
      begun = clock.now();
      refuse();
      log.warn("operator.draining", { reason, by });
      look();
      return { since: begun, wasDraining: false };
    },
    since: () => begun,
    ended,
    close() {
      isClosed = true;
      timer?.cancel();
    },
  };
}
