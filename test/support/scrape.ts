// The metrics of a running gateway, as Prometheus gets them.
import { askAt, bearer } from "./http-place.ts";
import type { GatewayProcess } from "./process.ts";

export interface Scrape {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly text: string;
  /** By name and labels, as in the text. What differs by its listener only is one series, with their sum. */
  readonly values: ReadonlyMap<string, number>;
}

/** Where no gateway runs. */
export const NO_SCRAPE: Scrape = { at: 0, text: "", values: new Map() };

/** Where the gateway answers over HTTP. */
export const httpPortOf = (gateway: GatewayProcess): number =>
  Number(String(gateway.said("gateway.listening")[0]?.http).split(":").at(-1));

/** @param token where the gateway has a tokens file */
export async function scrape(gateway: GatewayProcess, token?: string): Promise<Scrape> {
  const headers = token === undefined ? {} : bearer(token);
  const { status, body } = await askAt(httpPortOf(gateway), "/metrics", { headers });
  if (status !== 200) throw new Error(`/metrics: ${status} ${body}`);
  return { at: Date.now() / 1_000, text: body, values: valuesOf(body) };
}

function valuesOf(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, series = "", value = ""] = /^([a-z].*) (\S+)$/.exec(line) ?? [];
    if (series === "") continue;
    const known = series.replace(/listener="[^"]*"/, 'listener="*"');
    values.set(known, (values.get(known) ?? 0) + numberOf(value));
  }
  return values;
}

const numberOf = (text: string): number =>
  text === "+Inf" ? Number.POSITIVE_INFINITY : Number.parseFloat(text);

/** Scrapes until each of the series has another value than before. */
export async function untilMoved(
  gateway: GatewayProcess,
  before: Scrape,
  moves: readonly string[],
): Promise<void> {
  const left = new Set(moves);
  const end = performance.now() + MOVED_MAX_MS;
  await scrapedWhen(gateway, ({ values }) => {
    for (const series of left) if (values.get(series) !== before.values.get(series)) left.delete(series);
    if (performance.now() > end) throw new Error(`not moved: ${[...left].join(" ")}`);
    return left.size === 0;
  });
}

/** A report waits for others for a second, a lease is three; the rest is patience with a busy machine. */
const MOVED_MAX_MS = 60_000;

/** Scrapes until it is so: nothing else says when a number changes. Ends with the time of the test. */
export async function scrapedWhen(
  gateway: GatewayProcess,
  isSo: (scrape: Scrape) => boolean,
  token?: string,
): Promise<Scrape> {
  for (;;) {
    const found = await scrape(gateway, token);
    if (isSo(found)) return found;
  }
}
