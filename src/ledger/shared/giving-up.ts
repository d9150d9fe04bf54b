// Giving claims up: in the engine, and in the memory of this gateway.
import type { Claims } from "../claims.ts";
import { everyOne } from "../every-one.ts";
import type { Claim } from "../ledger.ts";
import type { Calls } from "./calls.ts";
import type { Held, Writer } from "./held.ts";
import type { Leavings } from "./leavings.ts";

export interface GivingUp {
  /** Gives up in the engine what the entries hold; the entries stay. */
  giveBack(entries: readonly Held[]): Promise<void>;
  /**
   * So too when the engine does not answer: it gets the changes later, and nothing goes on under these claims. To be
   * called in their turn.
   */
  release(entries: readonly Held[]): Promise<void>;
  /**
   * Relaying it was not answered. It may count as relayed by now, others may have seen that, and it must not be undone: it is
   * relayed again and again until that is answered. To be called in its turn.
   */
  relayLater(entry: Held): void;
  /** Releases those of the claims that are live, each in its turn. */
  releaseAll(batch: readonly Claim[]): Promise<void>;
}

export interface GivingUpParts {
  readonly calls: Calls;
  readonly writer: Writer;
  readonly claims: Claims<Held>;
  readonly leavings: Leavings;
}

export function createGivingUp({ calls, writer, claims, leavings }: GivingUpParts): GivingUp {
  async function giveBackOne(entry: Held): Promise<void> {
    const change = writer.releasing(entry);
    try {
      await calls.change.ask(change);
    } catch (error) {
      leavings.change(entry.id, change);
      throw error;
    }
  }

  async function giveBack(entries: readonly Held[]): Promise<void> {
    await everyOne(entries.map(giveBackOne));
  }

  async function release(entries: readonly Held[]): Promise<void> {
    try {
      await giveBack(entries);
    } finally {
      for (const entry of entries) claims.end(entry);
    }
  }

  async function releaseLive(one: Claim): Promise<void> {
    const found = claims.live(one);
    if (found === undefined) return;
    await claims.inTurn(found, async () => {
      const entry = claims.live(one);
      if (entry !== undefined) await release([entry]);
    });
  }

  return {
    giveBack,
    release,
    relayLater(entry) {
      leavings.change(entry.id, writer.relaying(entry));
      claims.end(entry);
    },
    async releaseAll(batch) {
      await everyOne(batch.map(releaseLive));
    },
  };
}
