// An operator pauses upstreams and resumes them, at a gateway that runs and at one that doesn't: what is paused is in the
// spool's store, which both have.
import type { OperatorPauses, PauseOrder, ResumeOrder } from "../dispatch/operator-pauses.ts";
import type { Log } from "../runtime/log.ts";

/** Times are as RFC 3339 writes them. */
export interface PausedUpstream {
  readonly name: string;
  readonly since: string;
  readonly until?: string | undefined;
  /** It was paused by an operator before this. */
  readonly wasPaused: boolean;
}

export interface ResumedUpstream {
  readonly name: string;
  /**
   * - paused: by an operator, which is over.
   * - failing: it took nothing. One mail is tried at once.
   * - running: there was nothing to resume.
   */
  readonly was: "paused" | "failing" | "running";
}

/** No upstream has this name; these have one. */
interface Unknown {
  readonly ok: false;
  readonly names: readonly string[];
}

export type Pausing = { readonly ok: true; readonly upstreams: readonly PausedUpstream[] } | Unknown;
export type Resuming = { readonly ok: true; readonly upstreams: readonly ResumedUpstream[] } | Unknown;

/** Both are for each upstream that there is, unless one is named; durable when they resolve. */
export interface PausingDesk {
  pause(upstream: string | undefined, order: PauseOrder): Promise<Pausing>;
  resume(upstream: string | undefined, order: ResumeOrder): Promise<Resuming>;
}

export interface PausingParts {
  /** Of the configuration. */
  readonly names: readonly string[];
  readonly pauses: OperatorPauses;
  /** See Dispatcher. */
  readonly tryNow: (upstreams: readonly string[]) => readonly string[];
  readonly log: Pick<Log, "warn">;
}

const timeOf = (ms: number): string => new Date(ms).toISOString();

export function createPausingDesk({ names, pauses, tryNow, log }: PausingParts): PausingDesk {
  const named = (upstream: string | undefined): readonly string[] =>
    upstream === undefined ? names : names.filter((name) => name === upstream);

  return {
    async pause(upstream, order) {
      const wanted = named(upstream);
      if (wanted.length === 0) return { ok: false, names };
      const before = await pauses.pause(wanted, order);
      return {
        ok: true,
        upstreams: wanted.map((name) => {
          const { since = 0, until } = pauses.of(name) ?? {};
          const end = until === undefined ? {} : { until: timeOf(until) };
          return { name, since: timeOf(since), ...end, wasPaused: before.has(name) };
        }),
      };
    },

    async resume(upstream, order) {
      const wanted = named(upstream);
      if (wanted.length === 0) return { ok: false, names };
      const paused = await pauses.resume(wanted, order);
      const failing = tryNow(wanted);
      if (failing.length > 0) log.warn("operator.tried", { upstreams: failing, ...order });
      const wasOf = (name: string): ResumedUpstream["was"] =>
        paused.has(name) ? "paused" : failing.includes(name) ? "failing" : "running";
      return { ok: true, upstreams: wanted.map((name) => ({ name, was: wasOf(name) })) };
    },
  };
}
