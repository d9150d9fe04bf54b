// An operator forgets a relayed id, so that its task may send again (docs/decisions/0014-forget.md). The ledger makes the
// decision; refused is what this gateway's spool has, also when it only waits for its report.
import type { HistoryNotes } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { Forgotten, Ledger, Looked } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import { idIn } from "./id-in.ts";

export type Forgetting =
  | {
      readonly ok: true;
      readonly id: Id;
      /** RFC 3339. Left out where a new mail has the id already. */
      readonly relayedAt?: string;
      /** It was forgotten before. */
      readonly wasForgotten: boolean;
    }
  | { readonly ok: false; readonly why: WhyNot; readonly fault: string };

/** unnamed: what was named is no id. queued: this gateway's spool has it. The others are the ledger's. */
export type WhyNot = "unnamed" | "queued" | Exclude<Forgotten, "forgotten">;

export interface ForgetOrder {
  /** Says what would happen, and changes nothing. */
  readonly dryRun?: boolean | undefined;
  /** For the log. */
  readonly reason?: string | undefined;
  /** Whose token it was, for the log; nobody's on the operator's socket. */
  readonly by?: string | undefined;
}

export interface ForgetDesk {
  /** @param name an id, or a Message-ID with or without its angle brackets */
  forget(name: string, order: ForgetOrder): Promise<Forgetting>;
}

export interface ForgetParts {
  readonly ledger: Pick<Ledger, "forget" | "look">;
  /** Whether this gateway's spool has a transmission with this id. */
  readonly isSpooled: (id: Id) => boolean;
  readonly history: Pick<HistoryNotes, "decided">;
  readonly log: Log;
}

export function createForgetDesk({ ledger, isSpooled, history, log }: ForgetParts): ForgetDesk {
  return {
    async forget(name, { dryRun, reason, by }) {
      const id = idIn(name);
      if (id === undefined) return refusal(name, "unnamed");
      if (isSpooled(id)) return refusal(name, "queued");
      const looked = await ledger.look(id);
      const said = dryRun === true ? wouldBe(looked) : await ledger.forget(id);
      if (said !== "forgotten") return refusal(name, said, looked);
      const relayed = "at" in looked ? { relayedAt: new Date(looked.at).toISOString() } : {};
      const wasForgotten = looked.state === "forgotten";
      if (dryRun !== true) {
        // Each time: an earlier command may have been killed before it said so.
        log.warn("operator.forgotten", { id, ...relayed, reason, by });
        history.decided(id, { decision: "forget", reason, next: "forgotten" });
      }
      return { ok: true, id, ...relayed, wasForgotten };
    },
  };
}

/** What the ledger would say. */
function wouldBe(looked: Looked): Forgotten {
  switch (looked.state) {
    case "relayed":
    case "forgotten":
      return "forgotten";
    case "absent":
      return "nothing";
    case "claimed":
    case "queued":
    case "attempted":
      return looked.holder === "elsewhere" ? "elsewhere" : "busy";
    default:
      return looked.holder === "elsewhere" ? "elsewhere" : "undecided";
  }
}

const FAULTS: Readonly<Record<WhyNot, string>> = {
  unnamed: "is no id, and no Message-ID of this gateway",
  queued: "is still in the queue of this gateway",
  nothing: "is not relayed, as far as is known: there is nothing to forget",
  busy: "is on its way, try again",
  undecided: "is doubtful: decide first, with `mailonce doubtful resolve`",
  elsewhere: "is held by another gateway",
};

function refusal(name: string, why: WhyNot, looked?: Looked): Forgetting {
  const other =
    looked !== undefined && "gateway" in looked && why === "elsewhere" ? ` (${looked.gateway})` : "";
  return { ok: false, why, fault: `${name} ${FAULTS[why]}${other}` };
}
