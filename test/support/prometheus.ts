// A Prometheus of its own that scrapes gateways each second: on loopback, in a folder of the test, ended with it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { askAt } from "./http-place.ts";
import { endProcess, findProgram, freePort } from "./peers.ts";
import type { Place } from "./place.ts";

export const prometheus = findProgram("prometheus");

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** From the first to the last; one of an instant query. */
  readonly values: readonly number[];
}

/** Whole seconds since the epoch. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Prometheus {
  /** At a moment, in seconds since the epoch; now unless given. */
  query(expression: string, at?: number): Promise<Series[]>;
  /** A value each second. */
  queryRange(expression: string, span: Span): Promise<Series[]>;
  /** Of a label, as Grafana asks for the values of a variable. */
  labelValues(label: string, metric: string, span: Span): Promise<string[]>;
  /** Asks until the scrapes make the expression true: nothing else says when one has come. */
  until(expression: string): Promise<void>;
}

interface Found {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [at: number, value: string];
  readonly values?: readonly (readonly [at: number, value: string])[];
}

const READY = "Server is ready to receive web requests.";

/** @param ports where gateways of this machine answer over HTTP */
export async function startPrometheus(place: Place, ports: readonly number[]): Promise<Prometheus> {
  const folder = join(place.folder, "prometheus");
  mkdirSync(folder);
  const config = join(folder, "prometheus.yml");
  // YAML takes JSON.
  const targets = ports.map((port) => `127.0.0.1:${port}`);
  const scrapes = [{ job_name: "mailonce", static_configs: [{ targets }] }];
  writeFileSync(
    config,
    JSON.stringify({ global: { scrape_interval: "1s", scrape_timeout: "1s" }, scrape_configs: scrapes }),
  );
  const port = await freePort();
  const child = spawn(
    prometheus ?? "",
    [
      ...[`--config.file=${config}`, `--storage.tsdb.path=${join(folder, "data")}`],
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  place.atEnd(() => endProcess(child));
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      if (line.includes(READY)) resolve();
    });
    void once(child, "close").then(() => reject(new Error(`prometheus ended: ${said.join("\n")}`)));
  });

  const ask = async <Data>(path: string, parameters: Readonly<Record<string, string | number>>) => {
    const all = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) all.set(name, String(value));
    const { status, body } = await askAt(port, `/api/v1/${path}?${all}`);
    if (status !== 200) throw new Error(`${path} ${all.get("query")}: ${status} ${body}`);
    return JSON.parse(body).data as Data;
  };
  const series = async (path: string, parameters: Readonly<Record<string, string | number>>) => {
    const { result } = await ask<{ result: Found[] }>(path, parameters);
    return result.map(({ metric, value, values = value === undefined ? [] : [value] }) => ({
      labels: metric,
      values: values.map(([, text]) => Number(text.replace("Inf", "Infinity"))),
    }));
  };
  const query: Prometheus["query"] = (expression, at) =>
    series("query", { query: expression, ...(at === undefined ? {} : { time: at }) });
  return {
    query,
    queryRange: (expression, { from, to }) =>
      series("query_range", { query: expression, start: from, end: to, step: 1 }),
    labelValues: (label, metric, { from, to }) =>
      ask(`label/${label}/values`, { "match[]": metric, start: from, end: to }),
    async until(expression) {
      for (;;) if ((await query(expression)).length > 0) return;
    },
  };
}
