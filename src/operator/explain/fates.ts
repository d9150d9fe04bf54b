// What became of the mail that an id was last used for, out of all that happened to the id. Pure.
import { isFate, isSoftBounce, type MailFate } from "../../history/fate.ts";

/** What is known of an event by its kind; as much of it as who asks may see. */
interface Happened {
  readonly kind: string;
  readonly outcome?: string | undefined;
  readonly reason?: string | undefined;
  readonly decision?: string | undefined;
  readonly next?: string | undefined;
  readonly bounceType?: string | undefined;
}

type FateOf<Event> = Extract<Event, { readonly kind: MailFate["kind"] }>;

export interface Fates<Event> {
  /** Whether it has arrived. */
  readonly end?: Event;
  /** After a delivery: most often it is an automatic reply, such as "out of the office". */
  readonly softBounce?: Event;
  readonly complaint?: Event;
}

/** @param events in the order in which they happened */
export function fatesOf<Event extends Happened>(events: readonly Event[]): Fates<FateOf<Event>> {
  let fates: Fates<FateOf<Event>> = {};
  let isRelayed = false;
  for (const event of events) {
    if (isOfAnother(event, isRelayed)) {
      fates = {};
      isRelayed = false;
    }
    isRelayed ||= isTaken(event);
    if (isFate(event.kind)) fates = withFate(fates, event as FateOf<Event>);
  }
  return fates;
}

function withFate<Fate extends Happened>(fates: Fates<Fate>, fate: Fate): Fates<Fate> {
  const { end, complaint } = fates;
  switch (fate.kind) {
    case "delivered":
    case "bounced":
    case "rejected": {
      const isBeside = end?.kind === "delivered" && isSoftBounce(fate);
      if (isBeside) return { ...fates, softBounce: fate };
      return { end: fate, ...(complaint && { complaint }) };
    }
    case "delayed":
      return end === undefined || end.kind === "delayed" ? { ...fates, end: fate } : fates;
    case "complained":
      return { ...fates, complaint: fate };
    default:
      return fates;
  }
}

/** The id was free: what happens from here on happens to another mail. */
function isOfAnother({ kind, reason, decision, next }: Happened, isRelayed: boolean): boolean {
  switch (kind) {
    case "accepted":
      // The ledger has let it pass: the id has expired, or was forgotten at another gateway.
      return isRelayed;
    case "ended":
      return reason === "expired";
    case "decision":
      return next === "forgotten" || (decision === "not-relayed" && next !== "queued");
    default:
      return false;
  }
}

/** By this gateway's clock: what an upstream says has the upstream's. */
const isTaken = ({ kind, outcome, reason, next }: Happened): boolean =>
  kind === "evidence" ||
  (kind === "attempt" && outcome === "accepted") ||
  (kind === "decision" && next === "relayed") ||
  (kind === "ended" && reason === "dropped");
