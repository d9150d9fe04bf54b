// Where several gateways share a ledger, evidence that one of them gets settles what another one holds, and what a gateway held
// while it was away another one may have taken over, decided and given up. The holder finds that out here: it looks up what
// it holds in doubt, takes out what is settled, and has what is held ask what has become of it.
import { ANOTHER_GATEWAY, THIS_GATEWAY } from "../history/history.ts";
import type { Id } from "../identity/message-id.ts";
import type { Claim, Ledger } from "../ledger/ledger.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { SpooledTransmission } from "../spool/record.ts";
import { type ElsewhereParts, noteSettledElsewhere } from "./elsewhere.ts";
import type { SettlingParts } from "./evidence.ts";

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

export interface LookUpParts extends ElsewhereParts {
  readonly ledger: Pick<Ledger, "look" | "release" | "settle">;
  readonly inDoubt: ReadonlyMap<Id, LookedAfter>;
  readonly decisions: SettlingParts & {
    /** Its claim has ended. What is held asks what has become of it. */
    decidedElsewhere(id: Id): void;
  };
  readonly clock: Clock;
}

export function createLookUps(parts: LookUpParts): LookUps {
  const { ledger, inDoubt, decisions, clock, log } = parts;
  let timer: Timer | undefined;
  let looking: Promise<void> | undefined;
  let isStopped = false;

  /** Who has settled it, and whether its claim is lost otherwise. */
  const lookAt = async ({ queued, transmission: { id, since = 0 } }: LookedAfter) => {
    const looked = await ledger.look(id);
    // An earlier mail of the id, which its claim let pass, says nothing of this one.
    if ("at" in looked && looked.at >= since) return ANOTHER_GATEWAY;
    if (!("holder" in looked) || looked.holder !== "here") return "lost";
    // A settlement from here had no answer. It is made once more; where it is stale, another one came first, and its claim
    // ends with that.
    if (!("isSettled" in looked)) return undefined;
    return (await ledger.settle(queued.claim, "relayed")) === "settled" ? THIS_GATEWAY : undefined;
  };

  async function lookUp(id: Id): Promise<void> {
    const found = inDoubt.get(id);
    if (found === undefined || decisions.isBusy(id)) return;
    let source: Awaited<ReturnType<typeof lookAt>>;
    try {
      await decisions.make(
        id,
        async () => {
          source = await lookAt(found);
          if (source === "lost") return "elsewhere";
          return source === undefined ? "nothing" : "relayed";
        },
        async () => {
          if (source === undefined) return;
          if (source !== "lost") {
            noteSettledElsewhere(parts, found.transmission, source);
            await decisions.decidedRelayed(id);
          }
          // It is stale in the ledger, and changes nothing there: this gateway counts it no more.
          await ledger.release([found.queued.claim]);
          // Another submission may have claimed the id since, and be in doubt.
          if (source === "lost" && inDoubt.get(id) === found) decisions.decidedElsewhere(id);
        },
      );
    } catch (error) {
      // The next round finds it again, and meanwhile the others of this one are looked up.
      log.debug("evidence.later", { id, error: String(error) });
    }
  }

  async function lookUpAll(): Promise<void> {
    const ids = [...inDoubt.keys()];
    for (let at = 0; at < ids.length && !isStopped; at += AT_ONCE) {
      await Promise.all(ids.slice(at, at + AT_ONCE).map(lookUp));
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
