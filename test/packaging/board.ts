// packaging/grafana/mailonce.json as data, and its queries as Grafana asks them.
import { readFileSync } from "node:fs";
import type { Span } from "../support/prometheus.ts";

interface Step {
  readonly color: string;
  readonly value: number | null;
}

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly instant?: boolean;
  readonly range?: boolean;
}

export interface GridPos {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

interface Row {
  readonly id: number;
  readonly type: "row";
  readonly title: string;
  readonly gridPos: GridPos;
  /** Those of a row that is folded. */
  readonly panels: readonly unknown[];
}

export interface Panel {
  readonly id: number;
  readonly type: "stat" | "timeseries" | "state-timeline";
  readonly title: string;
  readonly description: string;
  readonly gridPos: GridPos;
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly links?: readonly { readonly title: string; readonly url: string }[];
  readonly targets: readonly Target[];
  readonly fieldConfig: {
    readonly defaults: { readonly unit: string; readonly thresholds?: { readonly steps: readonly Step[] } };
  };
}

interface Board {
  readonly __inputs: readonly { readonly name: string; readonly type: string; readonly pluginId: string }[];
  readonly __requires: readonly { readonly type: string; readonly id: string }[];
  readonly uid: string;
  readonly tags: readonly string[];
  readonly schemaVersion: number;
  readonly refresh: string;
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string }[];
  };
  readonly panels: readonly (Row | Panel)[];
}

export const boardText = readFileSync("packaging/grafana/mailonce.json", "utf8");
export const board = JSON.parse(boardText) as Board;
export const panels: readonly Panel[] = board.panels.filter((one) => one.type !== "row");

export interface Query extends Target {
  readonly panel: string;
}

export const queries: readonly Query[] = panels.flatMap(({ title, targets }) =>
  targets.map((target) => ({ panel: title, ...target })),
);

/** The selectors of an expression: the name of each metric, and its labels as they are written. */
export const selectorsOf = (expression: string): { name: string; labels: string }[] =>
  [...expression.matchAll(/([a-zA-Z_:][\w:]*)(?:\{([^}]*)\}|\[)/g)].map(([, name = "", labels = ""]) => ({
    name,
    labels,
  }));

/** How Grafana writes values of a variable that may have several into a regular expression of PromQL. */
function alternatives(values: readonly string[]): string {
  const escaped = values.map((value) => value.replace(/[\\^$*+?.()|[\]{}]/g, "\\\\$&"));
  return escaped.length === 1 ? (escaped[0] ?? "") : `(${escaped.join("|")})`;
}

/**
 * The expression with its variables filled in.
 *
 * @param instances those that are chosen
 */
export function filled(expression: string, instances: readonly string[], { from, to }: Span): string {
  const values: Readonly<Record<string, string>> = {
    instance: alternatives(instances),
    __range: `${to - from}s`,
    // Grafana takes four scrapes, or a step of the graph where that is longer. This bridges scrapes that a busy machine misses.
    __rate_interval: "30s",
  };
  return expression.replace(/\$(\w+)/g, (whole, name: string) => values[name] ?? whole);
}
