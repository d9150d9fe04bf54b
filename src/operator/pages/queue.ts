// The queue: which mails are in it, why they wait, and forms for what can be done about them.
import { z } from "zod";
import type { OrderKind } from "../../dispatch/order.ts";
import { countOf } from "../../runtime/amounts.ts";
import { problem } from "../http/route.ts";
import { filterSchema, needsSubmission, STATES } from "../queue/filter.ts";
import type { LastReply, QueueEntry } from "../queue/words.ts";
import { faultsIn, NAME_MAX } from "../routes/body.ts";
import { maskedEntry } from "../routes/masked-mail.ts";
import { orBadCursor } from "../routes/query.ts";
import { tooMuch } from "../routes/queue.ts";
import type { Status } from "../status/schema.ts";
import { type Html, html } from "./html.ts";
import type { Page, Seen, Shown } from "./page.ts";
import { type Cause, causesOf } from "./queue-causes.ts";
import { DONE_NAMES, doneText, IDS_MAX, mails } from "./queue-orders.ts";
import { hrefOf, type View, viewFields } from "./queue-view.ts";
import { age, until } from "./times.ts";

/** Mails of a page. */
const LISTED = 100;

/** Mails that are looked at for their causes: some 10 ms. One form takes all of a cause. */
const LOOKED_AT = IDS_MAX;

const CAUSES_MAX = 8;

const listQuery = filterSchema
  .pick({ state: true, upstream: true, task: true, to: true, older: true })
  .extend({ cursor: z.string().max(NAME_MAX).optional() });

export const queuePages: readonly Page[] = [{ path: "/queue", needs: "visitor", show: list }];

async function list(seen: Seen): Promise<Shown> {
  const { asked, parts } = seen;
  const queries = asked.queries();
  const written = Object.fromEntries(
    Object.entries(queries)
      .map(([name, value]) => [name, value.trim()] as const)
      .filter(([name, value]) => value !== "" && !DONE_NAMES.includes(name)),
  );
  const query = listQuery.safeParse(written);
  if (!query.success) return problem(400, faultsIn(query.error));
  const { cursor, ...filter } = query.data;
  const refusal = tooMuch(asked, filter);
  if (refusal !== undefined) return refusal;
  const isVisitor = asked.asker.role === "visitor";
  return await orBadCursor(async () => {
    const isOfList = needsSubmission(filter);
    // Both at once: while mail comes, each read of the store waits for its turn.
    const [{ items, next }, replies] = await Promise.all([
      parts.queue.list(filter, { limit: LISTED, cursor }),
      isVisitor || isOfList ? undefined : parts.queue.lastReplies(filter, { limit: LOOKED_AT, cursor }),
    ]);
    const ofList = { items: items as readonly LastReply[], next };
    const looked = isVisitor ? undefined : { ...(replies ?? ofList), isOfList };
    const entries: readonly ShownEntry[] = isVisitor ? items.map(maskedEntry) : items;
    const view: View = written;
    return {
      frame: { title: "Queue", here: "queue", isLive: true },
      content: html`<h1>Queue</h1>
${asked.asker.role === "operate" ? doneText(queries) : ""}
<p>${sentence(seen.status)}</p>
${filterForm(view, seen)}
${looked === undefined ? "" : causes(looked, view, seen)}
${table(entries, { view, next, seen })}`,
    };
  });
}

type ShownEntry = Omit<QueueEntry, "messageId" | "submission">;

