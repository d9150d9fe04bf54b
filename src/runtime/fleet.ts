// How many gateways share what an account or a server allows: those that share a ledger and are alive. Known
// only once the ledger is open, while upstreams are made before.

export interface Fleet {
  /** At least 1. */
  size(): number;
  /** What mails carry to name the ledger that these gateways share; see ledger-name.ts. */
  ledger?(): string | undefined;
}

export interface FollowingFleet extends Fleet {
  /** From now on as many as that says, with this ledger. */
  follow(size: () => number, ledger?: string): void;
}

export const alone: Fleet = { size: () => 1 };

export function createFleet(): FollowingFleet {
  let source = alone.size;
  let name: string | undefined;
  return {
    size: () => Math.max(1, source()),
    ledger: () => name,
    follow(size, ledger) {
      source = size;
      name = ledger;
    },
  };
}
