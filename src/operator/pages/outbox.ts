// The outbox: the mails that went into a Maildir, newest first. What a newcomer looks at first.
import { countOf, sizeOf } from "../../runtime/amounts.ts";
import { problem } from "../http/route.ts";
import { NAMES_MAX } from "../outbox/folder.ts";
import type { MailSummary, Outbox, OutboxDesk, OutboxList } from "../outbox/words.ts";
import { type Html, html } from "./html.ts";
import { chosenBox, NO_SUBJECT, outboxMailPages, pathOf } from "./outbox-mail.ts";
import type { Page } from "./page.ts";
import { age } from "./times.ts";

const PAGE_MAILS = 50;

export const outboxPages: readonly Page[] = [
  {
    ...{ path: "/outbox", needs: "read" },
    async show({ asked, parts, now }) {
      const chosen = chosenBox(asked, parts.outbox);
      if ("kind" in chosen) return chosen;
      const { desk, box } = chosen;
      const page = asked.query("page") ?? "1";
      if (!/^[1-9]\d{0,5}$/.test(page)) return problem(400, "page: a number from 1 on");
      const list = await box.list((Number(page) - 1) * PAGE_MAILS, PAGE_MAILS);
      return {
        frame: { title: "Outbox", here: "outbox", isLive: true },
        content: html`<h1>Outbox</h1>
${choice(desk, box)}
<p>${sentence(desk, box, list)}</p>
${list.isMore ? html`<p class="quiet">More than ${countOf(NAMES_MAX)} files are there, and only so many were looked at. Newer mails may be missing here.</p>` : ""}
${list.mails.length === 0 ? "" : table(list.mails, box, now)}
${pager(box, Number(page), list.total)}`,
      };
    },
  },
  ...outboxMailPages,
];

/** Where there are several. */
function choice({ boxes }: OutboxDesk, chosen: Outbox): Html | "" {
  if (boxes.length === 1) return "";
  return html`<nav class="tabs" aria-label="Upstreams">${boxes.map(
    (box) =>
      html`<a href="${pathOf(box, "")}"${box === chosen ? html` aria-current="page"` : ""}>${box.name}</a>`,
  )}</nav>`;
}

function sentence({ isOnly }: OutboxDesk, { path }: Outbox, { fault, total }: OutboxList): Html {
  if (fault !== undefined)
    return html`<strong class="bad">Nothing is read in this folder</strong>: ${fault}.`;
  const where = html`<code>${path}</code>`;
  if (total === 0) return html`No mail is in ${where} yet. A mail that is relayed is shown here at once.`;
  const [are, they] = total === 1 ? ["1 mail is", "it"] : [`${countOf(total)} mails are`, "they"];
  return html`${are} in ${where}${isOnly ? `; ${they} went nowhere else.` : "."}`;
}

const table = (mails: readonly MailSummary[], box: Outbox, now: number): Html => html`<table>
<thead><tr><th scope="col">subject</th><th scope="col">from</th><th scope="col">to</th><th scope="col">relayed</th><th scope="col" class="number">size</th><th scope="col">history</th></tr></thead>
<tbody>
${mails.map((mail) => row(mail, box, now))}
</tbody>
</table>`;

const row = ({ name, subject, from, to, relayedAt, size, id }: MailSummary, box: Outbox, now: number): Html =>
  html`<tr><th scope="row"><a id="mail-${name}" href="${pathOf(box, `/${encodeURIComponent(name)}`)}">${subject ?? NO_SUBJECT}</a></th>
<td data-title="from">${from ?? "–"}</td><td data-title="to">${to ?? "–"}</td><td data-title="relayed">${age(relayedAt, now)} ago</td>
<td class="number" data-title="size">${sizeOf(size)}</td>
<td data-title="history">${id === undefined ? "–" : html`<a href="/mails/${id}">what happened</a>`}</td></tr>`;

function pager(box: Outbox, page: number, total: number): Html | "" {
  const last = Math.max(1, Math.ceil(total / PAGE_MAILS));
  if (last === 1) return "";
  const link = (to: number, text: string): Html =>
    html`<a id="${text.toLowerCase()}" href="${pathOf(box, "", { page: String(to) })}">${text}</a> `;
  return html`<p>${page > 1 ? link(Math.min(page - 1, last), "Newer") : ""}${page < last ? link(page + 1, "Older") : ""}<span class="quiet">page ${countOf(page)} of ${countOf(last)}</span></p>`;
}
