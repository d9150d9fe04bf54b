// The answer to "what became of this mail?", in a sentence or two. Pure.
import {
  ANOTHER_GATEWAY,
  type HistoryEvent,
  isTold,
  THIS_GATEWAY,
  type Told,
} from "../../history/history.ts";
import type { Looked } from "../../ledger/ledger.ts";
import { THEN } from "../listens.ts";
import type { QueueMail } from "../queue/words.ts";
import { fateText, fateWords, softBounceWords } from "./fate-words.ts";
import { type Fates, fatesOf } from "./fates.ts";
import { besideWords, copyWords } from "./observed-words.ts";
import type { ExplainFacts } from "./words.ts";

type Kind = HistoryEvent["kind"];
type EventOf<K extends Kind> = Extract<HistoryEvent, { readonly kind: K }>;

export const NOTHING_KNOWN = "Nothing is known: never submitted here, or longer ago than the retention.";

/** Whether there is anything to say. */
export const isKnown = ({ looked, mail, events }: ExplainFacts): boolean =>
  looked.state !== "absent" || looked.left !== undefined || mail !== undefined || events.length > 0;

export const answerOf = (facts: ExplainFacts): string =>
  `${standingOf(facts)}${copyWords(allOf(facts.events, "observed")) ?? ""}`;

function standingOf(facts: ExplainFacts): string {
  const { looked, mail, events } = facts;
  if (mail !== undefined) return ofQueue(mail, facts);
  switch (looked.state) {
    case "unknown":
      return `The ledger does not answer: ${looked.fault}. ${ofHistory(events, "unknown")}`;
    case "relayed":
      return `${ofRelayed(looked.at, events)}${copiesOf(events)}${becauseOf(events)}`;
    case "forgotten":
      return (
        `Relayed at ${timeOf(looked.at)}, and forgotten by an operator: ` +
        "the next mail with this id is relayed again."
      );
    case "absent":
      return looked.left === undefined ? ofHistory(events, "absent") : ofLeft(looked.left);
    default:
      return ofHeld(looked, events);
  }
}

const timeOf = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
const shortTime = (time: string): string => timeOf(Date.parse(time));

const allOf = <K extends Kind>(events: readonly HistoryEvent[], kind: K): readonly EventOf<K>[] =>
  events.filter((event): event is EventOf<K> => event.kind === kind);

/** Which attempt was without an answer. */
function silentAttempt(
  { looked, events }: ExplainFacts,
  mail?: QueueMail,
): { by: string; at: string | undefined } {
  const attempt = allOf(events, "attempt").find(({ outcome }) => outcome === "doubtful");
  if (attempt !== undefined) return { by: attempt.upstream, at: timeOf(attempt.at) };
  const at = "changedAt" in looked ? timeOf(looked.changedAt) : undefined;
  return { by: mail?.lastUpstream ?? "the upstream", at };
}

const gaveNoAnswer = ({ by, at }: { by: string; at: string | undefined }): string =>
  `${by} gave no answer${at === undefined ? "" : ` at ${at}`}`;

function ofQueue(mail: QueueMail, facts: ExplainFacts): string {
  const { looked } = facts;
  if ("holder" in looked && looked.holder === "elsewhere") {
    return `${otherOf(looked)} holds it; the copy here is relayed only if that one gives it up.`;
  }
  const { state, attempts, doubtful, ended } = mail;
  if (ended !== undefined) return ofEnded(ended, mail);
  if (state === "underway") return `Being attempted now, for the ${ordinal(attempts + 1)} time.`;
  const silent = doubtful === true ? gaveNoAnswer(silentAttempt(facts, mail)) : undefined;
  if (state === "held" && mail.hold === "operator") {
    const may = silent === undefined ? "" : ` ${capital(silent)}, and may have this mail.`;
    return `Held by an operator: it is not attempted until somebody releases it.${may}`;
  }
  if (state === "held")
    return `Held: ${silent ?? "an attempt had no answer"}. It may have this mail.${waitOf(mail)}`;
  const due =
    mail.dueAt === undefined || state === "due" ? "due now" : `next attempt at ${shortTime(mail.dueAt)}`;
  if (silent !== undefined) {
    return `Waiting to be sent again with the same Message-ID, since ${silent} and may have it: ${due}.`;
  }
  if (attempts === 0) return `Waiting for its first attempt: ${due}.`;
  return `Waiting: ${due}${repliedOf(mail)}.`;
}

