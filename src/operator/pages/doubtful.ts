// Mail in doubt: what that is, which mails are, and the two decisions, about one of them or about many.
import { countOf } from "../../runtime/amounts.ts";
import { StorageError } from "../../storage/storage.ts";
import type { DoubtfulEntry, DoubtfulGlance } from "../doubtful.ts";
import { THEN } from "../listens.ts";
import { maskedDoubt } from "../routes/doubtful.ts";
import { orBadCursor } from "../routes/query.ts";
import { DECISIONS, sayDecision, WHAT_DOUBT_IS, WHAT_LISTENS } from "./doubt-words.ts";
import { DOUBTS_MAX, decideDoubtful } from "./doubtful-form.ts";
import { type Html, html } from "./html.ts";
import type { Page, Seen, Shown } from "./page.ts";
import { age, moment } from "./times.ts";

export const doubtfulPages: readonly Page[] = [
  { path: "/doubtful", needs: "visitor", show },
  { method: "POST", path: "/doubtful", needs: "operate", show: decide },
];

async function show(seen: Seen): Promise<Shown> {
  const frame = { title: "Doubtful", here: "doubtful", isLive: true } as const;
  try {
    return await orBadCursor(async () => {
      const cursor = seen.asked.query("cursor");
      const page = await seen.parts.doubtful.oldest({ limit: DOUBTS_MAX, cursor });
      return { frame, content: listed(page, cursor, seen) };
    });
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    const fault = seen.asked.asker.role === "visitor" ? "" : `: ${error.message}`;
    const content = html`<h1>Doubtful</h1>
<p>What is in doubt can't be said now, since the ledger does not answer${fault}.</p>`;
    return { frame: { ...frame, status: 503 }, content };
  }
}

async function decide(seen: Seen): Promise<Shown> {
  const decided = await decideDoubtful(seen);
  if ("kind" in decided) return decided;
  if ("fault" in decided) {
    const { fault, status } = decided;
    return { frame: { title: "Nothing was decided", here: "doubtful", status }, content: refused(fault) };
  }
  const { done, count, refused: others, left } = decided;
  return {
    kind: "redirect",
    to: `/doubtful?done=${done}&count=${count}&refused=${others}&left=${left}`,
  };
}

const refused = (fault: string): Html => html`<h1>Nothing was decided</h1>
<p role="alert">${fault}.</p>
<p><a href="/doubtful">All that is in doubt</a></p>`;

function listed(
  { items, total, next }: Awaited<ReturnType<DoubtfulGlance["oldest"]>>,
  cursor: string | undefined,
  { asked, now }: Seen,
): Html {
  const isVisitor = asked.asker.role === "visitor";
  const canDecide = asked.asker.role === "operate";
  const shown = items.map((entry) => (isVisitor ? maskedDoubt(entry) : entry));
  return html`<h1>Doubtful</h1>
${canDecide ? doneText(asked.query) : ""}
${total === 0 ? html`<p class="well">No mail is in doubt.</p>` : ""}
<p>${WHAT_DOUBT_IS}</p>
${shown.some(({ listensUntil }) => listensUntil !== undefined) ? html`<p>${WHAT_LISTENS}</p>` : ""}
${total === shown.length ? "" : html`<p class="quiet">${countOf(shown.length)} of ${countOf(total)}, the oldest first.</p>`}
${shown.length === 0 ? "" : table(shown, canDecide, now)}
<p class="ways">${cursor === undefined ? "" : html`<a href="/doubtful">The oldest</a> `}${
    next === undefined
      ? ""
      : html`<a rel="next" href="/doubtful?${new URLSearchParams({ cursor: next }).toString()}">Next ${countOf(DOUBTS_MAX)}</a>`
  }</p>
${canDecide && total > 0 ? decideMany() : ""}`;
}

const table = (entries: readonly DoubtfulEntry[], canDecide: boolean, now: number): Html => html`<table>
<thead><tr>${canDecide ? html`<th scope="col"><span class="hidden">ticked</span></th>` : ""}<th scope="col">recipient</th><th scope="col">in doubt for</th><th scope="col">no answer from</th><th scope="col">what happens to it</th>${canDecide ? html`<th scope="col">decide</th>` : ""}</tr></thead>
<tbody>
${entries.map((entry) => row(entry, canDecide, now))}
</tbody>
</table>`;

