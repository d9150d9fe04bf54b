// The upstreams: what each does now, why, and how to pause and resume it.
import { z } from "zod";
import { duration } from "../../config/values.ts";
import { countOf } from "../../runtime/amounts.ts";
import { type Answer, problem } from "../http/route.ts";
import type { Pausing, Resuming } from "../pausing.ts";
import { reason } from "../reason.ts";
import { deciderOf, NAME_MAX } from "../routes/body.ts";
import type { PauseStatus, Status, UpstreamStatus } from "../status/schema.ts";
import { formOf } from "./form.ts";
import { type Html, html } from "./html.ts";
import { isSilent } from "./overview.ts";
import type { Page, Seen } from "./page.ts";
import { age, until } from "./times.ts";

const upstream = z.string().max(NAME_MAX).optional();
const pauseFields = z.strictObject({ upstream, for: duration.optional(), reason: reason.optional() });
const resumeFields = z.strictObject({ upstream });

export const upstreamPages: readonly Page[] = [
  {
    ...{ path: "/upstreams", needs: "visitor" },
    show: (seen) => ({
      frame: { title: "Upstreams", here: "upstreams", isLive: true },
      content: html`<h1>Upstreams</h1>
${seen.status.upstreams.map((one) => upstreamText(one, seen))}`,
    }),
  },
  {
    ...{ method: "POST", path: "/upstreams/pause", needs: "operate" },
    async show({ asked, parts }) {
      const form = await formOf(asked, pauseFields);
      if (!form.ok) return form.answer;
      const { upstream, for: forMs, reason } = form.value;
      return doneOr(await parts.pausing.pause(upstream, { forMs, reason, by: deciderOf(asked) }));
    },
  },
  {
    ...{ method: "POST", path: "/upstreams/resume", needs: "operate" },
    async show({ asked, parts }) {
      const form = await formOf(asked, resumeFields);
      if (!form.ok) return form.answer;
      return doneOr(await parts.pausing.resume(form.value.upstream, { by: deciderOf(asked) }));
    },
  },
];

const doneOr = (made: Pausing | Resuming): Answer =>
  made.ok
    ? { kind: "redirect", to: "/upstreams" }
    : problem(404, `there is no such upstream; there are ${made.names.join(", ")}`);

function upstreamText(one: UpstreamStatus, { asked, status, now }: Seen): Html {
  const { name, place, pause, perSecond, quota } = one;
  const { due, waiting } = countsOf(name, status);
  const canOrder = asked.asker.role === "operate";
  return html`<section class="card" aria-label="${name}">
<h2>${name} ${place === undefined ? "" : html`<span class="quiet">${place}</span>`}</h2>
<p>${pause === undefined ? unpausedText(name, status) : pauseText(pause, now)}</p>
<ul class="facts">
<li><a href="/queue?upstream=${encodeURIComponent(name)}">${countOf(due + waiting)} waiting</a>, ${countOf(due)} of them due</li>
${perSecond === undefined ? "" : html`<li>at most ${countOf(perSecond)} a second</li>`}
${quota === undefined ? "" : html`<li>${quotaText(quota)}</li>`}
</ul>
${canOrder ? orders(one) : ""}
</section>`;
}

const unpausedText = (name: string, { troubles }: Status): Html =>
  isSilent(name, troubles)
    ? html`<strong class="bad">It refuses all mail for now.</strong> <a href="/queue?upstream=${encodeURIComponent(name)}">See what it says.</a>`
    : html`<span class="well">It takes mail.</span>`;

const countsOf = (name: string, { lanes }: Status): { due: number; waiting: number } =>
  lanes
    .filter(({ upstreams }) => upstreams.includes(name))
    .reduce((sum, lane) => ({ due: sum.due + lane.due.count, waiting: sum.waiting + lane.waiting.count }), {
      due: 0,
      waiting: 0,
    });

const quotaText = ({ max, sent }: NonNullable<UpstreamStatus["quota"]>): string =>
  max === undefined
    ? `${countOf(sent)} sent in 24 hours`
    : `${countOf(sent)} of ${countOf(max)} sent in 24 hours`;

const WHY: Readonly<Record<PauseStatus["by"], string>> = {
  upstream: "It takes no mail",
  storage: "Nothing is attempted, since the disk fails",
  operator: "An operator has paused it",
};

const pauseText = ({ by, since, until: end, reason, nextTryAt }: PauseStatus, now: number): Html =>
  html`<strong class="bad">${WHY[by]}</strong>, for ${age(since, now)}${
    reason === undefined ? "" : html`: <q>${reason}</q>`
  }${end === undefined ? "" : html`; it goes on ${until(end, now)}`}${
    nextTryAt === undefined ? "" : html`; next try ${until(nextTryAt, now)}`
  }.`;

function orders({ name, pause }: UpstreamStatus): Html {
  const named = html`<input type="hidden" name="upstream" value="${name}">`;
  const isPaused = pause?.by === "operator";
  const resume = html`<form method="post" action="/upstreams/resume">${named}<button class="main" id="resume-${name}">${
    isPaused ? "Resume" : "Try now"
  }</button> <span class="quiet">${isPaused ? "Mail is attempted again." : "One mail is attempted at once; if it is taken, the rest follows."}</span></form>`;
  const pauseForm = html`<details id="pause-${name}"><summary>Pause</summary>
<form method="post" action="/upstreams/pause">${named}
<label>For <input name="for" size="6" placeholder="30m" pattern="[0-9]+(ms|s|m|h|d)"></label>
<label>Reason <input name="reason" maxlength="500"></label>
<button id="send-pause-${name}">Pause</button>
<p class="quiet">Mail is taken, and waits. Without a time it waits until somebody resumes it.</p></form></details>`;
  return html`${pause === undefined ? "" : resume}${isPaused ? "" : pauseForm}`;
}
