// The Grafana board that is shipped: it has the form that Grafana imports, names metrics that there are, agrees with the
// alerts, and each of its queries finds data in a Prometheus that scrapes running gateways.
import { randomUUID } from "node:crypto";
import { describe, expect, test as plainTest } from "vitest";
import { migratePostgres } from "../../src/ledger/postgres/schema.ts";
import { read } from "../docs/tables.ts";
import { openEventsSite } from "../support/events-site.ts";
import { openSite } from "../support/metric-steps.ts";
import { sharing } from "../support/metric-steps-shared.ts";
import type { Place } from "../support/place.ts";
import { test } from "../support/place-postgres.ts";
import type { TestSchema } from "../support/postgres.ts";
import {
  type Prometheus,
  prometheus,
  type Series,
  type Span,
  startPrometheus,
} from "../support/prometheus.ts";
import { wholeCatalogue } from "../support/readings.ts";
import { httpPortOf } from "../support/scrape.ts";
import { writeCertificate } from "../support/short-certificate.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";
import { type AlertRule, alertRules, valueIn } from "./alert-rules.ts";
import { board, boardText, filled, type GridPos, panels, queries, selectorsOf } from "./board.ts";

/** Those that Prometheus adds for each target. */
const OF_THE_SCRAPE = ["up", "scrape_duration_seconds"];

const M = "mailonce_";