function sentence({ lanes }: Status): string {
  const sum = (state: "due" | "waiting" | "held" | "underway"): number =>
    lanes.reduce((all, lane) => all + lane[state].count, 0);
  const [due, waiting, held, underway] = [sum("due"), sum("waiting"), sum("held"), sum("underway")];
  const waits = due + waiting;
  const parts = [
    waits === 0 ? "no mail waits" : `${mails(waits)} ${waits === 1 ? "waits" : "wait"}, ${countOf(due)} due`,
    ...(held === 0 ? [] : [`${countOf(held)} ${held === 1 ? "is" : "are"} held`]),
    ...(underway === 0 ? [] : [`${countOf(underway)} ${underway === 1 ? "is" : "are"} being attempted`]),
  ];
  const text = parts.join("; ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

const STATE_WORDS: Readonly<Record<(typeof STATES)[number], string>> = {
  due: "due",
  waiting: "waiting",
  underway: "being attempted",
  held: "held",
  ended: "ended, to be reported",
};

function filterForm(view: View, { asked, status }: Seen): Html {
  const option = (value: string, text: string, chosen: string | undefined): Html =>
    html`<option value="${value}"${value === (chosen ?? "") ? html` selected` : ""}>${text}</option>`;
  const names = status.upstreams.map(({ name }) => name);
  const { upstream } = view;
  // A name of another configuration stays chosen, and fits nothing.
  const all = upstream === undefined || names.includes(upstream) ? names : [...names, upstream];
  return html`<form class="filter" action="/queue" role="search" aria-label="Filter">
<label>State <select name="state">${option("", "all", view.state)}${STATES.map((state) => option(state, STATE_WORDS[state], view.state))}</select></label>
<label>Upstream <select name="upstream">${option("", "all", upstream)}${all.map((name) => option(name, name, upstream))}</select></label>
${
  asked.asker.role === "visitor"
    ? ""
    : html`<label>Task <input name="task" maxlength="998" value="${view.task ?? ""}"></label>
<label>Recipient <input name="to" maxlength="998" value="${view.to ?? ""}"></label>`
}
<label>Older than <input name="older" size="6" placeholder="1h" pattern="[0-9]+(ms|s|m|h|d)" value="${view.older ?? ""}"></label>
<button>Show</button> <a href="/queue">Show all</a>
</form>`;
}

interface Looked {
  readonly items: readonly LastReply[];
  readonly next?: string | undefined;
  /** Only what the page lists was looked at. */
  readonly isOfList: boolean;
}

function causes({ items, next, isOfList }: Looked, view: View, { asked }: Seen): Html {
  const all = causesOf(items);
  if (all.length === 0) return html``;
  const canOrder = asked.asker.role === "operate";
  const rest = all.slice(CAUSES_MAX).reduce((sum, { count }) => sum + count, 0);
  return html`<h2>By last reply</h2>
<p class="quiet">${scopeOf(next !== undefined, isOfList, view.cursor)} “…” is what differs.</p>
<ul class="causes">
${all.slice(0, CAUSES_MAX).map((cause) => html`<li>${causeText(cause)} ${canOrder ? retryForm(cause, view) : ""}</li>`)}
${rest === 0 ? "" : html`<li>${mails(rest)} of ${countOf(all.length - CAUSES_MAX)} other causes</li>`}
</ul>`;
}

function scopeOf(isMore: boolean, isOfList: boolean, cursor: string | undefined): string {
  const where = cursor === undefined ? "" : " from here on";
  if (isOfList) return "Of the mails listed below.";
  return isMore
    ? `Of the first ${countOf(LOOKED_AT)} mails looked at${where}.`
    : `Of all mails that fit${where}.`;
}

const causeText = ({ count, text }: Cause): Html =>
  html`<strong>${countOf(count)}</strong> of one cause: <q>${text}</q>`;

function retryForm({ text, count, retriable }: Cause, view: View): Html {
  const others = count - retriable.length;
  const why =
    others === 0
      ? ""
      : html` <span class="quiet">${countOf(others)} ${others === 1 ? "is" : "are"} due already, or in doubt.</span>`;
  if (retriable.length === 0) return html`${why}`;
  return html`<form method="post" action="/queue/retry">${viewFields(view)}<input type="hidden" name="id" value="${retriable.join(" ")}"><button id="retry ${text}">Retry ${countOf(retriable.length)}</button></form>${why}`;
}

interface Listing {
  readonly view: View;
  readonly next: string | undefined;
  readonly seen: Seen;
}

function table(entries: readonly ShownEntry[], { view, next, seen }: Listing): Html {
  const isVisitor = seen.asked.asker.role === "visitor";
  const canOrder = seen.asked.asker.role === "operate";
  const { cursor, ...filter } = view;
  const isFiltered = Object.keys(filter).length > 0;
  const ways = html`<p class="ways">${cursor === undefined ? "" : html`<a href="${hrefOf(filter)}">First page</a> `}${
    next === undefined
      ? ""
      : html`<a rel="next" href="${hrefOf({ ...filter, cursor: next })}">Next ${countOf(LISTED)}</a>`
  }</p>`;
  if (entries.length === 0) {
    const none =
      next !== undefined
        ? "None so far: the queue is long, look further."
        : isFiltered
          ? "No mail of the queue fits."
          : cursor === undefined
            ? "The queue is empty."
            : "There are no more.";
    return html`<h2>Mails</h2>
<p>${none}</p>
${ways}`;
  }
  const sorted = [...entries].sort((one, other) => one.acceptedAt.localeCompare(other.acceptedAt));
  const rows = html`<table>
<thead><tr>${canOrder ? html`<th scope="col"><span class="hidden">choose</span></th>` : ""}<th scope="col">age</th><th scope="col">recipient</th>${
    isVisitor ? "" : html`<th scope="col">task</th>`
  }<th scope="col">upstream</th><th scope="col" class="number">attempts</th><th scope="col">due</th>${isVisitor ? "" : html`<th scope="col">last reply</th>`}</tr></thead>
<tbody>
${sorted.map((entry) => row(entry, seen))}
</tbody>
</table>`;
  const order =
    next === undefined && cursor === undefined
      ? "The oldest first."
      : "The oldest of this page first; the pages are in no order.";
  return html`<h2>Mails</h2>
<p class="quiet">${mails(entries.length)}. ${order}</p>
${canOrder ? html`<form method="post" action="/queue/retry">${viewFields(view)}${rows}${orderButtons(entries)}</form>` : rows}
${ways}`;
}

function row(entry: ShownEntry, { asked: { asker }, now }: Seen): Html {
  const { id, recipient, acceptedAt, upstream, attempts, task, lastReply } = entry;
  const isVisitor = asker.role === "visitor";
  return html`<tr>${
    asker.role === "operate"
      ? html`<td class="pick"><input type="checkbox" name="id" value="${id}" id="pick-${id}" aria-label="Choose the mail to ${recipient}"></td>`
      : ""
  }<td class="short" data-title="age">${age(acceptedAt, now)}</td><th scope="row" class="address"><a href="/mails/${id}">${recipient}</a></th>${
    isVisitor
      ? ""
      : html`<td data-title="task">${task === undefined ? "–" : html`<a href="${hrefOf({ task })}">${task}</a>`}</td>`
  }<td class="short" data-title="upstream">${upstream}</td><td class="number" data-title="attempts">${countOf(attempts)}</td><td class="short" data-title="due">${dueText(entry, now)}</td>${
    isVisitor ? "" : html`<td data-title="last reply">${lastReply === undefined ? "–" : cut(lastReply)}</td>`
  }</tr>`;
}

function dueText({ state, hold, doubtful, dueAt, listensUntil }: ShownEntry, now: number): Html {
  const doubt = doubtful === true ? ", in doubt" : "";
  if (listensUntil !== undefined)
    return html`<span>held in doubt; SES's events may come, policy acts ${until(listensUntil, now)}</span>`;
  if (state === "held") return html`held ${hold === "operator" ? `by an operator${doubt}` : "in doubt"}`;
  if (dueAt === undefined) return html`${STATE_WORDS[state]}${doubt}`;
  return html`${state === "due" ? "now" : until(dueAt, now)}${doubt}`;
}

/** Characters of a reply in the list. */
const REPLY_SHOWN = 90;

function cut(reply: string): Html {
  const characters = [...reply];
  return characters.length <= REPLY_SHOWN
    ? html`${reply}`
    : html`<span title="${reply}">${characters.slice(0, REPLY_SHOWN).join("")}…</span>`;
}

const BUTTONS: readonly (readonly [OrderKind, string, string])[] = [
  ["retry", "Retry", "due now"],
  ["hold", "Hold", "not attempted until released"],
  ["release", "Release", "what an operator holds is due now"],
  ["bounce", "Bounce…", "refused for good, with a report"],
  ["remove", "Remove…", "gone, without a report"],
];

/** One tick is for all that are listed: what was listed is sent, whatever has come since. */
const orderButtons = (
  entries: readonly ShownEntry[],
): Html => html`<p><input type="hidden" name="listed" value="${entries.map(({ id }) => id).join(" ")}"><label><input type="checkbox" name="all" value="yes" id="pick-all"> ${
  entries.length === 1 ? "The one that is listed" : `All ${countOf(entries.length)} that are listed`
}</label></p>
<ul class="orders" aria-label="With the chosen mails">
${BUTTONS.map(
  ([kind, text, does]) =>
    html`<li><button id="order-${kind}" formaction="/queue/${kind}"${kind === "bounce" || kind === "remove" ? html` class="danger"` : ""}>${text}</button> <span class="quiet">${does}</span></li>`,
)}
</ul>`;
