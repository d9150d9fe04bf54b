// What is around the content of every page: where one is, how to get elsewhere, who is signed in.
import { countOf } from "../../runtime/amounts.ts";
import type { Answer, Asked, Asker, Problem } from "../http/route.ts";
import type { Status } from "../status/schema.ts";
import { type Html, html } from "./html.ts";

export type PageName = "overview" | "queue" | "doubtful" | "upstreams" | "outbox";

export interface Frame {
  readonly title: string;
  /** Which entry of the navigation this is. */
  readonly here?: PageName;
  /** It shows what changes, and is read again when it does. */
  readonly isLive?: boolean;
  readonly status?: number;
}

/** What the navigation shows. */
export interface Surroundings {
  readonly asker: Asker;
  /** Absent while the gateway starts, and where one is not signed in. */
  readonly state?: Pick<Status, "lanes" | "doubtful" | "degraded"> | undefined;
  readonly hasOutbox: boolean;
  /** What was searched for last. */
  readonly search?: string | undefined;
  /** Open streams of events: about as many pages are open. */
  readonly readers?: number;
}

/** How often an open page is read again at most, in seconds. */
const LIVE_SECONDS = 5;

/** Of all open pages together, in a second: each costs the gateway as much as some mails. */
const READ_EACH_SECOND = 10;

const secondsFor = (readers: number): number => Math.max(LIVE_SECONDS, Math.ceil(readers / READ_EACH_SECOND));

/** Asker and state are shown around it. */
export async function framed(
  { title, here, isLive = false, status = 200 }: Frame,
  surroundings: Surroundings,
  content: Html,
): Promise<Answer> {
  const { asker, search = "", readers = 0 } = surroundings;
  const whole = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} – mailonce</title>
<link rel="stylesheet" href="/assets/pages.css">
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<script src="/assets/live.js" type="module"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<a class="name" href="/">mailonce</a>
<nav aria-label="Pages">${entries(here, surroundings)}</nav>
<form class="search" action="/search" role="search"><input type="search" name="q" value="${search}" maxlength="998" placeholder="id, task or address" aria-label="Search by id, task or address"></form>
${signIn(asker)}
</header>
<main id="content" tabindex="-1"${isLive ? html` data-live="${secondsFor(readers)}"` : ""}>
${content}
</main>
</body>
</html>
`;
  return { kind: "page", status, html: String(await whole) };
}

/** A page that says what is wrong. Somebody without a token is led to where they sign in. */
export async function problemPage({ status, title, detail }: Problem, asked: Asked): Promise<Answer> {
  if (status === 401 && asked.header("authorization") === undefined)
    return { kind: "redirect", to: "/login" };
  return await framed(
    { title, status },
    { asker: asked.asker, hasOutbox: false },
    problemText(title, detail),
  );
}

const problemText = (title: string, detail: string): Html => html`<h1>${title}</h1>
<p>${detail}</p>
<p><a href="/">Overview</a></p>`;

/** Mails in all states together. */
export const queuedIn = (lanes: Status["lanes"]): number =>
  lanes.reduce(
    (sum, { due, waiting, underway, held }) => sum + due.count + waiting.count + underway.count + held.count,
    0,
  );

function entries(here: PageName | undefined, { state, hasOutbox }: Surroundings): Html {
  const waiting = queuedIn(state?.lanes ?? []);
  const entry = (name: PageName, path: string, text: string, count = 0): Html =>
    html`<a href="${path}"${here === name ? html` aria-current="page"` : ""}>${text}${
      count === 0 ? "" : html` <span class="count">${countOf(count)}</span>`
    }</a>`;
  return html`${entry("overview", "/", "Overview")}
${entry("queue", "/queue", "Queue", waiting)}
${entry("doubtful", "/doubtful", "Doubtful", state?.doubtful)}
${entry("upstreams", "/upstreams", "Upstreams")}
${hasOutbox ? entry("outbox", "/outbox", "Outbox") : ""}`;
}

const signIn = ({ name, role }: Asker): Html =>
  role === "visitor"
    ? html`<a class="who" href="/login">Sign in</a>`
    : html`<form class="who" method="post" action="/logout"><span title="Signed in with this token and role">${name} (${role})</span> <button>Sign out</button></form>`;