describe("the form", () => {
  plainTest("has what Grafana asks for when it imports a board", () => {
    expect(board.__inputs).toMatchObject([
      { name: "DS_PROMETHEUS", type: "datasource", pluginId: "prometheus" },
    ]);
    expect(board.uid).toMatch(/^[\w-]{8,40}$/);
    expect(board.schemaVersion).toBe(39);
    expect(board.refresh).toBe("30s");
    expect(board.tags).toContain("mailonce");
    const required = board.__requires.flatMap(({ type, id }) => (type === "panel" ? [id] : []));
    expect(required).toEqual([...new Set(panels.map(({ type }) => type))].sort());
  });

  plainTest("has no variable that nobody fills in", () => {
    const variables = board.templating.list.map(({ name }) => name);
    expect(variables).toEqual(["datasource", "instance", "runbook"]);
    const filledIn = [...variables, "DS_PROMETHEUS", "__range", "__rate_interval", "__all"];
    const named = [...boardText.matchAll(/\$\{?(\w+)/g)].map(([, name]) => name);
    expect([...new Set(named)].sort()).toEqual(filledIn.sort());
    for (const { datasource } of panels) {
      expect(datasource).toEqual({ type: "prometheus", uid: `$${"{datasource}"}` });
    }
  });

  plainTest("has each panel once, in a place of its own", () => {
    for (const names of [board.panels.map(({ id }) => id), panels.map(({ title }) => title)]) {
      expect([...new Set<unknown>(names)]).toEqual(names);
    }
    const meet = (a: GridPos, b: GridPos): boolean =>
      a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
    const over = board.panels.flatMap((one, index) =>
      board.panels
        .slice(index + 1)
        .flatMap((other) => (meet(one.gridPos, other.gridPos) ? [[one, other]] : [])),
    );
    expect(over).toEqual([]);
    expect(board.panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
    for (const one of board.panels) if (one.type === "row") expect(one.panels).toEqual([]);
  });

  plainTest("says of each panel what it is, in which unit, and what to do", () => {
    const units = ["bytes", "none", "percentunit", "s", "short", "suffix: /min", "suffix: /s"];
    for (const { title, description, fieldConfig } of panels) {
      expect(title).toMatch(/^[A-Z][\w ',-]+$/);
      expect(description).toMatch(/^.{60,}\.$/);
      expect(units).toContain(fieldConfig.defaults.unit);
    }
    const settings = read("docs/configuration.md");
    for (const [, section, key] of boardText.matchAll(/\[(\w+)\] ([a-z]\w+)/g)) {
      expect(settings).toContain(`[${section}]`);
      expect(settings).toContain(`\`${key}\``);
    }
    for (const [path] of boardText.matchAll(/docs\/[\w/-]+\.md/g)) expect(read(path)).toMatch(/^# /);
  });
});

describe("the queries", () => {
  const catalogue = wholeCatalogue();
  const namesOf = ({ name, kind }: (typeof catalogue)[number]): string[] =>
    kind === "histogram" ? ["bucket", "sum", "count"].map((part) => `${name}_${part}`) : [name];
  const named = queries.flatMap(({ panel, expr }) => selectorsOf(expr).map((one) => ({ panel, ...one })));

  plainTest("name metrics that there are, of the gateways that are chosen", () => {
    const known = new Set([...catalogue.flatMap(namesOf), ...OF_THE_SCRAPE]);
    expect(named.filter(({ name }) => !known.has(name))).toEqual([]);
    expect(named.filter(({ labels }) => !labels.includes('instance=~"$instance"'))).toEqual([]);
  });

  plainTest("show every metric", () => {
    const shown = new Set(named.map(({ name }) => name));
    const hidden = catalogue.filter((metric) => !namesOf(metric).some((name) => shown.has(name)));
    expect(hidden.map(({ name }) => name)).toEqual([]);
  });

  plainTest("take counters as rates, over the time that Grafana gives", () => {
    const counters = catalogue.flatMap((one) => (one.kind === "gauge" ? [] : namesOf(one)));
    for (const { panel, expr } of queries) {
      for (const name of counters) {
        const bare = expr.replaceAll(
          /(rate|increase)\([^()]*\[(\$__rate_interval|\$__range|1h|30m|10m)\]\)/g,
          "",
        );
        expect([panel, name, bare.includes(`${name}{`)]).toEqual([panel, name, false]);
      }
    }
  });
});

/** Where the rule begins to fire, and whether below it. */
function limitOf({ text }: AlertRule): { readonly value: number; readonly isLow: boolean } {
  const [, sign, first, second = "1"] = /(==|<|>) ([\d.]+)(?: \* (\d+))?$/m.exec(text) ?? [];
  if (sign === "==") return { value: 1, isLow: first === "0" };
  const value = Number(first) * Number(second);
  // Above no mail at all is one.
  return { value: value === 0 ? 1 : value, isLow: sign === "<" };
}

plainTest.for(alertRules.map((rule) => [rule.name, rule] as const))(
  "%s: panels turn red or orange where it fires, and lead to its section",
  ([name, rule]) => {
    const { value, isLow } = limitOf(rule);
    const about = panels.filter(({ links = [] }) => links.some(({ title }) => title === `Runbook: ${name}`));
    expect(about).not.toEqual([]);
    const bad = valueIn(rule, "severity") === "critical" ? "red" : "orange";
    for (const { description, links, fieldConfig } of about) {
      expect(description).toContain(" runbook");
      expect(links).toMatchObject([{ url: `$${"{runbook:raw}"}#${name.toLowerCase()}` }]);
      expect(fieldConfig.defaults.thresholds?.steps).toEqual([
        { color: isLow ? bad : "green", value: null },
        { color: isLow ? "green" : bad, value },
      ]);
    }
  },
);

/** Two gateways that together have everything, a Prometheus, and what makes each panel move. */
async function play(place: Place, schema: TestSchema): Promise<{ prometheus: Prometheus; span: Span }> {
  const { gateway, upstream } = await openSite(place, "accept", { LEDGER_DOUBTFUL: "hold" });
  const files = writeCertificate(place.folder, 90);
  if (files === undefined) throw new Error("openssl is not installed");
  await migratePostgres(schema.url);
  const quota = { MaxSendRate: 14, Max24HourSend: 50_000, SentLast24Hours: 40_000 };
  const site = await openEventsSite(place, "once", { quota });
  const other = await place.start({
    ...sharing(place, "b", schema.url, site.settings),
    ...{ SMTP_TLS: "opportunistic", TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key },
  });
  const from = Math.floor(Date.now() / 1_000);
  const prometheus = await startPrometheus(place, [gateway, other].map(httpPortOf));
  await prometheus.until(`count(${M}build_info) == 2`);
  const submit = async (port: number, task: string = randomUUID()): Promise<string> => {
    await submitMail(port, { to: ["person@example.net"], content: taskMail(task) });
    return task;
  };
  const attempted = (outcome: string, count: number): Promise<void> =>
    prometheus.until(`sum(${M}attempts_total{outcome="${outcome}"}) >= ${count}`);

  const tasks = [await submit(gateway.port), await submit(gateway.port), await submit(gateway.port)];
  await submit(other.port);
  await attempted("accepted", 4);
  // The first call makes some series: these rise.
  for (const { port } of [gateway, other]) await submit(port);
  for (const task of tasks) await submit(gateway.port, task);
  await attempted("accepted", 6);
  for (const [script, outcome] of [
    ["refuse-rcpt-5", "refused"],
    ["refuse-rcpt-4", "later"],
    ["drop-before-reply", "doubtful"],
  ] as const) {
    upstream.play(script);
    await submit(gateway.port);
    await attempted(outcome, 1);
  }
  await prometheus.until(`sum(${M}queue_transmissions{state="held"}) >= 1`);
  await prometheus.until(`${M}ses_quota_remaining > 0`);
  await prometheus.until(`sum(${M}events_total{type="known"}) >= 2`);
  // Whole seconds: the last step is after the last scrape.
  return { prometheus, span: { from, to: Math.ceil(Date.now() / 1_000) } };
}

const isFound = ({ values }: Series): boolean => values.some((value) => !Number.isNaN(value));

test.skipIf(prometheus === undefined)(
  "each query finds data in a Prometheus (Debian: prometheus) that scrapes gateways",
  async ({ place, schema }) => {
    const { prometheus, span } = await play(place, schema);
    const instances = await prometheus.labelValues("instance", `${M}build_info`, span);
    expect(instances).toHaveLength(2);
    const ask = async (expr: string, instant = false): Promise<Series[]> => {
      const expression = filled(expr, instances, span);
      const found = instant
        ? await prometheus.query(expression, span.to)
        : await prometheus.queryRange(expression, span);
      return found.filter(isFound);
    };

    const found = new Map<string, readonly Series[]>();
    for (const { panel, refId, expr, instant } of queries) {
      found.set(`${panel} ${refId}`, await ask(expr, instant));
    }
    expect([...found].flatMap(([query, series]) => (series.length === 0 ? [query] : []))).toEqual([]);

    // What happened is what they show.
    const [prevented] = found.get("Second mails prevented A") ?? [];
    const most = (query: string, label: string, value: string): number =>
      Math.max(
        ...(found.get(query) ?? [])
          .filter(({ labels }) => labels[label] === value)
          .flatMap(({ values }) => values.filter((one) => !Number.isNaN(one))),
      );
    expect(prevented?.values[0]).toBeGreaterThanOrEqual(3);
    for (const outcome of ["accepted", "refused", "later", "doubtful"]) {
      expect(most("Attempts, by how they ended A", "outcome", outcome)).toBeGreaterThan(0);
    }
    for (const state of ["waiting", "held"]) {
      expect(most("Mails in the queue A", "state", state)).toBeGreaterThanOrEqual(1);
    }
    expect(found.get("Left of the SES quota A")).toMatchObject([{ values: { 0: 0.2 } }]);

    // Nothing is found where there is nothing, and where a share has no whole.
    expect(await ask(`${M}nothing{instance=~"$instance"}`)).toEqual([]);
    expect(await ask(`0 * sum(rate(${M}storage_errors_total{instance=~"$instance"}[30m])) / 0`)).toEqual([]);
  },
);
