// The order in which every ledger goes through a batch, so that batches that overlap wait in one direction
// only (L11).
import type { ClaimRequest } from "./ledger.ts";

/** The indices of the requests in the order of their ids. */
export function inOrder(requests: readonly ClaimRequest[]): number[] {
  if (requests.length === 1) return [0];
  const indices = Array.from(requests, (_, index) => index);
  const id = (index: number) => (requests[index] as ClaimRequest).id;
  return indices.sort((a, b) => (id(a) < id(b) ? -1 : 1));
}
