// How far a mail has come, as a row of steps, and what happened to it, as a list. What is said of a kind of event is in one
// table, so that a new kind can't be forgotten.
import { countOf } from "../../runtime/amounts.ts";
import { fateText, fateWords, type ShownFate, settledWords, softBounceWords } from "../explain/fate-words.ts";
import { fatesOf } from "../explain/fates.ts";
import { observedWords } from "../explain/observed-words.ts";
import type { Explained, ExplainedEvent } from "../explain/words.ts";
import { type Html, html } from "./html.ts";
import { moment } from "./times.ts";

export interface Step {
  readonly mark: keyof typeof MARKS;
  readonly text: string;
}

const MARKS = {
  done: { sign: "●", words: "done" },
  now: { sign: "◌", words: "now" },
  doubt: { sign: "◐", words: "in doubt" },
  open: { sign: "○", words: "not yet" },
} as const;

const IN_DOUBT: readonly string[] = ["doubtful", "reattempted", "reclaimed", "remembered"];

/** Whether its upstream may have it. */
export const isInDoubt = ({ ledger, mail }: Explained): boolean =>
  mail?.doubtful === true || IN_DOUBT.includes(ledger.state);

type Kind = ExplainedEvent["kind"];
type EventOf<K extends Kind> = Extract<ExplainedEvent, { readonly kind: K }>;

export const allOf = <K extends Kind>({ timeline }: Explained, kind: K): readonly EventOf<K>[] =>
  timeline.filter((event): event is EventOf<K> => event.kind === kind);

/** As many attempts as have a step each. */
const ATTEMPTS_MAX = 3;

export function stepsOf(explained: Explained): readonly Step[] {
  const { ledger, mail } = explained;
  const attempts = allOf(explained, "attempt");
  const count = Math.max(attempts.length, mail?.attempts ?? 0);
  const wasInDoubt = attempts.some(({ outcome }) => outcome === "doubtful");
  const isBeingSubmitted = mail === undefined && (ledger.state === "claimed" || ledger.state === "queued");
  const steps: Step[] = [{ mark: isBeingSubmitted ? "now" : "done", text: "accepted" }];
  if (count > ATTEMPTS_MAX) steps.push({ mark: "done", text: `attempts 1 to ${countOf(count)}` });
  else for (let n = 1; n <= count; n++) steps.push({ mark: "done", text: `attempt ${n}` });
  if (isInDoubt(explained)) steps.push({ mark: "doubt", text: "doubtful" });
  else if (wasInDoubt) steps.push({ mark: "done", text: "doubtful" });
  if (mail?.state === "underway") steps.push({ mark: "now", text: `attempt ${count + 1}` });
  if (mail?.state === "held" && mail.hold === "operator") steps.push({ mark: "now", text: "held" });
  return [...steps, ...endOf(explained)];
}

function endOf(explained: Explained): readonly Step[] {
  const { ledger, mail, timeline } = explained;
  const relayed: Step = { mark: "done", text: "relayed" };
  if (mail?.ended !== undefined) {
    const { reason } = mail.ended;
    const end: Step = reason === "relayed" ? relayed : { mark: "done", text: ENDS[reason] ?? "refused" };
    return [end, { mark: "open", text: "reported" }];
  }
  if (ledger.state === "relayed") return [relayed, ...fateSteps(explained)];
  if (ledger.state === "forgotten") return [relayed, { mark: "done", text: "forgotten" }];
  if (mail === undefined && ledger.state === "absent") {
    const last = timeline.findLast(({ kind }) => kind !== "repeats" && kind !== "observed");
    if (last?.kind === "ended") return [{ mark: "done", text: ENDS[last.reason ?? ""] ?? "given up" }];
    if (last?.kind === "attempt") return [{ mark: "done", text: LASTS[last.outcome ?? "refused"] }];
    if (last?.kind === "decision") return [{ mark: "done", text: last.decision ?? "decided" }];
  }
  return [{ mark: "open", text: "relayed" }];
}

