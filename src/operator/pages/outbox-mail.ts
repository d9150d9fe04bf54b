// A mail of the outbox. All of it is a stranger's: its texts are escaped, and its HTML is shown in a frame of its own, where
// nothing runs and nothing is loaded.
import { countOf, sizeOf } from "../../runtime/amounts.ts";
import { type Asked, type Problem, problem } from "../http/route.ts";
import { BEGINNING_OCTETS, SHOWN_OCTETS } from "../outbox/mail.ts";
import type { Looked, Outbox, OutboxDesk, ShownAttachment, ShownMail } from "../outbox/words.ts";
import { type Html, html } from "./html.ts";
import type { Page, Seen } from "./page.ts";
import { moment } from "./times.ts";

export const NO_SUBJECT = "(no subject)";

const VIEWS = ["text", "html", "source"] as const;
type View = (typeof VIEWS)[number];
const VIEW_NAMES: Readonly<Record<View, string>> = { text: "Text", html: "HTML", source: "Source" };

export const outboxMailPages: readonly Page[] = [
  {
    ...{ path: "/outbox/:name", needs: "read" },
    async show(seen) {
      const found = await lookedAt(seen, (box, name) => box.show(name));
      if ("kind" in found) return found;
      const { box, value: mail } = found;
      const wanted = seen.asked.query("show");
      const view =
        VIEWS.find((one) => one === wanted) ??
        (mail.text === undefined && mail.html !== undefined ? "html" : "text");
      return {
        frame: { title: mail.subject ?? NO_SUBJECT, here: "outbox" },
        content: mailText(mail, box, view),
      };
    },
  },
  {
    ...{ path: "/outbox/:name/html", needs: "read" },
    async show(seen) {
      const found = await lookedAt(seen, (box, name) => box.show(name));
      if ("kind" in found) return found;
      const { html: foreign } = found.value;
      return foreign === undefined
        ? problem(404, "this mail has no HTML")
        : { kind: "foreign", html: withoutConnections(foreign) };
    },
  },
  {
    ...{ path: "/outbox/:name/source", needs: "read" },
    async show(seen) {
      const found = await lookedAt(seen, (box, name) => box.source(name));
      return "kind" in found ? found : { kind: "octets", octets: found.value };
    },
  },
  {
    ...{ path: "/outbox/:name/parts/:n", needs: "read" },
    async show(seen) {
      const at = /^[1-9]\d{0,3}$/.exec(seen.asked.param("n") ?? "")?.[0];
      if (at === undefined) return problem(404, "a mail has no such attachment");
      const found = await lookedAt(seen, (box, name) => box.attachment(name, Number(at) - 1));
      return "kind" in found ? found : { kind: "octets", octets: found.value };
    },
  },
];

/**
 * Chromium connects to where a frame leads before it asks whether the frame may be there, and a link can have it connect ahead of
 * time; the name it looks up tells the sender who reads. A tag begins with these letters and nothing between them, so none is
 * left; elsewhere they mean nothing.
 */
const withoutConnections = (foreign: string): string => foreign.replace(/<(\/?)(?=i?frame|link)/gi, "<$1no-");

/** The Maildir that the query names, or else the first. */
export function chosenBox(
  { query }: Asked,
  desk: OutboxDesk | undefined,
): { readonly desk: OutboxDesk; readonly box: Outbox } | Problem {
  if (desk === undefined) return problem(404, "no upstream of this gateway is a Maildir");
  const wanted = query("upstream");
  const box = desk.boxes.find(({ name, isFirst }) => (wanted === undefined ? isFirst : name === wanted));
  if (box !== undefined) return { desk, box };
  const names = desk.boxes.map(({ name }) => name).join(", ");
  return problem(404, `no Maildir upstream has this name; there are ${names}`);
}

/** Of a page about a Maildir. @param rest of the path, encoded */
export function pathOf(
  { name, isFirst }: Outbox,
  rest: string,
  query: Readonly<Record<string, string>> = {},
): string {
  const all = new URLSearchParams(isFirst ? query : { ...query, upstream: name });
  return `/outbox${rest}${all.size === 0 ? "" : `?${all}`}`;
}

/** A link to the mail that an upstream calls so, where it is in a Maildir. */
export async function outboxLink(
  desk: OutboxDesk | undefined,
  upstreamId: string | undefined,
): Promise<Html | ""> {
  if (upstreamId === undefined) return "";
  for (const box of desk?.boxes ?? []) {
    if (!(await box.has(upstreamId))) continue;
    return html`<p><a href="${pathOf(box, `/${encodeURIComponent(upstreamId)}`)}">Look at it in the outbox</a></p>`;
  }
  return "";
}

