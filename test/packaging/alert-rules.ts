// packaging/prometheus/alerts.yml as data, to the extent that it is written in, and promtool, which runs it over series.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { findProgram } from "../support/peers.ts";
import type { Scrape } from "../support/scrape.ts";

const RULES = resolve("packaging/prometheus/alerts.yml");

export const promtool = findProgram("promtool");

export interface AlertRule {
  readonly name: string;
  readonly text: string;
}

export const alertRules: readonly AlertRule[] = readFileSync(RULES, "utf8")
  .split(/^ {6}- alert: /m)
  .slice(1)
  .map((text) => ({ name: /^\w+/.exec(text)?.[0] ?? "", text }));

/** Of a rule: the value of a key on a line of its own. */
export const valueIn = ({ text }: AlertRule, key: string): string | undefined =>
  new RegExp(`^ +${key}: "?([^"\\n]+)"?$`, "m").exec(text)?.[1];

/** The metrics that the rules look at. */
export const metricsInRules: ReadonlySet<string> = new Set(
  alertRules.flatMap(({ text }) => (text.split("annotations:")[0] ?? "").match(/\b(up|mailonce_\w+)/g) ?? []),
);

/** Runs promtool; its output, also where it fails. */
export function runPromtool(args: readonly string[], input?: string): { ok: boolean; output: string } {
  try {
    const output = execFileSync(promtool ?? "", args, { input, encoding: "utf8", stdio: "pipe" });
    return { ok: true, output };
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return { ok: false, output: `${stdout}${stderr}` };
  }
}

export const checkRules = () => runPromtool(["check", "rules", RULES]);

/** What a gateway said at a minute: its values stay so until the next one. */
export interface Observed {
  readonly minute: number;
  /** Undefined: it could not be scraped. */
  readonly scrape: Scrape | undefined;
  /** Ages that go on growing: series. */
  readonly growing?: ReadonlySet<string>;
}

const ENDS = "mailonce_tls_certificate_not_after_timestamp_seconds";

/**
 * The time of promtool begins with the epoch, so a time in a value is moved there: to as long after its scrape as it was.
 */
function seriesOf(observed: readonly Observed[], minutes: number): { series: string; values: string }[] {
  const names = new Set(observed.flatMap(({ scrape }) => [...(scrape?.values.keys() ?? [])]));
  const looked = [...names].filter((series) => metricsInRules.has(series.split("{")[0] ?? ""));
  const valueAt = (series: string, minute: number): string => {
    const one = observed.findLast((each) => each.minute <= minute);
    if (series === "up") return one?.scrape === undefined ? "0" : "1";
    const value = one?.scrape?.values.get(series);
    if (one?.scrape === undefined || value === undefined) return "_";
    if (series.startsWith(ENDS)) return String(value - one.scrape.at + one.minute * 60);
    return String(value + (one.growing?.has(series) === true ? (minute - one.minute) * 60 : 0));
  };
  return ["up", ...looked].map((series) => ({
    series: withTarget(series),
    values: Array.from({ length: minutes + 1 }, (_, minute) => valueAt(series, minute)).join(" "),
  }));
}

/** With the labels that Prometheus adds. */
function withTarget(series: string): string {
  const [name = "", labels = ""] = series.split(/[{}]/);
  return `${name}{${[labels, 'job="mailonce"', 'instance="gateway:2580"'].filter((one) => one !== "").join(",")}}`;
}

/**
 * Which alerts fire, by the minute.
 *
 * @returns what promtool found to be otherwise; undefined when nothing is
 */
export function otherwiseThan(
  expected: ReadonlyMap<number, readonly string[]>,
  observed: readonly Observed[],
  folder: string,
): string | undefined {
  const minutes = Math.max(...expected.keys());
  const file = join(folder, `rules-${Math.random().toString(36).slice(2)}.json`);
  const tests = {
    ...{ rule_files: [RULES], evaluation_interval: "1m" },
    tests: [
      {
        ...{ interval: "1m", input_series: seriesOf(observed, minutes) },
        promql_expr_test: [...expected].map(([minute, names]) => ({
          expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
          eval_time: `${minute}m`,
          exp_samples: names.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
        })),
      },
    ],
  };
  // YAML takes JSON.
  writeFileSync(file, JSON.stringify(tests));
  const { ok, output } = runPromtool(["test", "rules", file]);
  return ok ? undefined : output;
}
