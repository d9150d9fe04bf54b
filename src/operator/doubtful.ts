// What an operator sees and decides of doubtful ids (P6), on the parts of a gateway that runs or of one
// that does not: both own ledger and spool, only the former has a queue.
import type { Id } from "../identity/message-id.ts";
import type { Claim, Ledger } from "../ledger/ledger.ts";
import type { SpooledTransmission, TransmissionKey } from "../spool/record.ts";
import type { Spool } from "../spool/spool.ts";

/** One doubtful id, for people and for programs. */
export interface DoubtfulEntry {
  readonly id: Id;
  /** Without a transmission in the spool these three are not known: the ledger keeps no addresses. */
  readonly messageId?: string;
  readonly recipient?: string;
  readonly attempts?: number;
  /** held: waits for a decision. retrying: will be relayed again. remembered: nothing in the spool. */
  readonly standing: "held" | "retrying" | "remembered";
  /** When it was last attempted or found doubtful, RFC 3339. */
  readonly since: string;
}

/** What became of it, as the operator knows: the upstream has the message, or certainly not. */
export type Decision = "relayed" | "not-relayed";

export type Resolution =
  | { readonly ok: true; readonly id: Id; readonly next: "relayed" | "queued" | "forgotten" }
  | { readonly ok: false; readonly fault: string };

export interface DoubtfulDesk {
  list(): Promise<DoubtfulEntry[]>;
  /** @param name an id, or a Message-ID with or without its angle brackets */
  resolve(name: string, decision: Decision): Promise<Resolution>;
}

/** A doubtful transmission of the spool. */
export interface SpooledDoubt {
  readonly key: TransmissionKey;
  readonly transmission: SpooledTransmission;
  /** Absent when no gateway runs: the desk claims it then. */
  readonly claim?: Claim;
}

export interface DeskParts {
  readonly ledger: Ledger;
  readonly spool: Spool;
  /** The doubtful transmissions of the spool, by id. */
  readonly spooled: () => Promise<ReadonlyMap<Id, SpooledDoubt>>;
  /** The doubt about the transmission has ended; "queued" when it is to be relayed after all. */
  readonly ended: (id: Id, next: "relayed" | "queued", doubt: SpooledDoubt) => Promise<void>;
}

export function createDoubtfulDesk({ ledger, spool, spooled, ended }: DeskParts): DoubtfulDesk {
  return {
    async list() {
      const transmissions = await spooled();
      return (await ledger.doubts()).map(({ id, changedAt }): DoubtfulEntry => {
        const known = transmissions.get(id)?.transmission;
        const since = new Date(changedAt).toISOString();
        if (known === undefined) return { id, standing: "remembered", since };
        const { messageId, recipient, attempts } = known;
        const standing = known.held === true ? "held" : "retrying";
        return { id, messageId, recipient, attempts, standing, since };
      });
    },

    async resolve(name, decision) {
      const id = idIn(name);
      const doubt = (await ledger.doubts()).find((one) => one.id === id);
      if (doubt === undefined) return { ok: false, fault: `${name} is not doubtful` };
      const found = (await spooled()).get(id);
      let claim = found?.claim;
      if (claim === undefined) {
        // Another gateway of a shared ledger has it; or it is on its way into this spool.
        if (doubt.claimed) return { ok: false, fault: `${name} is held by another gateway: decide there` };
        const [result] = await ledger.claim([{ id, digest: doubt.digest }]);
        if (result?.kind !== "doubtful") return { ok: false, fault: `${name} is not doubtful any more` };
        claim = result.claim;
      }
      const settled = await ledger.settle(claim, decision === "relayed" ? "relayed" : "cleared");
      if (settled === "stale") return { ok: false, fault: `${name} is not doubtful any more` };
      if (decision === "relayed") {
        if (found !== undefined) {
          await spool.remove(found.key);
          await ended(id, "relayed", found);
        }
        return { ok: true, id, next: "relayed" };
      }
      if (found === undefined) {
        await ledger.release([claim]);
        return { ok: true, id, next: "forgotten" };
      }
      await ended(id, "queued", found);
      return { ok: true, id, next: "queued" };
    },
  };
}

/** The id in an id, a Message-ID, or a Message-ID in angle brackets. */
const idIn = (name: string): Id => name.trim().replace(/^</, "").split("@")[0]?.split(".")[0] ?? "";
