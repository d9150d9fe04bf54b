// How every ledger claims a batch: an id that another claim of this process holds is waited for until that claim is
// accepted or ended; all others are reserved in memory. A ledger looks an id up when it reserves it, or all of them
// together at the end. A batch that fails claims nothing.
import { type Claims, type Entry, repeatOf } from "./claims.ts";
import type { ClaimRequest, ClaimResult } from "./ledger.ts";

/** What a ledger does about one batch. */
export interface BatchSteps<Live extends Entry> {
  /** Reserves the id, which has no live claim. From the call on it has one. */
  reserve(request: ClaimRequest): Live;
  /**
   * What has been reserved is looked up, in the order of the ids, and the entries of repeats have ended. Without a
   * promise where nothing has to be waited for.
   */
  lookUp(reserved: readonly Live[]): readonly ClaimResult[] | Promise<readonly ClaimResult[]>;
  /** The batch has failed, and the entry has ended. */
  failed?(entry: Live): void;
}

/** Rejects as a whole, with nothing claimed. */
export async function claimBatch<Live extends Entry>(
  claims: Claims<Live>,
  requests: readonly ClaimRequest[],
  steps: BatchSteps<Live>,
): Promise<ClaimResult[]> {
  const results: ClaimResult[] = new Array(requests.length);
  const reserved: Live[] = [];
  /** Of the reserved, where their results belong. */
  const places: number[] = [];
  try {
    for (const index of inOrder(requests)) {
      const request = requests[index] as ClaimRequest;
      let held = claims.get(request.id);
      while (held !== undefined && !held.isAccepted) {
        await claims.changed(held);
        // Others have waited too, and one of them may have been faster.
        held = claims.get(request.id);
      }
      if (held === undefined) {
        reserved.push(steps.reserve(request));
        places.push(index);
      } else {
        results[index] = repeatOf(held);
      }
    }
    const found = steps.lookUp(reserved);
    const own = found instanceof Promise ? await found : found;
    places.forEach((index, at) => {
      results[index] = own[at] as ClaimResult;
    });
    return results;
  } catch (error) {
    for (const entry of reserved) {
      claims.end(entry);
      steps.failed?.(entry);
    }
    throw error;
  }
}

/** The indices of the requests in the order of their ids: batches that overlap then wait in one direction only. */
function inOrder(requests: readonly ClaimRequest[]): number[] {
  if (requests.length === 1) return [0];
  const indices = Array.from(requests, (_, index) => index);
  const id = (index: number) => (requests[index] as ClaimRequest).id;
  return indices.sort((a, b) => (id(a) < id(b) ? -1 : 1));
}
