// One mail: what became of it in a sentence, what can be done, how far it has come, and what happened.
import type { Id } from "../../identity/message-id.ts";
import { countOf } from "../../runtime/amounts.ts";
import { NOTHING_KNOWN } from "../explain/answer.ts";
import type { Explained } from "../explain/words.ts";
import { problem } from "../http/route.ts";
import { idIn } from "../id-in.ts";
import { maskedFacts } from "../routes/masked-mail.ts";
import { type Html, html } from "./html.ts";
import { MAIL_ORDERS, type MailOrder, orderForms } from "./mail-forms.ts";
import { DONE, type Done, orderMail } from "./mail-order.ts";
import { outboxLink } from "./outbox-mail.ts";
import type { Page, Seen, Shown } from "./page.ts";
import { allOf, steps, stepsOf, timeline } from "./timeline.ts";

export const mailPages: readonly Page[] = [
  { path: "/mails/:id", needs: "visitor", show: (seen) => ofNamed(seen, show) },
  { path: "/mails/:id/header", needs: "read", show: (seen) => ofNamed(seen, showHeader) },
  ...MAIL_ORDERS.map(
    (order): Page => ({
      ...{ method: "POST", path: `/mails/:id/${order}`, needs: "operate" },
      show: (seen) => ofNamed(seen, (id) => give(order, id, seen)),
    }),
  ),
];

async function ofNamed(seen: Seen, answer: (id: Id, seen: Seen) => Promise<Shown>): Promise<Shown> {
  const id = idIn(seen.asked.param("id") ?? "");
  return id === undefined
    ? problem(400, "this is no id, and no Message-ID of this gateway")
    : await answer(id, seen);
}

/** Said above the mail: that something was done, or why not. */
interface Notice {
  readonly text: string;
  /** Of the answer, where it was not done. */
  readonly status?: number;
}

async function show(id: Id, seen: Seen): Promise<Shown> {
  const { asker, query } = seen.asked;
  const done = query("done") ?? "";
  const isDone = asker.role === "operate" && Object.hasOwn(DONE, done);
  return await showWith(id, seen, isDone ? { text: DONE[done as Done] } : undefined);
}

async function give(order: MailOrder, id: Id, seen: Seen): Promise<Shown> {
  const came = await orderMail(order, id, seen);
  if ("kind" in came) return came;
  if ("done" in came) return { kind: "redirect", to: `/mails/${id}?done=${came.done}` };
  return await showWith(id, seen, { text: came.fault, status: came.status });
}

async function showWith(id: Id, { asked, parts }: Seen, notice?: Notice): Promise<Shown> {
  const { role } = asked.asker;
  const explained = await parts.explain.explain(id, role === "visitor" ? maskedFacts : undefined);
  const said = notice === undefined ? "" : noticeText(notice);
  const title = `Mail ${id.slice(0, 8)}…`;
  if (explained === undefined) {
    const content = html`<h1>${title}</h1>
${said}
<p>${NOTHING_KNOWN}</p>`;
    return { frame: { title, status: notice?.status ?? 404 }, content };
  }
  // The path of an order can't be read again.
  const frame = { title, isLive: notice?.status === undefined, status: notice?.status ?? 200 };
  const upstreamId = allOf(explained, "attempt").at(-1)?.upstreamId;
  const link = role === "visitor" ? "" : await outboxLink(parts.outbox, upstreamId);
  return { frame, content: whole(explained, title, said, link, role) };
}

const noticeText = ({ text, status }: Notice): Html =>
  status === undefined
    ? html`<p class="done" role="status">${text}</p>`
    : html`<p class="refused" role="alert">${text}</p>`;

const whole = (
  explained: Explained,
  title: string,
  said: Html | "",
  link: Html | "",
  role: Seen["asked"]["asker"]["role"],
): Html => html`<h1>${title} ${toText(explained)}</h1>
${said}
<p class="answer">${explained.answer}</p>
${link}
${role === "operate" ? orderForms(explained) : ""}
${steps(stepsOf(explained))}
<h2>What happened</h2>
${timeline(explained)}
${technical(explained, role !== "visitor")}`;

const recipientOf = (explained: Explained): string | undefined =>
  explained.mail?.recipient ?? allOf(explained, "accepted").at(-1)?.recipient;

function toText(explained: Explained): Html | "" {
  const recipient = recipientOf(explained);
  return recipient === undefined ? "" : html`<span class="quiet">to ${recipient}</span>`;
}

function technical(explained: Explained, isReader: boolean): Html {
  const { id, ledger, mail = {} } = explained;
  const accepted = allOf(explained, "accepted").at(-1);
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["id", id],
    ["Message-ID", mail.messageId],
    ["submission", mail.submission ?? accepted?.submission],
    ["task", mail.task ?? accepted?.task],
    ["user", mail.user ?? accepted?.user],
    ["client", mail.client ?? accepted?.client],
    ["reverse-path", mail.reversePath ?? accepted?.reversePath],
    ["size", mail.size === undefined ? undefined : `${countOf(mail.size)} octets`],
    ["attempts", mail.attempts === undefined ? undefined : countOf(mail.attempts)],
    ["queue", mail.state],
    ["next attempt", mail.dueAt],
    ["waits for events until", mail.listensUntil],
    ["last upstream", mail.lastUpstream],
    ["last reply", mail.lastReply],
    ["lost", mail.lost],
    ["ledger", ledger.gateway === undefined ? ledger.state : `${ledger.state} (${ledger.gateway})`],
    ["ledger fault", isReader ? ledger.fault : undefined],
  ];
  return html`<details id="technical"><summary>Technical details</summary>
<dl class="fields">
${rows.map(([name, value]) => (value === undefined ? "" : html`<dt>${name}</dt><dd>${value}</dd>`))}
</dl>
${isReader && mail.id !== undefined ? html`<p><a href="/mails/${id}/header">Its header, as it leaves</a></p>` : ""}
</details>`;
}

/** Octets of a header that are shown: more than people read, and few enough for a page. */
const HEADER_MAX = 64 * 1024;

async function showHeader(id: Id, { parts }: Seen): Promise<Shown> {
  const octets = await parts.queue.content(id, "header");
  if (octets === undefined) return problem(404, "the mail is not in the queue, or its content is lost");
  const title = `Header of mail ${id.slice(0, 8)}…`;
  const { text, isCut } = await firstOf(octets);
  const content = html`<h1>${title}</h1>
<p><a href="/mails/${id}">The mail</a></p>
<pre>${text}</pre>
${isCut ? html`<p>This is cut after ${countOf(HEADER_MAX)} octets.</p>` : ""}`;
  return { frame: { title }, content };
}

async function firstOf(octets: AsyncIterable<Uint8Array>): Promise<{ text: string; isCut: boolean }> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of octets) {
    pieces.push(piece);
    size += piece.length;
    if (size > HEADER_MAX) break;
  }
  const text = new TextDecoder().decode(Buffer.concat(pieces).subarray(0, HEADER_MAX));
  return { text, isCut: size > HEADER_MAX };
}
