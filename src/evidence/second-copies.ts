// Which copies of one mail an upstream has, as far as this gateway's history proves it: what was sent again on purpose, or after
// the id had been forgotten or had expired, is another mail's. Pure.

import type { HistoryEvent } from "../history/history.ts";
import { CLOCKS_APART_MS } from "../runtime/clock.ts";

export interface ProvenCopies {
  /** What the upstream calls them, the one that was learned first before the others. */
  readonly names: readonly string[];
  /** How many second copies have been counted. */
  readonly counted: number;
}

/** Who else calls copies so. Names of two sources say nothing of one another: both may be of one copy. */
interface Named {
  readonly source: string;
  /** When the upstream took it; "here": an attempt of this gateway has its name. */
  readonly at: number | "here" | undefined;
}

/** From one sending on purpose to the next. */
interface Life {
  /** The history says how it began. Otherwise what ended the one before may be unknown. */
  readonly isWhole: boolean;
  /** Copies that were taken since then are of it, by the upstream's clock. */
  readonly since: number;
  /** Whatever is learned of its beginning, copies from before this are not of it. */
  readonly floor: number;
  readonly isRelayed: boolean;
  readonly names: ReadonlyMap<string, Named>;
  readonly counted: number;
}

const lifeFrom = (floor: number, isWhole = false): Life => ({
  ...{ isWhole, since: floor, floor, isRelayed: false, names: new Map(), counted: 0 },
});

/**
 * Of the mail that is under way, or was relayed last.
 *
 * @param events of one id, oldest first
 * @param sourceOf who says later what becomes of mails of an upstream, by the name that its answers have
 */
export function provenCopies(
  events: readonly HistoryEvent[],
  sourceOf: (upstream: string) => string | undefined,
): ProvenCopies {
  let life = lifeFrom(Number.NEGATIVE_INFINITY);
  const earlier = new Set<string>();
  for (const event of events) {
    const next = lifeAfter(event, life);
    if (next !== undefined) {
      for (const name of life.names.keys()) earlier.add(name);
      life = next;
    }
    life = noted(event, life, earlier, sourceOf);
  }
  const { isWhole, names, since, counted } = life;
  if (!isWhole) return { names: [], counted };
  const bySource = new Map<string, string[]>();
  for (const [name, { source, at }] of names) {
    if (at === "here" || (at !== undefined && at >= since)) {
      bySource.set(source, [...(bySource.get(source) ?? []), name]);
    }
  }
  const [most = []] = [...bySource.values()].sort((one, other) => other.length - one.length);
  return { names: most, counted };
}

/** The one that begins with this event. Copies of the minute after a decision may be of before it. */
function lifeAfter(event: HistoryEvent, { isRelayed, isWhole }: Life): Life | undefined {
  const { at } = event;
  switch (event.kind) {
    case "accepted":
      // The ledger has let it pass: the id had expired, or was forgotten at another gateway.
      return isRelayed ? lifeFrom(at - CLOCKS_APART_MS) : undefined;
    case "ended":
      return event.reason === "expired" ? lifeFrom(at + CLOCKS_APART_MS) : undefined;
    case "decision":
      if (event.next === "forgotten") return lifeFrom(at + CLOCKS_APART_MS);
      // The mail of these stays in the queue.
      if (event.decision === "retried") return lifeFrom(at + CLOCKS_APART_MS, isWhole);
      if (event.decision !== "not-relayed") return undefined;
      return lifeFrom(at + CLOCKS_APART_MS, isWhole && event.next === "queued");
    default:
      return undefined;
  }
}

function noted(
  event: HistoryEvent,
  life: Life,
  earlier: ReadonlySet<string>,
  sourceOf: (upstream: string) => string | undefined,
): Life {
  const named = (name: string | undefined, source: string | undefined, at: Named["at"]): Life => {
    if (name === undefined || source === undefined || earlier.has(name) || life.names.has(name)) return life;
    return { ...life, names: new Map([...life.names, [name, { source, at }]]) };
  };
  switch (event.kind) {
    case "accepted":
      return life.isWhole
        ? life
        : { ...life, isWhole: true, since: Math.max(life.floor, event.at - CLOCKS_APART_MS) };
    case "doubt": {
      // Nothing has ended it since that began.
      const since = Math.min(
        life.isWhole ? life.since : Number.POSITIVE_INFINITY,
        event.since - CLOCKS_APART_MS,
      );
      return { ...life, isWhole: true, since: Math.max(life.floor, since) };
    }
    case "attempt":
      return event.outcome === "accepted"
        ? { ...named(event.upstreamId, sourceOf(event.upstream), "here"), isRelayed: true }
        : life;
    case "evidence":
      return { ...named(event.upstreamId, event.source, event.takenAt), isRelayed: true };
    case "sent":
      return { ...named(event.upstreamId, event.source, event.happenedAt), isRelayed: true };
    case "decision":
      return { ...life, isRelayed: life.isRelayed || event.next === "relayed" };
    case "ended":
      return { ...life, isRelayed: life.isRelayed || event.reason === "dropped" };
    case "second_copy":
      return { ...life, counted: life.counted + 1 };
    default:
      return life;
  }
}
