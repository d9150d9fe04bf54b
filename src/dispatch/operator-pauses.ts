// Upstreams that an operator has paused: nothing is attempted there until they resume it, or its time is over. Kept in the
// spool's store, so that a restart changes nothing.
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";

export interface OperatorPause {
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** When it ends by itself, milliseconds since the epoch. Absent: never. */
  readonly until?: number;
  readonly reason?: string | undefined;
  /** Whose token it was; absent on the operator's socket. */
  readonly by?: string | undefined;
}

export interface PauseOrder {
  /** How long; without end when left out. */
  readonly forMs?: number | undefined;
  readonly reason?: string | undefined;
  /** See OperatorPause. */
  readonly by?: string | undefined;
}

export type ResumeOrder = Pick<PauseOrder, "reason" | "by">;

export interface OperatorPauses {
  of(upstream: string): OperatorPause | undefined;
  /**
   * No attempt begins at these upstreams from the call on; durable when it resolves. One that is paused already is paused
   * anew: since when stays. On rejection all is as before.
   *
   * @returns the pauses before this, by name
   */
  pause(upstreams: readonly string[], order: PauseOrder): Promise<ReadonlyMap<string, OperatorPause>>;
  /** Durable when it resolves. @returns the pauses that it has ended, by name */
  resume(upstreams: readonly string[], order: ResumeOrder): Promise<ReadonlyMap<string, OperatorPause>>;
  /** Its timers end. */
  close(): void;
}

/** Where they are kept, as a text. */
export interface PausesNote {
  pauses(): Promise<string | undefined>;
  /** Durable when it resolves. */
  notePauses(text: string): Promise<void>;
}

export interface OperatorPausesParts {
  readonly note: PausesNote;
  readonly clock: Clock;
  readonly log: Pick<Log, "warn" | "error">;
  /** A pause is over. */
  readonly over: () => void;
}

/** A longer timer would end early: a process counts its milliseconds in 31 bits. */
const TIMER_MAX_MS = 24 * 60 * 60_000;

/** The last time that a Date can have, milliseconds since the epoch. */
const TIME_MAX = 8_640_000_000_000_000;

/** Reads what is noted; a pause whose time was over while no gateway ran ends now. Rejects with a StorageError. */
export async function openOperatorPauses(parts: OperatorPausesParts): Promise<OperatorPauses> {
  const { note, clock, log, over } = parts;
  const text = await note.pauses();
  const pauses = new Map<string, OperatorPause>(
    text === undefined ? [] : Object.entries(JSON.parse(text) as Record<string, OperatorPause>),
  );
  const timers = new Map<string, Timer>();
  /** One change after the other, so that what is noted last is what holds. */
  let last: Promise<unknown> = Promise.resolve();

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  };

  const save = (kept: ReadonlyMap<string, OperatorPause>): Promise<void> =>
    note.notePauses(JSON.stringify(Object.fromEntries(kept)));

  const those = (upstreams: readonly string[]): ReadonlyMap<string, OperatorPause> =>
    new Map([...pauses].filter(([upstream]) => upstreams.includes(upstream)));

  const set = (upstream: string, pause: OperatorPause | undefined): void => {
    timers.get(upstream)?.cancel();
    timers.delete(upstream);
    if (pause === undefined) {
      pauses.delete(upstream);
      return;
    }
    pauses.set(upstream, pause);
    if (pause.until !== undefined) endAfter(upstream, pause, Math.max(0, pause.until - clock.now()));
  };

  /** By time that passes: to set the clock changes nothing. */
  function endAfter(upstream: string, pause: OperatorPause, leftMs: number): void {
    const partMs = Math.min(leftMs, TIMER_MAX_MS);
    const timer = clock.after(partMs, () => {
      if (leftMs > partMs) endAfter(upstream, pause, leftMs - partMs);
      else void end(upstream, pause);
    });
    timers.set(upstream, timer);
  }

  /** Its time is over. That need not be durable: a start sees it from the time. */
  const end = (upstream: string, pause: OperatorPause): Promise<void> =>
    inTurn(async () => {
      if (pauses.get(upstream) !== pause) return;
      set(upstream, undefined);
      log.warn("operator.resumed", { upstreams: [upstream], reason: TIME_IS_OVER });
      over();
      await save(pauses);
    }).catch((error: unknown) => log.error("spool.unavailable", { error: String(error) }));

  for (const [upstream, pause] of [...pauses]) set(upstream, pause);

  return {
    of: (upstream) => pauses.get(upstream),

    pause: (upstreams, { forMs, ...about }) =>
      inTurn(async () => {
        const before = those(upstreams);
        const now = clock.now();
        const until = forMs === undefined ? undefined : Math.min(now + forMs, TIME_MAX);
        for (const upstream of upstreams) {
          const since = before.get(upstream)?.since ?? now;
          set(upstream, { since, ...(until === undefined ? {} : { until }), ...about });
        }
        try {
          await save(pauses);
        } catch (error) {
          for (const upstream of upstreams) set(upstream, before.get(upstream));
          over();
          throw error;
        }
        const end = until === undefined ? undefined : new Date(until).toISOString();
        log.warn("operator.paused", { upstreams, until: end, ...about });
        return before;
      }),

    resume: (upstreams, about) =>
      inTurn(async () => {
        const ended = those(upstreams);
        if (ended.size === 0) return ended;
        await save(new Map([...pauses].filter(([upstream]) => !ended.has(upstream))));
        for (const upstream of ended.keys()) set(upstream, undefined);
        log.warn("operator.resumed", { upstreams: [...ended.keys()], ...about });
        over();
        return ended;
      }),

    close() {
      for (const timer of timers.values()) timer.cancel();
    },
  };
}

const TIME_IS_OVER = "the time of the pause is over";