async function lookedAt<T>(
  { asked, parts }: Seen,
  look: (box: Outbox, name: string) => Promise<Looked<T>>,
): Promise<{ readonly box: Outbox; readonly value: T } | Problem> {
  const chosen = chosenBox(asked, parts.outbox);
  if ("kind" in chosen) return chosen;
  const { box } = chosen;
  const looked = await look(box, asked.param("name") ?? "");
  if (looked.ok) return { box, value: looked.value };
  return looked.why === "absent"
    ? problem(404, "there is no such mail in the outbox, or none any more")
    : problem(503, "other mails are being read; try again in a moment", { "Retry-After": "2" });
}

function mailText(mail: ShownMail, box: Outbox, view: View): Html {
  const path = `/${encodeURIComponent(mail.name)}`;
  const tab = (one: View): Html =>
    html`<a id="tab-${one}" href="${pathOf(box, path, { show: one })}"${one === view ? html` aria-current="page"` : ""}>${VIEW_NAMES[one]}</a>`;
  return html`<h1>${mail.subject ?? NO_SUBJECT}</h1>
<p>${mail.to === undefined ? "Relayed" : html`Relayed to ${mail.to}`} at ${moment(mail.relayedAt)}, ${sizeOf(mail.size)}. ${
    mail.id === undefined ? "" : html`<a href="/mails/${mail.id}">What happened to it</a>`
  }</p>
<dl class="fields">${mail.fields.map(([name, value]) => field(name, value, mail.id))}</dl>
${STATES[mail.state]}
<nav class="tabs" aria-label="The mail as">${VIEWS.filter((one) => one !== "html" || mail.html !== undefined).map(tab)}</nav>
${contentOf(mail, view, box, path)}
${mail.attachments.length === 0 ? "" : attachments(mail, box, path)}
<p><a href="${pathOf(box, `${path}/source`)}" download="${mail.name}.eml">Download the mail</a></p>`;
}

const field = (name: string, value: string, id: string | undefined): Html =>
  html`<dt>${NAMES[name] ?? name}</dt><dd>${
    name === "message-id" && id !== undefined ? html`<a href="/mails/${id}">${value}</a>` : value
  }</dd>`;

const NAMES: Readonly<Record<string, string>> = {
  ...{ from: "From", to: "To", cc: "Cc", "reply-to": "Reply-To", subject: "Subject", date: "Date" },
  "message-id": "Message-ID",
};

const STATES: Readonly<Record<ShownMail["state"], Html | "">> = {
  whole: "",
  cut: html`<p class="quiet">This mail is large: its first ${sizeOf(SHOWN_OCTETS)} are shown. Downloads are whole.</p>`,
  undecoded: html`<p class="quiet">Some of this mail can't be shown: it is damaged, or it would take long to decode. Its source is whole.</p>`,
};

/** Characters: to escape a million of them takes a tenth of a second, in one piece. */
const TEXT_SHOWN = 128 * 1024;

function contentOf(
  { text, html: foreign, source, size, state }: ShownMail,
  view: View,
  box: Outbox,
  path: string,
): Html {
  if (view === "source") {
    return html`${size > BEGINNING_OCTETS ? html`<p class="quiet">The first ${sizeOf(BEGINNING_OCTETS)}:</p>` : ""}<pre>${source}</pre>`;
  }
  if (view === "html" && foreign !== undefined) {
    return html`<p class="quiet">Nothing in it runs, no picture is loaded from elsewhere, and its links lead nowhere.</p>
<iframe class="foreign" sandbox title="The mail as HTML" src="${pathOf(box, `${path}/html`)}"></iframe>`;
  }
  if (text !== undefined) {
    return html`${text.length > TEXT_SHOWN ? html`<p class="quiet">The first ${countOf(TEXT_SHOWN)} characters; the download has all:</p>` : ""}<pre>${text.slice(0, TEXT_SHOWN)}</pre>`;
  }
  return html`<p>${state === "undecoded" ? "No text could be read." : "This mail has no text."}</p>`;
}

const attachments = (
  { attachments: all, state }: ShownMail,
  box: Outbox,
  path: string,
): Html => html`<h2>Attachments</h2>
<table>
<thead><tr><th scope="col">name</th><th scope="col">type</th><th scope="col" class="number">size</th><th scope="col">download</th></tr></thead>
<tbody>
${all.map((one, at) => attachment(one, pathOf(box, `${path}/parts/${at + 1}`), at === all.length - 1 && state !== "whole"))}
</tbody>
</table>`;

/** @param isCut its end was not read */
function attachment({ fileName, type, size }: ShownAttachment, path: string, isCut: boolean): Html {
  const name = fileName ?? "(no name)";
  return html`<tr><th scope="row">${name}</th><td data-title="type">${type}</td>
<td class="number" data-title="size">${isCut ? "at least " : ""}${sizeOf(size)}</td>
<td data-title="download"><a href="${path}" download="${(fileName ?? "").replace(/[/\\]/g, "_")}" aria-label="Download ${name}">Download</a></td></tr>`;
}
