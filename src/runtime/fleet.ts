// How many gateways share what an account or a server allows: those that share a ledger and are alive. Known
// only once the ledger is open, while upstreams are made before.

export interface Fleet {
  /** At least 1. */
  size(): number;
}

export interface FollowingFleet extends Fleet {
  /** From now on as many as that says. */
  follow(size: () => number): void;
}

export const alone: Fleet = { size: () => 1 };

export function createFleet(): FollowingFleet {
  let source = alone.size;
  return {
    size: () => Math.max(1, source()),
    follow(size) {
      source = size;
    },
  };
}
