// The first page: what is wrong, what the gateway has prevented, and how much is where.
import { countOf, durationOf } from "../../runtime/amounts.ts";
import type { Asker } from "../http/route.ts";
import type { OutboxDesk } from "../outbox/words.ts";
import { listeningIn } from "../status/listening.ts";
import { observedText } from "../status/observed.ts";
import type { Flow, LaneStatus, Status, Trouble, UpstreamStatus } from "../status/schema.ts";
import { chart } from "./chart.ts";
import { queuedIn } from "./frame.ts";
import { type Html, html } from "./html.ts";
import type { Page } from "./page.ts";
import { recentMails } from "./recent.ts";
import { age } from "./times.ts";

export const overviewPages: readonly Page[] = [
  {
    ...{ path: "/", needs: "visitor", isOfStatus: true },
    show: ({ asked: { asker }, status, parts, now }) => ({
      frame: { title: "Overview", here: "overview", isLive: true },
      content: html`${overview({ status, minutes: parts.status.minutes(), outbox: parts.outbox, asker, now })}
${recentMails(parts.recent.list(), asker, now)}
${facts(status, now)}`,
    }),
  },
];

interface OverviewFacts {
  readonly status: Status;
  /** Of each of the last minutes, oldest first. */
  readonly minutes: readonly Flow[];
  readonly outbox: OutboxDesk | undefined;
  readonly asker: Asker;
  readonly now: number;
}

const overview = ({
  status,
  minutes,
  outbox,
  asker,
  now,
}: OverviewFacts): Html => html`<h1 class="hidden">Overview</h1>
${troubles(status.troubles, asker, now)}
${outbox?.isOnly === true ? html`<p>Relayed mail goes into a folder and nowhere else. <a href="/outbox">Look at it in the outbox.</a></p>` : ""}
${observed(status.observed, now)}
${prevented(status.prevented, status.startedAt, now)}
${figures(status, now)}
${chart(minutes)}
<h2>Queue</h2>
${lanes(status, now)}`;

/** Also of the page of upstreams. */
export function troubles(all: readonly Trouble[], asker: Asker, now: number): Html {
  if (all.length === 0) return html`<p class="well">Mail is taken and relayed.</p>`;
  return html`<ul class="troubles" aria-label="What is wrong">
${all.map((trouble) => html`<li class="${trouble.degrades ? "bad" : "notice"}">${troubleText(trouble, asker, now)}</li>`)}
</ul>`;
}

function troubleText(
  { kind, text, reason, todo, upstream, since }: Trouble,
  asker: Asker,
  now: number,
): Html {
  const isPaused = upstream !== undefined && (kind === "upstream" || kind === "operator");
  return html`<p><strong>${text}</strong>${since === undefined ? "" : html` for ${age(since, now)}`}${
    reason === undefined ? "" : html`: <q>${reason}</q>`
  }</p>
${todo === undefined ? "" : html`<p>${withCommands(todo)}.</p>`}
${kind === "held" ? html`<p><a href="/doubtful">See them, and decide</a></p>` : ""}
${kind === "silent" && upstream !== undefined ? html`<p><a href="${listOf("waiting", upstream)}">See what was said about each mail</a></p>` : ""}
${isPaused && asker.role === "operate" ? resumeForm(upstream, kind === "operator" ? "Resume" : "Try now") : ""}`;
}

/** What is between backticks is a command. */
const withCommands = (text: string): Html =>
  html`${text.split("`").map((part, at) => (at % 2 === 0 ? part : html`<code>${part}</code>`))}`;

const resumeForm = (upstream: string, text: string): Html =>
  html`<form method="post" action="/upstreams/resume"><input type="hidden" name="upstream" value="${upstream}"><button id="resume-${upstream}">${text}</button></form>`;

function observed(facts: Status["observed"], now: number): Html | "" {
  if (facts === undefined) return "";
  const { repeats, others } = observedText(facts);
  return html`<p class="prevented"><strong>${repeats}</strong> since ${facts.since.slice(0, 10)}, ${age(facts.since, now)} ago${
    others === undefined ? "" : `, and ${others}`
  }. The mode is <code>observe</code>: nothing is dropped.</p>`;
}

