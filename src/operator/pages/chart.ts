// What went through in the last hour: a line with a point for each minute, and the sums in words.
import { countOf } from "../../runtime/amounts.ts";
import type { Flow } from "../status/schema.ts";
import { type Html, html } from "./html.ts";

const LINES = [
  { name: "accepted", of: ({ accepted }: Flow) => accepted },
  { name: "relayed", of: ({ relayed }: Flow) => relayed },
  { name: "repeats", of: ({ repeats }: Flow) => repeats },
] as const;

/** Those of the last hour. */
const CHART_MINUTES = 60;

const WIDTH = 600;
const HEIGHT = 80;

const NOTHING: Flow = { accepted: 0, relayed: 0, repeats: 0, refused: 0 };

/** @param counted oldest first; before the start nothing went through */
export function chart(counted: readonly Flow[]): Html {
  const before = Array.from({ length: Math.max(0, CHART_MINUTES - counted.length) }, () => NOTHING);
  const minutes = [...before, ...counted];
  const most = Math.max(1, ...minutes.flatMap((flow) => LINES.map(({ of }) => of(flow))));
  const sums = LINES.map(({ name, of }) => ({
    name,
    sum: minutes.reduce((sum, flow) => sum + of(flow), 0),
    points: minutes.map((flow, at) => pointOf(at, of(flow) / most)).join(" "),
  }));
  return html`<figure class="chart">
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="A minute, in the last hour: at most ${countOf(most)}">
${sums.map(({ name, points }) => html`<polyline class="${name}" points="${points}"/>`)}
</svg>
<figcaption>Last hour, by minute, at most ${countOf(most)}: ${sums.map(
    ({ name, sum }) => html`<span class="key ${name}">${countOf(sum)} ${name}</span> `,
  )}</figcaption>
</figure>`;
}

const pointOf = (at: number, share: number): string => {
  const x = at * (WIDTH / (CHART_MINUTES - 1));
  return `${x.toFixed(1)},${(HEIGHT - 2 - share * (HEIGHT - 4)).toFixed(1)}`;
};
