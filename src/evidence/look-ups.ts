// Where several gateways share a ledger, evidence that one of them gets settles what another one holds. The holder finds
// that out here: it looks up what it holds in doubt, and takes out what is settled.
import type { HistoryNotes } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { Claim, Ledger } from "../ledger/ledger.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { SpooledTransmission } from "../spool/record.ts";
import type { DecisionParts } from "./evidence.ts";

/** How long a mail at most stays in the spool after it was settled elsewhere. */
const EVERY_MS = 30_000;

/** Reads at once: an engine takes many in one call. */
const AT_ONCE = 100;

/** What is in doubt here. */
export interface LookedAfter {
  readonly queued: { readonly claim: Claim };
  readonly transmission: SpooledTransmission;
}

export interface LookUps {
  start(): void;
  /** Resolves when the one under way has ended. */
  stop(): Promise<void>;
}

export interface LookUpParts {
  readonly ledger: Pick<Ledger, "look" | "release">;
  readonly inDoubt: ReadonlyMap<Id, LookedAfter>;
  readonly decisions: DecisionParts;
  readonly history: Pick<HistoryNotes, "settled">;
  readonly clock: Clock;
  readonly log: Log;
  /** Log the recipient. */
  readonly addresses: boolean;
}

export function createLookUps(parts: LookUpParts): LookUps {
  const { ledger, inDoubt, decisions, history, clock, log, addresses } = parts;
  let timer: Timer | undefined;
  let looking: Promise<void> | undefined;
  let isStopped = false;

  /** Whether the ledger has it as relayed, and not an earlier mail of the id that its claim let pass. */
  const isRelayed = async (id: Id, { since = 0 }: SpooledTransmission): Promise<boolean> => {
    const looked = await ledger.look(id);
    return (looked.state === "relayed" || looked.state === "forgotten") && looked.at >= since;
  };

  async function lookUp(id: Id): Promise<void> {
    const found = inDoubt.get(id);
    if (found === undefined || decisions.isBusy(id)) return;
    const { queued, transmission } = found;
    await decisions.make(
      id,
      async () => ((await isRelayed(id, transmission)) ? "relayed" : "nothing"),
      async (decided) => {
        if (decided !== "relayed") return;
        const { messageId, recipient } = transmission;
        const source = "another gateway";
        log.info("evidence.settled", {
          ...{ id, messageId, recipient: addresses ? recipient : undefined, source },
        });
        history.settled(id, { source });
        await decisions.decidedRelayed(id);
        // It is stale in the ledger, and changes nothing there: this gateway counts it no more.
        await ledger.release([queued.claim]);
      },
    );
  }

  async function lookUpAll(): Promise<void> {
    const ids = [...inDoubt.keys()];
    try {
      for (let at = 0; at < ids.length && !isStopped; at += AT_ONCE) {
        await Promise.all(ids.slice(at, at + AT_ONCE).map(lookUp));
      }
    } catch (error) {
      log.debug("evidence.later", { error: String(error) });
    }
    looking = undefined;
    schedule();
  }

  function schedule(): void {
    if (isStopped) return;
    timer = clock.after(EVERY_MS, () => {
      looking = lookUpAll();
    });
  }

  return {
    start: schedule,
    async stop() {
      isStopped = true;
      timer?.cancel();
      await looking;
    },
  };
}
