// What a gateway may hold after a run, against what it held when it was warm: code compiled, pools opened,
// caches filled. All of it is measured with nothing under way and the garbage collected.
import type { FuzzReport } from "./fuzz.ts";

/** Counters and compiled code; a leak of 100 octets a line would be 90 MB in a long run. */
const LIVE_GROWTH_OCTETS = 8_000_000;

/** The ledger's and the spool's store keep memory tables and caches of some MB each, and malloc keeps holes. */
const RESIDENT_GROWTH_OCTETS = 64_000_000;

export function memoryFaults({ warm, end }: FuzzReport["memory"]): string[] {
  const grown = { live: end.live - warm.live, resident: end.anonymous - warm.anonymous };
  return [
    ...(grown.live > LIVE_GROWTH_OCTETS ? [`live memory grew by ${grown.live} octets`] : []),
    ...(grown.resident > RESIDENT_GROWTH_OCTETS ? [`resident memory grew by ${grown.resident} octets`] : []),
  ];
}
