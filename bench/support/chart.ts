// The main results as one picture of bars (SVG), for the README: readable on light and on dark pages.
import { rounded } from "./figures.ts";
import type { Chart } from "./result.ts";

const WIDTH = 860;
const MARGIN = 28;
/** Where the bars begin; their labels end before it. */
const BARS = 250;
/** Room for the figure behind the longest bar. */
const FIGURE = 90;
const HEADING = 44;
const BAR = 22;
const STEP = 30;

const STYLE = `
    .card { fill: #fff; stroke: #d0d7de } text { fill: #1f2328 } .label { fill: #57606a }
    .ours { fill: #3b6fd4 } .other { fill: #afb8c1 }
    @media (prefers-color-scheme: dark) {
      .card { fill: #161b22; stroke: #30363d } text { fill: #e6edf3 } .label { fill: #9da7b1 }
      .ours { fill: #6c9bf5 } .other { fill: #57606a }
    }
  `;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

export function chartSvg(charts: readonly Chart[]): string {
  const lines: string[] = [];
  let y = 12;
  for (const { title, bars } of charts) {
    const longest = Math.max(...bars.map(({ value }) => value));
    y += HEADING;
    lines.push(`<text x="${MARGIN}" y="${y - 14}" font-weight="600">${escaped(title)}</text>`);
    for (const { label, value, ours } of bars) {
      const width = Math.max(1, (value / longest) * (WIDTH - BARS - FIGURE - MARGIN));
      const middle = y + BAR / 2 + 5;
      lines.push(
        `<text class="label" x="${BARS - 10}" y="${middle}" text-anchor="end">${escaped(label)}</text>`,
        `<rect class="${ours ? "ours" : "other"}" x="${BARS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="3"/>`,
        `<text x="${(BARS + width + 8).toFixed(1)}" y="${middle}">${rounded(value)}</text>`,
      );
      y += STEP;
    }
  }
  const height = y + 16;
  const described = charts
    .map(
      ({ title, bars }) =>
        `${title}: ${bars.map(({ label, value }) => `${label} ${rounded(value)}`).join(", ")}`,
    )
    .join(". ");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="t d" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif" font-size="14">
  <title id="t">Main results of the benchmarks</title>
  <desc id="d">${escaped(described)}.</desc>
  <style>${STYLE}</style>
  <rect class="card" x="1" y="1" width="${WIDTH - 2}" height="${height - 2}" rx="14"/>
  ${lines.join("\n  ")}
</svg>
`;
}
