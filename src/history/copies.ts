// The copies that upstreams have taken last, and what was said of each since: in memory, from the end of their attempts on.
// So what an upstream says of every mail within the next minute costs no read of the disk.
import type { Id } from "../identity/message-id.ts";
import type { HistoryEvent } from "./history.ts";

export interface Copies {
  note(id: Id, event: HistoryEvent): void;
  /** All that was ever noted of the copy that an upstream calls so; undefined where that is not known here. */
  of(id: Id, upstreamId: string | undefined): readonly HistoryEvent[] | undefined;
}

interface Copy {
  readonly id: Id;
  readonly events: HistoryEvent[];
}

/** Those of a minute, where hundreds of mails go each second; 7 MB. */
const COPIES_MAX = 20_000;

export function createCopies(): Copies {
  /** By the upstream's name; the oldest first. */
  const copies = new Map<string, Copy>();

  return {
    note(id, event) {
      if (!("upstreamId" in event) || event.upstreamId === undefined) return;
      const { upstreamId } = event;
      // Nothing is said of it before its attempt has ended: see evidence.ts.
      if (event.kind === "attempt") {
        copies.delete(upstreamId);
        copies.set(upstreamId, { id, events: [event] });
        const [oldest] = copies.keys();
        if (copies.size > COPIES_MAX && oldest !== undefined) copies.delete(oldest);
        return;
      }
      const copy = copies.get(upstreamId);
      if (copy?.id === id) copy.events.push(event);
    },
    of(id, upstreamId) {
      const copy = upstreamId === undefined ? undefined : copies.get(upstreamId);
      return copy?.id === id ? copy.events : undefined;
    },
  };
}