/** Whether it has arrived, as far as its upstream has said. */
function fateSteps({ timeline }: Explained): readonly Step[] {
  const { end, softBounce, complaint } = fatesOf(timeline);
  const steps: Step[] = [];
  if (end?.kind === "delayed") {
    if (complaint === undefined) steps.push({ mark: "open", text: "delivered" });
  } else if (end !== undefined) steps.push({ mark: "done", text: end.kind });
  if (softBounce !== undefined) steps.push({ mark: "done", text: softBounceWords(softBounce) });
  if (complaint !== undefined) steps.push({ mark: "done", text: "complained about" });
  return steps;
}

/** What a mail is that neither queue nor ledger has, by its last attempt. */
const LASTS: Readonly<Record<NonNullable<EventOf<"attempt">["outcome"]>, string>> = {
  ...{ accepted: "relayed", refused: "refused", doubtful: "in doubt" },
  ...{ later: "not taken", down: "not taken" },
};

const ENDS: Readonly<Record<string, string>> = {
  expired: "given up",
  lost: "content lost",
  dropped: "counted as relayed",
};

export const steps = (all: readonly Step[]): Html => html`<ol class="steps" aria-label="How far it has come">
${all.map(({ mark, text }) => {
  const { sign, words } = MARKS[mark];
  return html`<li${mark === "doubt" ? html` class="in-doubt"` : ""}><span aria-hidden="true">${sign}</span> ${text} <span class="quiet">(${words})</span></li>`;
})}
</ol>`;

export function timeline({ timeline: events, isCut }: Explained): Html {
  if (events.length === 0)
    return html`<p>The history has nothing of it: it is off, or does not go back so far.</p>`;
  return html`${isCut === true ? html`<p>Older events are left out.</p>` : ""}
<ol class="timeline">
${events.map((event) => html`<li>${moment(event.at)} ${textOf(event)}</li>`)}
</ol>`;
}

const textOf = <K extends Kind>(event: EventOf<K>): Html => TEXTS[event.kind as K](event);

type Told = ShownFate & { readonly upstreamId?: string | undefined };

const fate = (event: Told): Html =>
  html`<strong>${fateWords(event)}</strong>${after(", as ", event.upstreamId)}${quoted(fateText(event))}`;

const TEXTS: { readonly [K in Kind]: (event: EventOf<K>) => Html } = {
  accepted: ({ client, user, recipient }) =>
    html`accepted${after(" from ", client)}${after(", user ", user)}${after(", for ", recipient)}`,
  attempt: ({ upstream, outcome, reply, upstreamId }) =>
    html`attempt by ${upstream}: <strong>${outcome === undefined ? "" : OUTCOMES[outcome]}</strong>${after(", as ", upstreamId)}${quoted(reply)}`,
  repeats: ({ count = 0 }) => html`${countOf(count)} ${count === 1 ? "repeat" : "repeats"} dropped`,
  ended: ({ reason, cause }) => html`${reason === undefined ? "" : (ENDS[reason] ?? reason)}${quoted(cause)}`,
  decision: ({ decision, next, reason }) =>
    html`an operator decided: <strong>${decision}</strong>${after(", so it is ", next)}${quoted(reason)}`,
  evidence: ({ source, upstreamId }) => {
    const words = settledWords(source);
    return html`${words.by}: <strong>${words.as}</strong>${after(", as ", upstreamId)}`;
  },
  doubt: ({ since, cause }) => html`found in doubt since ${moment(since)}${quoted(cause)}`,
  second_copy: ({ upstreamId, cause }) =>
    html`<strong>a second copy is proven</strong>${after(", ", upstreamId)}${quoted(cause)}`,
  observed: (event) => html`${observedWords(event)}`,
  ...{ sent: fate, delivered: fate, delayed: fate, bounced: fate, complained: fate, rejected: fate },
};

const OUTCOMES: Readonly<Record<NonNullable<EventOf<"attempt">["outcome"]>, string>> = {
  accepted: "accepted",
  refused: "refused for good",
  later: "refused for now",
  down: "it takes no mail now",
  doubtful: "no answer, so it may have the mail",
};

const after = (before: string, value: string | undefined): string =>
  value === undefined ? "" : `${before}${value}`;

const quoted = (value: string | undefined): Html | "" => (value === undefined ? "" : html`: <q>${value}</q>`);