function row(entry: DoubtfulEntry, canDecide: boolean, now: number) {
  const { id, recipient, since, lastUpstream, standing } = entry;
  const isOurs = standing !== "elsewhere";
  const name = recipient ?? id;
  const tick = isOurs
    ? html`<input type="checkbox" name="id" value="${id}" form="many" id="tick-${id}" aria-label="Tick ${name}">`
    : "";
  return html`<tr>${canDecide ? html`<td data-title="tick">${tick}</td>` : ""}<th scope="row"><a href="/mails/${id}" id="mail-${id}">${name}</a></th>
<td data-title="in doubt for">${age(since, now)}</td><td data-title="no answer from">${lastUpstream ?? "–"}</td>
<td data-title="what happens to it">${whatHappens(entry)}</td>
${canDecide ? html`<td data-title="decide">${isOurs ? decideOne(id, name, standing) : "at that gateway"}</td>` : ""}</tr>`;
}

const whatHappens = ({ standing, listensUntil, policy }: DoubtfulEntry): Html =>
  listensUntil === undefined || policy === undefined
    ? html`${STANDINGS[standing]}`
    : html`<span>waits for SES's events until ${moment(listensUntil)}; then ${THEN[policy]}</span>`;

const STANDINGS: Readonly<Record<DoubtfulEntry["standing"], string>> = {
  held: "held until somebody decides",
  retrying: "sent again soon, with the same Message-ID",
  elsewhere: "another gateway has it",
  remembered: "in no queue; the doubt is remembered",
};

const decideOne = (id: string, name: string, standing: DoubtfulEntry["standing"]): Html =>
  html`<form class="decide" method="post" action="/doubtful"><input type="hidden" name="id" value="${id}">
${DECISIONS.map(
  (decision) =>
    html`<button name="decision" value="${decision}" id="${decision}-${id}" aria-label="${sayDecision(decision, standing).button}: ${name}">${sayDecision(decision, standing).button}</button> `,
)}</form>`;

/** Nothing is chosen before somebody has chosen: what can't be taken back is not sent by a key too many. */
const decideMany = (): Html => html`<form class="card many" id="many" method="post" action="/doubtful">
<h2>Decide about several</h2>
<fieldset><legend>Which</legend>
<div class="choice"><label><input type="radio" name="which" value="ticked" required> those that are ticked</label></div>
<div class="choice"><label><input type="radio" name="which" value="older"> all that are in doubt for longer than</label>
<input name="older" size="6" placeholder="1h" pattern="[0-9]+(ms|s|m|h|d)" aria-label="In doubt for longer than"></div>
</fieldset>
<fieldset><legend>Decision</legend>
${DECISIONS.map(
  (decision) =>
    html`<div class="choice"><label><input type="radio" name="decision" value="${decision}" required> ${sayDecision(decision).many}</label></div>`,
)}
</fieldset>
<label>Reason <input name="reason" maxlength="500"></label>
<button id="send-many">Decide</button>
<p class="quiet">At most ${DOUBTS_MAX} at once, the oldest first.</p>
</form>`;

/** Numbers and fixed words: a link of a stranger must not have the gateway say theirs. */
function doneText(query: (name: string) => string | undefined): Html | "" {
  const done = DECISIONS.find((decision) => decision === query("done"));
  if (done === undefined) return "";
  const numberOf = (name: string): number => (/^\d{1,9}$/.test(query(name) ?? "") ? Number(query(name)) : 0);
  const [count, others, left] = ["count", "refused", "left"].map(numberOf) as [number, number, number];
  return html`<p class="done" role="status">${sayDecision(done).done(count)}${
    others === 0
      ? ""
      : ` ${countOf(others)} could not be decided: not in doubt any more, being attempted, or at another gateway.`
  }${left === 0 ? "" : ` ${countOf(left)} are left: decide again.`}</p>`;
}
