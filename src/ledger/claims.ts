// The live claims of one process, and the calls that wait for them. In memory only: a claim ends with its process.
import type { Id } from "../identity/message-id.ts";
import { decodeBase32 } from "../runtime/base32.ts";
import { StorageError } from "../storage/storage.ts";
import type { Claim, ClaimRequest, ClaimResult } from "./ledger.ts";

/** A live claim, from before its look-up until it is settled as relayed or released. */
export interface Entry {
  readonly id: Id;
  /** The 20 octets of the id. */
  readonly key: Uint8Array;
  /** 0 while a shared ledger's engine is asked. */
  fence: number;
  readonly digest: Uint8Array;
  /** See ClaimRequest; minus infinity when every relayed id counts. Later, once it has passed what was forgotten. */
  since: number;
  /** See ClaimRequest. So is every claim once it is the spool's. */
  isAgain: boolean;
  isAccepted: boolean;
  /** Accepted, and its client waits for the verdict. */
  isAwaited: boolean;
  waiters: Waiter[] | undefined;
  /** An event is being made durable; the next one waits. */
  isInTurn: boolean;
  turns: (() => void)[] | undefined;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
}

export interface Claims<Live extends Entry> {
  readonly size: number;
  get(id: Id): Live | undefined;
  /** The entry of this claim; undefined when the claim is stale. */
  live(claim: Claim): Live | undefined;
  /** The id has no live claim. From the call on it has one. */
  begin(request: ClaimRequest, fence: number): Live;
  accept(entry: Live, isAwaited: boolean): void;
  /** Ends it if it has not ended, and wakes what waits for it. */
  end(entry: Live): void;
  /** Resolves once the entry is accepted or ended; rejects when the ledger is closed before. */
  changed(entry: Live): Promise<void>;
  /**
   * Runs the work when no other work of this claim is under way: what an event makes of an id depends on what the
   * one before has made of it. The claim may have ended by then.
   */
  inTurn<T>(entry: Live, work: () => Promise<T>): Promise<T>;
  all(): Iterable<Live>;
  /** Ends all waiting with an error. */
  close(): void;
}

/** @param begun what a ledger knows of a new claim beside the entry itself */
export function createClaims<More extends object>(begun: () => More): Claims<Entry & More> {
  type Live = Entry & More;
  const entries = new Map<Id, Live>();

  function wake(entry: Live): void {
    const { waiters } = entry;
    entry.waiters = undefined;
    if (waiters !== undefined) for (const waiter of waiters) waiter.resolve();
  }

  return {
    get size() {
      return entries.size;
    },
    get: (id) => entries.get(id),
    live(claim) {
      const entry = entries.get(claim.id);
      return entry?.fence === claim.fence ? entry : undefined;
    },
    begin({ id, digest, since = Number.NEGATIVE_INFINITY, again = false }, fence) {
      const own: Entry = {
        id,
        key: decodeBase32(id),
        fence,
        digest,
        since,
        isAgain: again,
        isAccepted: false,
        isAwaited: false,
        waiters: undefined,
        isInTurn: false,
        turns: undefined,
      };
      // A literal that spreads an object and goes on is eighty times as slow: four microseconds.
      const entry: Live = Object.assign(own, begun());
      entries.set(id, entry);
      return entry;
    },
    accept(entry, isAwaited) {
      entry.isAccepted = true;
      entry.isAwaited = isAwaited;
      wake(entry);
    },
    end(entry) {
      if (entries.get(entry.id) !== entry) return;
      entries.delete(entry.id);
      wake(entry);
    },
    changed: (entry) =>
      new Promise((resolve, reject) => {
        entry.waiters ??= [];
        entry.waiters.push({ resolve, reject });
      }),
    async inTurn(entry, work) {
      while (entry.isInTurn) {
        await new Promise<void>((resolve) => {
          entry.turns ??= [];
          entry.turns.push(resolve);
        });
      }
      entry.isInTurn = true;
      try {
        return await work();
      } finally {
        entry.isInTurn = false;
        const { turns } = entry;
        entry.turns = undefined;
        if (turns !== undefined) for (const next of turns) next();
      }
    },
    all: () => entries.values(),
    close() {
      const error = new StorageError("unavailable", "the ledger has been closed");
      for (const entry of entries.values()) {
        for (const waiter of entry.waiters ?? []) waiter.reject(error);
        entry.waiters = undefined;
      }
    },
  };
}

/** The answer to a claim of an id whose claim is live and accepted. */
export const repeatOf = ({ isAwaited, digest }: Entry): ClaimResult => ({
  kind: "repeat",
  standing: isAwaited ? "awaited" : "underway",
  digest,
});