const waitOf = ({ listensUntil, policy }: QueueMail): string =>
  listensUntil === undefined || policy === undefined
    ? ""
    : ` It waits for SES's events until ${shortTime(listensUntil)}; then ${THEN[policy]}.`;

const repliedOf = ({ lastReply, lastUpstream }: QueueMail): string =>
  lastReply === undefined
    ? ""
    : `; last reply${lastUpstream === undefined ? "" : ` of ${lastUpstream}`}: ${lastReply}`;

function ofEnded({ reason, at, reply }: NonNullable<QueueMail["ended"]>, mail: QueueMail): string {
  const when = shortTime(at);
  const said = reply === "" ? "" : `: ${reply}`;
  const waits = "The report to its sender waits.";
  switch (reason) {
    case "relayed":
      return `Relayed at ${when}; the report that its sender asked for waits.`;
    case "expired":
      return `Given up at ${when}, as nobody took it within its lifetime${repliedOf(mail)}. ${waits}`;
    case "lost":
      return `Its content was lost, which was found at ${when}${said}. ${waits}`;
    default:
      return `Refused for good at ${when}${said}. ${waits}`;
  }
}

function ofRelayed(at: number, events: readonly HistoryEvent[]): string {
  const repeats = allOf(events, "repeats").reduce((sum, { count }) => sum + count, 0);
  const beside = besideWords(allOf(events, "observed"));
  const prevented = repeats === 0 ? undefined : `${repeats} repeat${repeats === 1 ? "" : "s"} dropped`;
  const others = [beside, prevented].filter((text) => text !== undefined);
  const dropped = [...saidIn(events), ...(others.length === 0 ? ["no repeats so far"] : others)].join("; ");
  const time = timeOf(at);
  const accepted = allOf(events, "attempt").filter(({ outcome }) => outcome === "accepted");
  const by = accepted[0] === undefined ? "" : ` by ${accepted[0].upstream}`;
  const decision = allOf(events, "decision").find(({ next }) => next === "relayed");
  const evidence = allOf(events, "evidence")[0];
  const policy = allOf(events, "ended").find(({ reason }) => reason === "dropped");
  const latest = Math.max(decision?.at ?? -1, policy?.at ?? -1);
  if (latest > (accepted[0]?.at ?? -1)) {
    const why =
      (decision?.at ?? -1) === latest
        ? "an operator decided so"
        : "no answer came, and doubtful mail is dropped";
    return `Counts as relayed since ${time}: ${why}; ${dropped}.`;
  }
  if (evidence !== undefined && evidence.at > (accepted[0]?.at ?? -1)) {
    return `Relayed: no answer came to an attempt, and ${saidBy(evidence.source)} at ${timeOf(evidence.at)}; ${dropped}.`;
  }
  if (accepted.length === 0) return `Relayed, at ${time}; ${dropped} here.`;
  const often = accepted.length === 1 ? "once, at" : `${accepted.length} times, last at`;
  return `Relayed ${often} ${time}${by}; ${dropped}.`;
}

function saidBy(source: string): string {
  if (source === THIS_GATEWAY) return "evidence or an operator settled it, found";
  if (source !== ANOTHER_GATEWAY) return `${source} said later that it was taken,`;
  return `${ANOTHER_GATEWAY} relayed it, or evidence or an operator settled it there, found`;
}

type Fate = Told & { readonly at: number };

const toldAt = ({ at, happenedAt = at }: Fate): number => happenedAt;

const happenedAt = (event: HistoryEvent): number => (isTold(event) ? toldAt(event) : event.at);

/** Of the mail that the id was last used for. @param events newest first */
const fatesIn = (events: readonly HistoryEvent[]): Fates<Fate> =>
  fatesOf(events.toReversed().sort((one, other) => happenedAt(one) - happenedAt(other)));

/** Whether it has arrived, as far as the upstream has said, and whether its recipient has complained. */
function saidIn(events: readonly HistoryEvent[]): readonly string[] {
  const { end, softBounce, complaint } = fatesIn(events);
  const said = [
    end && whatAndWhen(end),
    softBounce && besides(softBounce),
    complaint && whatAndWhen(complaint),
  ];
  return said.filter((text) => text !== undefined);
}

