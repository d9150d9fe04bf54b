// Lists doubtful ids for an operator, and carries out their decisions (P6). It works on the parts of a
// gateway that runs or of one that doesn't: both own ledger and spool, only the former has a queue. The
// ledger makes the decision (the two decisions in the table of ledger/protocol.ts); the consequence for the
// spool is the same either way.

import type { DoubtfulPolicy } from "../dispatch/doubt.ts";
import type { SettlingParts } from "../evidence/evidence.ts";
import type { HistoryNotes } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { Decision, Doubt, Ledger } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import type { Page, PageRequest } from "../runtime/page.ts";
import type { SpooledTransmission, TransmissionKey } from "../spool/record.ts";
import type { Spool } from "../spool/spool.ts";
import { oldestOf } from "./doubts-page.ts";
import { idIn } from "./id-in.ts";
import { type Listens, listensOf } from "./listens.ts";

export type { Decision };

/** One doubtful id, for people and for programs. */
export interface DoubtfulEntry extends Listens {
  readonly id: Id;
  /** Without a transmission in the spool these are not known: the ledger keeps no addresses. */
  readonly messageId?: string;
  readonly recipient?: string;
  readonly attempts?: number;
  /** Which gave no answer. */
  readonly lastUpstream?: string;
  /**
   * - held: waits for evidence or a decision.
   * - retrying: will be relayed again.
   * - elsewhere: another gateway that lives has it.
   * - remembered: nothing in any spool that is known of.
   */
  readonly standing: "held" | "retrying" | "elsewhere" | "remembered";
  /** When it was last attempted or found doubtful, RFC 3339. */
  readonly since: string;
}

/** A decision that was made, and the id's new state. */
interface Made {
  readonly ok: true;
  readonly id: Id;
  readonly next: "relayed" | "queued" | "forgotten";
}

export type Resolution = Made | { readonly ok: false; readonly fault: string };

export interface DoubtfulDesk {
  list(): Promise<DoubtfulEntry[]>;
  /**
   * @param name an id, or a Message-ID with or without its angle brackets
   * @param reason for the log
   * @param by whose token it was, for the log; nobody's on the operator's socket
   */
  resolve(name: string, decision: Decision, reason?: string, by?: string): Promise<Resolution>;
}

export interface DoubtsRequest extends PageRequest {
  /** In doubt since then or longer; milliseconds since the epoch. */
  readonly until?: number | undefined;
  /** Without what another gateway has, which is decided there. */
  readonly isOurs?: true | undefined;
}

/** For a look at some of many. */
export interface DoubtfulGlance {
  /** The oldest first; `total` of all that are meant. @throws RangeError for a cursor that is none */
  oldest(request: DoubtsRequest): Promise<Page<DoubtfulEntry> & { readonly total: number }>;
}

/** A doubtful transmission of the spool. */
export interface SpooledDoubt {
  readonly key: TransmissionKey;
  readonly transmission: SpooledTransmission;
}

/** How a decision is made and carried out; see dispatch/decisions.ts, dispatch/resolutions.ts and offline.ts. */
export interface DecisionParts extends SettlingParts {
  /** As `make`, that it was not relayed: "busy" while work is under way, which it keeps out. */
  readonly makeApart: SettlingParts["make"];
  /** What was decided as not relayed is due. */
  decidedNotRelayed(id: Id): Promise<void>;
  /** Another gateway has it. */
  decidedElsewhere(id: Id): void;
}

export interface DeskParts {
  readonly ledger: Pick<Ledger, "doubts" | "decide">;
  readonly spool: Pick<Spool, "read">;
  /** The doubtful transmission of the spool with this id. */
  readonly spooled: (id: Id) => SpooledDoubt | undefined;
  readonly decisions: DecisionParts;
  readonly history: Pick<HistoryNotes, "decided">;
  readonly log: Log;
  /** What happens to what is in doubt. */
  readonly policy: DoubtfulPolicy;
  /** Log the recipient. */
  readonly addresses: boolean;
  /** Called after each decision. */
  readonly resolved?: () => void;
}

export function createDoubtfulDesk(parts: DeskParts): DoubtfulDesk & DoubtfulGlance {
  const { ledger, spool, spooled, decisions, history, log, policy, addresses } = parts;

  /** For the log; fields that can't be read are left out, since the decision is made. */
  const taskOf = async ({ key }: SpooledDoubt): Promise<string | undefined> => {
    const mail = await spool.read(key).catch(() => undefined);
    return mail?.kind === "whole" ? mail.submission.task : undefined;
  };

  const entryOf = ({ id, changedAt, claimed }: Doubt): DoubtfulEntry => {
    const known = spooled(id)?.transmission;
    const since = new Date(changedAt).toISOString();
    if (known === undefined) return { id, standing: claimed ? "elsewhere" : "remembered", since };
    const { messageId, recipient, attempts, lastUpstream } = known;
    const silent = lastUpstream === undefined ? {} : { lastUpstream };
    const standing = known.held === true ? "held" : "retrying";
    const listens = listensOf(known, policy);
    return { id, messageId, recipient, attempts, ...silent, standing, ...listens, since };
  };

  return {
    list: async () => (await ledger.doubts()).map(entryOf),

    async oldest({ until = Number.POSITIVE_INFINITY, isOurs, ...page }) {
      const isMeant = ({ id, changedAt, claimed }: Doubt): boolean =>
        changedAt <= until && (isOurs !== true || !claimed || spooled(id) !== undefined);
      const { items, ...more } = oldestOf(await ledger.doubts(), page, isMeant);
      return { items: items.map(entryOf), ...more };
    },

    async resolve(name, decision, reason, by) {
      const id = idIn(name);
      if (id === undefined) return { ok: false, fault: `${name} is not doubtful` };
      let next: Made["next"] = "relayed";
      const make = decision === "relayed" ? decisions.make : decisions.makeApart;
      const decided = await make(
        id,
        () => ledger.decide(id, decision),
        async (made) => {
          if (made === "elsewhere") decisions.decidedElsewhere(id);
          if (made === "nothing" || made === "busy" || made === "elsewhere") return;
          const found = spooled(id);
          const known = found?.transmission;
          if (made === "absent" && found === undefined) next = "forgotten";
          else if (made !== "relayed") next = "queued";
          log.warn("operator.resolved", {
            ...{ id, messageId: known?.messageId, recipient: addresses ? known?.recipient : undefined },
            ...{ task: found && (await taskOf(found)), decision, reason, by, next },
          });
          history.decided(id, { decision, reason, next });
          parts.resolved?.();
          if (made === "relayed") await decisions.decidedRelayed(id);
          else await decisions.decidedNotRelayed(id);
        },
      );
      if (decided === "nothing" || decided === "busy" || decided === "elsewhere") {
        return refusal(name, decided);
      }
      return { ok: true, id, next };
    },
  };
}

const FAULTS = {
  nothing: "is not doubtful: there is nothing to decide",
  busy: "is being attempted, try again",
  elsewhere: "is held by another gateway: decide there",
} as const;

const refusal = (name: string, said: keyof typeof FAULTS): Resolution => ({
  ok: false,
  fault: `${name} ${FAULTS[said]}`,
});