function prevented({ sinceStart, recorded }: Status["prevented"], startedAt: string, now: number): Html {
  const count = recorded?.month ?? sinceStart;
  const when =
    recorded === undefined
      ? html`since the start, ${age(startedAt, now)} ago`
      : html`this month (UTC); ${countOf(sinceStart)} since the start, ${age(startedAt, now)} ago`;
  return html`<p class="prevented"><strong>${countOf(count)}</strong> second ${count === 1 ? "mail" : "mails"} prevented ${when}</p>`;
}

function figures({ rates, doubtful, lanes }: Status, now: number): Html {
  const listening = listeningIn({ lanes });
  const due = lanes.flatMap((lane) => lane.due.oldestDueAt ?? []).sort()[0];
  const queued = queuedIn(lanes);
  return html`<dl class="figures">
<div><dt>relayed, last minute</dt><dd>${countOf(rates.minute.relayed)}</dd></div>
<div><dt>in the queue</dt><dd>${countOf(queued)}</dd></div>
<div><dt>in doubt</dt><dd>${countOf(doubtful)}${listening === undefined ? "" : html` <span class="quiet">${listening.text}</span>`}</dd></div>
<div><dt>oldest due</dt><dd>${due === undefined ? "none" : age(due, now)}</dd></div>
</dl>`;
}

const lanes = ({ lanes: all, upstreams, troubles }: Status, now: number): Html => html`<table>
<thead><tr><th>upstream</th><th>state</th><th class="number">due</th><th class="number">waiting</th><th class="number">held</th><th class="number">under way</th><th class="number">oldest due</th></tr></thead>
<tbody>
${all.map((lane) => laneRow(lane, isSilent(lane.name, troubles) ? "takes nothing" : stateOf(lane, upstreams), now))}
</tbody>
</table>`;

/** All that is tried there is refused for now: it is in no pause, and takes nothing all the same. */
export const isSilent = (lane: string, troubles: readonly Trouble[]): boolean =>
  troubles.some(({ kind, upstream }) => kind === "silent" && upstream === lane);

function laneRow(lane: LaneStatus, state: string, now: number): Html {
  const { name, due, waiting, held, underway } = lane;
  const cell = (title: string, state: string, count: number): Html =>
    html`<td class="number" data-title="${title}">${
      count === 0 ? "0" : html`<a href="${listOf(state, name)}">${countOf(count)}</a>`
    }</td>`;
  return html`<tr><th scope="row">${name}</th><td data-title="state">${state}</td>
${cell("due", "due", due.count)}${cell("waiting", "waiting", waiting.count)}${cell("held", "held", held.count)}${cell("under way", "underway", underway.count)}
<td class="number" data-title="oldest due">${due.oldestDueAt === undefined ? "–" : age(due.oldestDueAt, now)}</td></tr>`;
}

/** A lane of several upstreams is asked for by the first: the filter knows upstreams. */
const listOf = (state: string, name: string): string =>
  `/queue?state=${state}&upstream=${encodeURIComponent(name.split(", ")[0] ?? name)}`;

/** In one word. */
function stateOf(lane: LaneStatus, upstreams: readonly UpstreamStatus[]): string {
  if (lane.pause !== undefined) return WHY_PAUSED[lane.pause.by];
  const states = lane.upstreams.map((name) => upstreams.find((upstream) => upstream.name === name)?.state);
  return states.some((state) => state !== "running") ? "partly" : "running";
}

const WHY_PAUSED = { upstream: "failing", storage: "disk fails", operator: "paused" } as const;

const GIGABYTE = 1e9;

function facts({ version, disk, ledger, reportsWaiting, certificates }: Status, now: number): Html {
  const others = ledger.gateways - 1;
  return html`<ul class="facts">
${version === undefined ? "" : html`<li>mailonce ${version}</li>`}
<li>ledger: ${ledger.kind}${ledger.isUp ? "" : ", which does not answer"}</li>
<li>this gateway${others > 0 ? ` and ${countOf(others)} ${others === 1 ? "other" : "others"}` : ""}</li>
${disk.free === undefined ? "" : html`<li>disk: ${(disk.free / GIGABYTE).toFixed(1)} GB free</li>`}
${reportsWaiting === 0 ? "" : html`<li>${countOf(reportsWaiting)} to be reported</li>`}
${certificates.map(({ listener, notAfter }) => html`<li>certificate of ${listener}: ${certificateEnd(notAfter, now)}</li>`)}
</ul>`;
}

const certificateEnd = (time: string, now: number): string => {
  const left = Date.parse(time) - now;
  return left < 0 ? "ended" : `ends in ${durationOf(left)}`;
};