const whatAndWhen = (fate: Fate): string => `${fateWords(fate)} at ${timeOf(toldAt(fate))}`;

const besides = (fate: Fate): string => `then ${softBounceWords(fate)} at ${timeOf(toldAt(fate))}`;

function copiesOf(events: readonly HistoryEvent[]): string {
  const count = allOf(events, "second_copy").length;
  return count === 0 ? "" : count === 1 ? " A second copy is proven." : ` ${count} more copies are proven.`;
}

/** What was said of a mail that has not arrived. It is of others, and so comes last. */
function becauseOf(events: readonly HistoryEvent[]): string {
  const { end, complaint } = fatesIn(events);
  const fate = end ?? complaint;
  const text = fate === undefined || fate.kind === "delivered" ? undefined : fateText(fate);
  return text === undefined ? "" : ` The reason: ${text}`;
}

type Held = Extract<Looked, { readonly holder: unknown }>;

const otherOf = ({ gateway }: { readonly gateway?: string }): string =>
  gateway === undefined ? "Another gateway" : `Another gateway (${gateway})`;

function ofHeld(looked: Held, events: readonly HistoryEvent[]): string {
  const { state, holder } = looked;
  if (holder === "elsewhere") {
    const decides = state === "doubtful" ? " It is doubtful there, and is decided there." : "";
    return `${otherOf(looked)} holds it: its attempts are in that gateway's history.${decides}`;
  }
  switch (state) {
    case "claimed":
    case "queued":
      return "It is being submitted now.";
    case "remembered": {
      const silent = gaveNoAnswer(silentAttempt({ looked, events, mail: undefined }));
      return `Doubtful: ${silent}, and may have it. It is in no queue that is known; decide with \`mailonce doubtful resolve\`.`;
    }
    case "reclaimed":
      return "It is doubtful, and is being submitted again now.";
    default:
      return "Being attempted now.";
  }
}

function ofLeft(left: NonNullable<Extract<Looked, { readonly state: "absent" }>["left"]>): string {
  const name = left.gateway === undefined ? "" : ` (${left.gateway})`;
  return (
    `A gateway that is not alive${name} had it at ${timeOf(left.changedAt)}, never attempted. It relays it when it starts ` +
    "again; a new submission is relayed at once."
  );
}

/** The queue does not have it, nor the ledger as far as is known: the last thing that ended it. */
function ofHistory(events: readonly HistoryEvent[], ledger: "absent" | "unknown"): string {
  const gone =
    ledger === "absent" ? " The ledger does not have it any more: a new submission is relayed again." : "";
  for (const event of events) {
    if (event.kind === "ended") {
      const cause = event.cause === "" ? "" : `: ${event.cause}`;
      if (event.reason === "dropped") return `Counted as relayed at ${timeOf(event.at)}${cause}.${gone}`;
      return `Given up at ${timeOf(event.at)}${cause}. Nothing was relayed: its task may send it again.`;
    }
    if (event.kind === "decision") return `An operator decided at ${timeOf(event.at)}: ${event.decision}.`;
    if (event.kind === "attempt" && event.outcome === "refused") {
      const reply = event.reply === undefined ? "" : `: ${event.reply}`;
      return (
        `Refused for good by ${event.upstream} at ${timeOf(event.at)}${reply}. ` +
        "Nothing was relayed: its task may send it again."
      );
    }
    if (event.kind === "attempt" && event.outcome === "accepted") {
      const fates = saidIn(events).map((said) => `; ${said}`);
      return `Relayed by ${event.upstream} at ${timeOf(event.at)}${fates.join("")}.${gone}${becauseOf(events)}`;
    }
    if (event.kind === "attempt" && event.outcome === "doubtful") {
      return `Doubtful: ${gaveNoAnswer({ by: event.upstream, at: timeOf(event.at) })}, and may have it.${gone}`;
    }
  }
  const { end, complaint } = fatesIn(events);
  const told = end ?? complaint;
  if (told !== undefined) {
    return `Relayed, as ${told.source} says; ${saidIn(events).join("; ")}.${gone}${becauseOf(events)}`;
  }
  return events.length === 0
    ? NOTHING_KNOWN
    : "It is neither in the queue nor in the ledger any more; the timeline has what is known.";
}

const ordinal = (count: number): string =>
  count === 1 ? "first" : count === 2 ? "second" : count === 3 ? "third" : `${count}th`;

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
