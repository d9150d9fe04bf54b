// What shows later that an upstream took a mail ends the doubt about it: its id is relayed, durably, and its transmission
// leaves the spool. It knows no upstream: who reads events of one hands them in as an id and a proof.
import type { HistoryEvent, HistoryNotes, HistoryReader } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { Decided, Ledger } from "../ledger/ledger.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Log } from "../runtime/log.ts";
import type { Page } from "../runtime/page.ts";
import type { SpooledTransmission } from "../spool/record.ts";
import { StorageError } from "../storage/storage.ts";
import type { Fate } from "./fate.ts";
import type { Telling } from "./telling.ts";

/** What shows that an upstream took a mail. */
export interface Proof {
  /** What the upstream calls its copy: two of them for one id are a second copy. */
  readonly upstreamId?: string;
  /** When it was taken, milliseconds since the epoch, as the upstream says. */
  readonly at?: number;
  /** Where the id was found: a header field may be a client's own, so it counts for a mail with a task only. */
  readonly from: "tag" | "header";
  /** What became of the mail, and when, milliseconds since the epoch; where the proof says it. */
  readonly fate?: Fate;
  readonly happenedAt?: number;
  /** Who says so, for log and history, such as "ses". */
  readonly source: string;
  /** Whose token it was, for the log, where it came over HTTP. */
  readonly by?: string;
}

/**
 * - settled: the id was in doubt, and is relayed now, durably.
 * - known: there was nothing to settle.
 * - busy: an attempt or a decision about the id is under way; or it is in doubt, the proof is a header field, and this gateway
 *   does not know whether its mail has a task. Nothing is kept: ask again, if there are several gateways any of them.
 * - away: the ledger can't be asked, for this id or any other. Nothing is kept: ask again.
 */
export type Taken = "settled" | "known" | "busy" | "away";

/** The evidence is still of use: who has it asks again. */
export const isToAskAgain = (taken: string): taken is "busy" | "away" => taken === "busy" || taken === "away";

export interface Evidence {
  /** @param id an id; anything else throws */
  take(id: Id, proof: Proof): Promise<Taken>;
}

/** How a doubt is settled: dispatch/decisions.ts, dispatch/resolutions.ts and operator/offline.ts, which decides nothing by evidence. */
export interface SettlingParts {
  /** It is being attempted, or policy or an operator's order acts on it: the result is not known yet. */
  isBusy(id: Id): boolean;
  /** Calls the ledger, and then what carries the decision out. */
  make(
    id: Id,
    decide: () => Promise<Decided>,
    carryOut: (decided: Decided) => Promise<void>,
  ): Promise<Decided>;
  /** What was decided as relayed leaves the spool, or will. */
  decidedRelayed(id: Id): Promise<void>;
}

export interface EvidenceParts {
  readonly ledger: Pick<Ledger, "prove" | "look">;
  readonly decisions: SettlingParts;
  /** The doubtful transmission of the spool with this id. */
  readonly doubtful: (id: Id) => SpooledTransmission | undefined;
  readonly history: Pick<HistoryNotes, "settled"> & Pick<HistoryReader, "ofId">;
  readonly telling: Telling;
  readonly counters: Pick<Counters, "doubtfulResolved">;
  readonly log: Log;
  /** Log the recipient. */
  readonly addresses: boolean;
}

/** A history that can't be read knows nothing. */
function unknownOf(error: unknown): undefined {
  if (!(error instanceof StorageError)) throw error;
}

/** Events of an id that are read at once: it has some twenty in a day of retries. */
const EVENTS_AT_ONCE = 100;

export function createEvidence(parts: EvidenceParts): Evidence {
  const { ledger, decisions, doubtful, history, telling, counters, log, addresses } = parts;

  /** The spool says so, or else the history. Undefined: it is not known here. */
  const hasTask = async (id: Id): Promise<boolean | undefined> => {
    const known = doubtful(id);
    if (known !== undefined) return known.unkeyed !== true;
    let isKnown = false;
    let cursor: string | undefined;
    do {
      const page: Page<HistoryEvent> | undefined = await history
        .ofId(id, { limit: EVENTS_AT_ONCE, cursor })
        .catch(unknownOf);
      if (page === undefined) return undefined;
      const accepted = page.items.filter((event) => event.kind === "accepted");
      if (accepted.some(({ task }) => task !== undefined)) return true;
      isKnown ||= accepted.length > 0;
      cursor = page.next;
    } while (cursor !== undefined);
    return isKnown ? false : undefined;
  };

  /** What is answered to a header field, which only proves something of a task's mail; undefined: it does. */
  const unproven = async (id: Id): Promise<Taken | undefined> => {
    const isOfTask = await hasTask(id);
    if (isOfTask === true) return undefined;
    if (isOfTask === false) return "known";
    // The gateway that has accepted it knows, and is asked in some turn.
    return "firstDate" in (await ledger.look(id)) ? "busy" : "known";
  };

  const carryOut = async (id: Id, { source, upstreamId, at, by }: Proof): Promise<void> => {
    const known = doubtful(id);
    log.info("evidence.settled", {
      ...{ id, messageId: known?.messageId, recipient: addresses ? known?.recipient : undefined },
      ...{ source, upstreamId, takenAt: at, by },
    });
    history.settled(id, { source, upstreamId, takenAt: at });
    counters.doubtfulResolved.add("evidence");
    await decisions.decidedRelayed(id);
  };

  return {
    async take(id, proof) {
      // What comes of an attempt is not known yet, and the proof may be of this one.
      if (decisions.isBusy(id)) return "busy";
      try {
        const unproved = proof.from === "header" ? await unproven(id) : undefined;
        if (unproved !== undefined) return unproved;
        const proved = await decisions.make(
          id,
          () => ledger.prove(id, proof.at),
          async (decided) => {
            if (decided === "relayed") await carryOut(id, proof);
          },
        );
        if (proved === "busy") return "busy";
        await telling.tell(id, proof, proved === "relayed");
        return proved === "relayed" ? "settled" : "known";
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        log.debug("evidence.later", { id, error: String(error) });
        // A record that can't be read is one id's fault.
        return error.code === "damaged" ? "busy" : "away";
      }
    },
  };
}
