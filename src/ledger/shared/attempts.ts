// What happens under a live claim: an attempt is noted in the engine before the upstream is called, and settled
// after it. A claim that another gateway has taken over is stale.
import type { Id } from "../../identity/message-id.ts";
import { formatDate } from "../../message/trace.ts";
import type { Counters } from "../../metrics/counters.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { StorageError } from "../../storage/storage.ts";
import type { Claims } from "../claims.ts";
import type { Claim, Settlement } from "../ledger.ts";
import type { Calls } from "./calls.ts";
import type { Claimer } from "./claiming.ts";
import type { GivingUp } from "./giving-up.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { Held, Writer } from "./held.ts";

/** As in Ledger. */
export interface Attempts {
  attempt(claim: Claim, firstDate: string): Promise<"attempted" | "stale">;
  settle(claim: Claim, settlement: Settlement): Promise<"settled" | "stale">;
}

export interface AttemptsParts {
  readonly calls: Calls;
  readonly writer: Writer;
  readonly claims: Claims<Held>;
  readonly claimer: Claimer;
  readonly givingUp: GivingUp;
  readonly heartbeat: Heartbeat;
  /** Ids attempted or doubtful, as far as this gateway knows. */
  readonly open: Set<Id>;
  readonly counters: Pick<Counters, "stale">;
  readonly clock: Clock;
  readonly log: Log;
}

export function createAttempts(parts: AttemptsParts): Attempts {
  const { calls, writer, claims, claimer, givingUp, heartbeat, open, counters, clock, log } = parts;

  /** The work in the claim's turn; "stale" when it is not live. */
  async function inTurn<T>(one: Claim, work: (entry: Held) => Promise<T | "stale">): Promise<T | "stale"> {
    const found = claims.live(one);
    const result =
      found === undefined
        ? "stale"
        : await claims.inTurn(found, async () => {
            const entry = claims.live(one);
            return entry === undefined ? "stale" : await work(entry);
          });
    if (result === "stale") counters.stale.add();
    return result;
  }

  async function attempt(entry: Held, firstDate: string): Promise<"attempted" | "stale"> {
    for (;;) {
      heartbeat.assertCurrent();
      // A later one would not show that nobody has taken over between the note and its answer.
      const { confirmedAt } = heartbeat;
      if (!(await writer.move(entry, "attempt", firstDate))) {
        if (!(await isClaimedAgain(entry))) return "stale";
        continue;
      }
      if (await wasRelayed(entry)) return "stale";
      open.add(entry.id);
      if (heartbeat.isFresh(confirmedAt)) return "attempted";
      // This process, or its connection, has been stopped for long: others may have taken over since.
      await heartbeat.confirm();
    }
  }

  async function settle(entry: Held, settlement: Settlement): Promise<"settled" | "stale"> {
    if (!(await writer.move(entry, settlement, formatDate(clock.now())))) {
      log.warn("ledger.settled_stale", { id: entry.id, settlement });
      claims.end(entry);
      return "stale";
    }
    if (settlement !== "relayed" && (await wasRelayed(entry))) return "stale";
    if (entry.doubt === undefined || settlement === "relayed") open.delete(entry.id);
    else open.add(entry.id);
    if (settlement === "relayed") claims.end(entry);
    return "settled";
  }

  /**
   * The record is not under the entry's fence any more. If another gateway has taken it over and given
   * it up, with nothing attempted, only this gateway has the mail, and the claim goes on.
   */
  async function isClaimedAgain(entry: Held): Promise<boolean> {
    heartbeat.assertCurrent();
    if (entry.doubt === undefined) {
      const claiming = await claimer.tryOne(entry);
      if (claiming.kind === "pending") {
        throw new StorageError("unavailable", `${entry.id} is being claimed by another gateway`);
      }
      if (claiming.kind === "claimed") return true;
      if (claiming.kind === "doubtful") await givingUp.release([entry]);
    }
    claims.end(entry);
    return false;
  }

  /**
   * To be asked after a change. A decision that it was relayed, whose answer was lost, has left the record without a
   * holder if it took effect. The change bars it from taking effect later, and has undone it if it came first: then
   * the record says relayed again, and the claim ends.
   */
  async function wasRelayed(entry: Held): Promise<boolean> {
    if (!entry.mayBeRelayed) return false;
    const record = await calls.read.ask(entry.key);
    if (record?.holder?.incarnation === heartbeat.incarnation) {
      entry.mayBeRelayed = false;
      return false;
    }
    if (!(await writer.move(entry, "relayed", "")))
      log.warn("ledger.settled_stale", { id: entry.id, settlement: "relayed" });
    open.delete(entry.id);
    claims.end(entry);
    return true;
  }

  return {
    attempt: (one, firstDate) => inTurn(one, (entry) => attempt(entry, firstDate)),
    settle: (one, settlement) => inTurn(one, (entry) => settle(entry, settlement)),
  };
}
