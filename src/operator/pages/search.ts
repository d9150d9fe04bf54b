// Search: an id leads to its mail; what else names mails, a task, an address, what an upstream calls them, lists them, with what
// became of each. And where it was looked, so that nothing found means something.
import { z } from "zod";
import { canonicalRecipient } from "../../address/recipient.ts";
import type { Id } from "../../identity/message-id.ts";
import { canonicalTask } from "../../identity/task.ts";
import { countOf } from "../../runtime/amounts.ts";
import type { Match } from "../explain/words.ts";
import { idIn } from "../id-in.ts";
import { NAME_MAX } from "../routes/body.ts";
import type { OperatorParts } from "../routes/parts.ts";
import { orBadCursor, queryOf } from "../routes/query.ts";
import { type Html, html } from "./html.ts";
import type { Page, Seen, Shown } from "./page.ts";
import { mails } from "./queue-orders.ts";
import { hrefOf } from "./queue-view.ts";

/** Mails of a page of the history, and of the queue. */
const LISTED = { history: 50, queue: 20 } as const;

const text = z.string().trim().max(NAME_MAX);

/** @see Found.next */
const searchQuery = z.object({ q: text.default(""), cursor: text.min(1).optional() });

export const searchPages: readonly Page[] = [{ path: "/search", needs: "visitor", show: search }];

async function search({ asked, parts }: Seen): Promise<Shown> {
  const query = queryOf(asked, searchQuery);
  if (!query.ok) return query.answer;
  const { q, cursor } = query.value;
  const id = idIn(q);
  const isVisitor = asked.asker.role === "visitor";
  // An address or a Message-ID of a mailer may begin as an id does; what is known here by its id is ours.
  const isOurs = async (one: Id): Promise<boolean> => (await parts.explain.explain(one)) !== undefined;
  if (id !== undefined && (isVisitor || !q.includes("@") || (await isOurs(id)))) return toMail(id);
  const page = (content: Html): Shown => ({
    frame: { title: "Search" },
    search: q,
    content: html`<h1>Search</h1>
${content}`,
  });
  if (q === "") return page(html`<p>${WHAT}</p>`);
  if (isVisitor) {
    return page(
      html`<p>This is no id, and no Message-ID of this gateway. Without a token nothing else is looked for: <a href="/login">sign in</a>.</p>`,
    );
  }
  return await orBadCursor(async () => {
    const found = await find(q, cursor, parts);
    return page(answer(q, found));
  });
}

const toMail = (id: Id): Shown => ({ kind: "redirect", to: `/mails/${id}` });

const WHAT =
  "Search by an id, a Message-ID, a task, a recipient's address, or what an upstream calls a mail.";

interface Found {
  readonly mails: readonly Match[];
  /** There are more than these. */
  readonly isMore?: boolean;
  /** Where it was looked, whether it was found there or not. */
  readonly places: readonly string[];
  /** Of the page of a task. */
  readonly next?: string | undefined;
  /** The mails of the queue that are meant, on their own page. */
  readonly queue?: string;
}

/** The others are looked at while nothing is found. */
async function find(q: string, cursor: string | undefined, parts: OperatorParts): Promise<Found> {
  const places: string[] = [];
  for (const [place, look] of looksFor(q, cursor, parts)) {
    const found = await look();
    places.push(found.isCut === true ? `${place}, of which only a part was looked at` : place);
    if (found.mails.length > 0 || found.next !== undefined) return { ...found, places };
  }
  return { mails: [], places };
}

type Looked = Omit<Found, "places"> & {
  /** The queue is longer than one page looks at. */
  readonly isCut?: boolean;
};

async function byTask(task: string, cursor: string | undefined, { explain }: OperatorParts): Promise<Looked> {
  const { items, next } = await explain.find({ task }, { limit: LISTED.history, cursor });
  return { mails: items, next, isMore: next !== undefined || cursor !== undefined, queue: hrefOf({ task }) };
}

type Look = readonly [place: string, look: () => Promise<Looked>];

/** The cheapest place first; but what is written as an address or a Message-ID is most likely one. */
function looksFor(q: string, cursor: string | undefined, parts: OperatorParts): readonly Look[] {
  const { explain, queue } = parts;
  const recipient = canonicalRecipient(q);
  const task = canonicalTask(q);
  const inQueue = async (filter: { to: string } | { task: string }): Promise<Looked> => {
    const { items, next } = await queue.list(filter, { limit: LISTED.queue });
    const found = await explained(items, parts);
    const isMore = next !== undefined;
    return { mails: found, isMore, isCut: isMore && items.length === 0, queue: hrefOf(filter) };
  };
  const byName = async (): Promise<Looked> => ({ mails: await explained(await queue.show(q), parts) });
  const inHistory: Look[] = [
    ...(task.ok ? [["as a task in the history", () => byTask(task.task, cursor, parts)] as const] : []),
    [
      "as what an upstream calls a mail, in the history",
      async () => {
        const { items, next } = await explain.find({ upstreamId: q }, { limit: LISTED.history });
        return { mails: items, isMore: next !== undefined };
      },
    ],
    ...(/^[a-z2-7]{16}$/.test(q) ? [["as a submission in the queue", byName] as const] : []),
  ];
  const byAddress: Look[] = [
    ...(recipient.ok
      ? [["as a recipient in the queue", () => inQueue({ to: recipient.recipient })] as const]
      : []),
    // It may be a Message-ID that its mailer has set.
    ...(q.includes("@") ? [["as a Message-ID in the queue", byName] as const] : []),
  ];
  const inQueueByTask: Look[] =
    task.ok && !recipient.ok ? [["as a task in the queue", () => inQueue({ task: task.task })]] : [];
  // A cursor is of the page of a task.
  const isAddress = q.includes("@") && cursor === undefined;
  return [...(isAddress ? [...byAddress, ...inHistory] : [...inHistory, ...byAddress]), ...inQueueByTask];
}

const explained = (
  entries: readonly { readonly id: Match["id"]; readonly recipient: string }[],
  { explain }: OperatorParts,
): Promise<Match[]> =>
  Promise.all(
    entries.slice(0, LISTED.queue).map(async ({ id, recipient }) => {
      const answer = (await explain.explain(id))?.answer ?? "It has just left the queue.";
      return { id, recipient, answer };
    }),
  );

function answer(q: string, { mails: found, isMore, places, next, queue }: Found): Html {
  const looked = html`<ul>${places.map((place) => html`<li>${place}</li>`)}</ul>`;
  if (found.length === 0 && next === undefined) {
    return html`<p>Nothing was found for <q>${q}</q>. It was looked for:</p>
${looked}
<p>The history goes back for <code>[history] retention</code>. It is not kept by address: what became of mails to somebody is found by
their tasks.</p>
<p>${WHAT}</p>`;
  }
  return html`<p>${mails(found.length)}${isMore === true ? " of more" : ""} for <q>${q}</q>, found ${places.at(-1)}.</p>
<ul class="answers">
${found.map(({ id, recipient, answer }) => html`<li><a href="/mails/${id}">${recipient ?? html`<code>${id}</code>`}</a> ${answer}</li>`)}
</ul>
<p class="ways">${next === undefined ? "" : html`<a rel="next" href="/search?${new URLSearchParams({ q, cursor: next }).toString()}">Next ${countOf(LISTED.history)}</a> `}${
    queue === undefined ? "" : html`<a href="${queue}">Those in the queue</a>`
  }</p>`;
}
