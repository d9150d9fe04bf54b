// The alert rules that are shipped: each fires when its cause is there, made at a real gateway, and none fires without.
// What the gateway says is scraped; promtool then runs the rules over that, minute by minute, on a time of its own.
import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { migratePostgres } from "../../src/ledger/postgres/schema.ts";
import { read } from "../docs/tables.ts";
import { openEventsSite } from "../support/events-site.ts";
import { createFailingDisk } from "../support/failing-disk.ts";
import { openSite } from "../support/metric-steps.ts";
import { sharing } from "../support/metric-steps-shared.ts";
import { type Place, sesAt, smtpAt } from "../support/place.ts";
import { test } from "../support/place-postgres.ts";
import type { TestPostgres, TestSchema } from "../support/postgres.ts";
import { type GatewayProcess, PRESENT, run, type Settings } from "../support/process.ts";
import { wholeCatalogue } from "../support/readings.ts";
import { type Scrape, scrape, scrapedWhen } from "../support/scrape.ts";
import { writeCertificate } from "../support/short-certificate.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";
import { smallDisk } from "../support/storage.ts";
import { createTcpProxy } from "../support/tcp-proxy.ts";
import {
  alertRules,
  checkRules,
  metricsInRules,
  type Observed,
  otherwiseThan,
  promtool,
  runPromtool,
  valueIn,
} from "./alert-rules.ts";

const M = "mailonce_";

/** The gateway is well for so long; then comes the cause. */
const WELL = 10;

const submit = async (gateway: GatewayProcess, count = 1): Promise<void> => {
  for (let n = 0; n < count; n++) {
    await submitMail(gateway.port, { to: ["person@example.net"], content: taskMail(randomUUID()) });
  }
};

const relayed = async (gateway: GatewayProcess, count = 1): Promise<Scrape> => {
  await submit(gateway, count);
  return await scrapedWhen(gateway, ({ values }) => sumOf(values, `${M}attempts_total`, "accepted") >= count);
};

const sumOf = (values: Scrape["values"], name: string, label: string): number =>
  [...values].reduce(
    (sum, [series, value]) => sum + (series.startsWith(name) && series.includes(label) ? value : 0),
    0,
  );

/** Of the mail that is longest due. Nothing is due while that one is tried. */
const dueOf = ({ values }: Scrape): number =>
  values.get(`${M}queue_oldest_age_seconds{upstream="upstream",state="due"}`) ?? 0;

const is = (series: string, value: number) => (found: Scrape) => found.values.get(`${M}${series}`) === value;

/** A counter may have gone on before it is scraped: attempts are repeated, and reports are refused too. */
const reaches = (series: string, value: number) => (found: Scrape) =>
  (found.values.get(`${M}${series}`) ?? 0) >= value;

/** What a gateway says that is well, and what it says with the cause: nothing where it can't be asked. */
interface Story {
  readonly before: Scrape;
  readonly after: Scrape | undefined;
  /** Some time later: an age that has grown since goes on growing. */
  readonly later?: Scrape;
}

interface Cause {
  /** Alerts that fire so many minutes after the cause. */
  readonly fires: Readonly<Record<number, readonly string[]>>;
  /** A text where the machine lacks what it takes. */
  make(place: Place, postgres: TestPostgres, schema: TestSchema): Promise<Story | string>;
}

/** The upstream plays the script after the first mails, which it takes. */
const upstreamThat =
  (
    script: Parameters<typeof openSite>[1],
    mails: number,
    isSo: (found: Scrape) => boolean,
    more: Settings = {},
  ) =>
  async (place: Place): Promise<Story> => {
    const { gateway, upstream } = await openSite(place, "accept", more);
    const before = await relayed(gateway, 3);
    upstream.play(script ?? "accept");
    await submit(gateway, mails);
    return { before, after: await scrapedWhen(gateway, isSo) };
  };

const CAUSES: Readonly<Record<string, Cause>> = {
  "the gateway is killed": {
    fires: { 1: [], 3: ["MailonceDown"] },
    async make(place) {
      const { gateway } = await openSite(place, "accept");
      const before = await relayed(gateway);
      await gateway.kill();
      await expect(scrape(gateway)).rejects.toThrow("ECONNREFUSED");
      return { before, after: undefined };
    },
  },
  "nothing listens where the upstream should be": {
    fires: {
      4: [],
      6: ["MailonceUpstreamPaused"],
      12: ["MailonceMailLate", "MailonceUpstreamPaused"],
    },
    async make(place) {
      const { gateway, upstream } = await openSite(place, "accept");
      const before = await relayed(gateway);
      await upstream.close();
      await submit(gateway);
      const isPaused = is('upstream_paused{upstream="upstream"}', 1);
      const after = await scrapedWhen(gateway, (found) => isPaused(found) && dueOf(found) > 0);
      return { before, after, later: await scrapedWhen(gateway, (found) => dueOf(found) > dueOf(after)) };
    },
  },
  "a doubtful mail is held": {
    fires: { 14: [], 16: ["MailonceMailHeld"] },
    make: upstreamThat(
      "drop-before-reply",
      1,
      is('queue_transmissions{upstream="upstream",state="held"}', 1),
      { LEDGER_DOUBTFUL: "hold" },
    ),
  },
  "two attempts end without an answer": {
    fires: { 4: [], 6: ["MailonceManyDoubtful"], 40: [] },
    make: upstreamThat(
      "drop-before-reply",
      2,
      reaches('attempts_total{upstream="upstream",outcome="doubtful"}', 2),
    ),
  },
  "a second copy is proven": {
    fires: { 1: ["MailonceSecondCopy"], 70: [] },
    async make(place) {
      const again = (number: number) => (number === 1 ? "drop-before-reply" : "held-reply");
      const { gateway, upstream, settings } = await openSite(
        place,
        (number) => (number === 0 ? "accept" : again(number)),
        { SPOOL_RETRY_MIN: "50ms" },
      );
      const before = await relayed(gateway);
      const first = upstream.struck();
      await submit(gateway);
      await first;
      await upstream.struck();
      const id = String(gateway.said("transmission.doubtful")[0]?.messageId);
      await run(["doubtful", "resolve", id, "--relayed"], settings);
      upstream.release();
      return { before, after: await scrapedWhen(gateway, reaches("second_copies_total", 1)) };
    },
  },
  "two mails are refused for good": {
    fires: { 4: [], 6: ["MailonceManyRefused"], 40: [] },
    make: upstreamThat(
      "refuse-rcpt-5",
      2,
      reaches('attempts_total{upstream="upstream",outcome="refused"}', 2),
    ),
  },
  "the disk fails once": {
    fires: { 1: ["MailonceStorageFails"], 12: [] },
    async make(place) {
      const disk = createFailingDisk(place.data);
      if (disk === undefined) return "there is no C compiler (Debian: gcc, libc6-dev)";
      place.atEnd(() => disk.remove());
      const upstream = await place.smtp();
      const settings = { DATA_DIR: place.data, ...smtpAt(upstream.port) };
      const gateway = await place.start(settings, { ...PRESENT, environment: disk.environment });
      const before = await relayed(gateway);
      disk.arm({ operation: "sync", path: "/spool/queue" });
      await submit(gateway);
      return { before, after: await scrapedWhen(gateway, reaches('storage_errors_total{store="spool"}', 1)) };
    },
  },
  "the disk is nearly full": {
    fires: { 4: [], 6: ["MailonceDiskFull"] },
    async make(place) {
      const { gateway: other } = await openSite(place, "accept");
      const before = await relayed(other);
      const disk = await smallDisk(300 * 2 ** 20);
      if (disk === undefined) return "mounting a small disk is not allowed";
      const gateway = await place.start({ DATA_DIR: `${disk}/data` });
      place.atEnd(() => gateway.kill());
      return { before, after: await scrape(gateway) };
    },
  },
  "SES takes little more": {
    fires: { 4: [], 6: ["MailonceSesQuotaLow"] },
    async make(place) {
      const quota = { MaxSendRate: 14, Max24HourSend: 50_000, SentLast24Hours: 40_000 };
      const known = (found: Scrape) => found.values.has('mailonce_ses_quota_max{upstream="upstream"}');
      const start = async (SentLast24Hours: number) => {
        const ses = await place.ses({ quota: { ...quota, SentLast24Hours } });
        const gateway = await place.start({ DATA_DIR: `${place.folder}/${SentLast24Hours}`, ...sesAt(ses) });
        await submit(gateway);
        return await scrapedWhen(gateway, known);
      };
      return { before: await start(40_000), after: await start(45_001) };
    },
  },
  "SES takes two mails and publishes nothing": {
    fires: { 14: [], 16: ["MailonceEventsSilent"], 60: [] },
    async make(place) {
      const site = await openEventsSite(place, "once");
      const gateway = await site.start({ DATA_DIR: place.data });
      const known = (found: Scrape) => found.values.has('mailonce_ses_quota_max{upstream="upstream"}');
      const reads = (found: Scrape) => sumOf(found.values, `${M}events_total`, "known") >= 2;
      await submit(gateway);
      const before = await scrapedWhen(gateway, (found) => known(found) && reads(found));
      site.publisher.plan(() => "never");
      const isSent = reaches('attempts_total{upstream="upstream",outcome="accepted"}', 3);
      await submit(gateway, 2);
      return { before, after: await scrapedWhen(gateway, isSent) };
    },
  },
  "a certificate is about to end": {
    fires: { 59: [], 61: ["MailonceCertificateEnds"] },
    async make(place) {
      const files = writeCertificate(place.folder, 90);
      if (files === undefined) return "openssl is not installed";
      const tls = { SMTP_TLS: "opportunistic", TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key };
      const gateway = await place.start({ DATA_DIR: place.data, ...tls });
      const before = await scrape(gateway);
      writeCertificate(place.folder, 13);
      gateway.signal("SIGHUP");
      await gateway.logged("tls.reloaded");
      return { before, after: await scrape(gateway) };
    },
  },
  "the ledger's database can't be reached": {
    fires: { 0: [], 2: ["MailonceLedgerDown"] },
    async make(place, postgres, schema) {
      await migratePostgres(schema.url);
      const proxy = await createTcpProxy(postgres.port);
      place.atEnd(() => proxy.close().catch(() => {}));
      const upstream = await place.smtp();
      const settings = sharing(place, "a", schema.urlThrough(proxy), smtpAt(upstream.port));
      const gateway = await place.start(settings);
      const before = await relayed(gateway);
      await proxy.close();
      return { before, after: await scrapedWhen(gateway, is("ledger_up", 0)) };
    },
  },
};

const minutesOf = (fires: Cause["fires"]): Map<number, readonly string[]> =>
  new Map([
    [WELL - 1, []],
    ...Object.entries(fires).map(([minute, names]) => [WELL + Number(minute), names] as const),
  ]);

/** What the gateway says of its ages: how fast they grow by the clock of this process depends on how busy the machine is. */
const grownIn = ({ after, later }: Story): ReadonlySet<string> =>
  new Set(
    [...(later?.values ?? [])]
      .filter(([series]) => series.startsWith(`${M}queue_oldest_age_seconds`))
      .filter(([series, value]) => value > (after?.values.get(series) ?? 0))
      .map(([series]) => series),
  );

describe.skipIf(promtool === undefined)("promtool (Debian: prometheus)", () => {
  test("finds no fault in the rules", () => {
    expect(checkRules()).toEqual({
      ok: true,
      output: expect.stringContaining(`${alertRules.length} rules found`),
    });
  });

  test("finds no fault in the metrics of a gateway that has relayed a mail", async ({ place }) => {
    const { gateway } = await openSite(place, "accept");
    const { text } = await relayed(gateway);
    expect(runPromtool(["check", "metrics"], text)).toEqual({ ok: true, output: "" });
  });

  test.for(Object.entries(CAUSES))("%s", async ([, { fires, make }], { place, postgres, schema, skip }) => {
    const story = await make(place, postgres, schema);
    if (typeof story === "string") return skip(story);
    const observed: Observed[] = [
      { minute: 0, scrape: story.before },
      { minute: WELL, scrape: story.after, growing: grownIn(story) },
    ];
    expect(otherwiseThan(minutesOf(fires), observed, place.folder)).toBeUndefined();
  });

  test("nothing fires of a gateway that has everything and is well", async ({ place, schema }) => {
    await migratePostgres(schema.url);
    const files = writeCertificate(place.folder, 90);
    if (files === undefined) throw new Error("openssl is not installed");
    const tls = { SMTP_TLS: "opportunistic", TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key };
    const site = await openEventsSite(place, "once");
    const gateway = await place.start({ ...sharing(place, "a", schema.url, site.settings), ...tls });
    const began = await scrape(gateway);
    await submit(gateway, 20);
    const later = await scrapedWhen(
      gateway,
      ({ values }) => sumOf(values, `${M}events_total`, "known") >= 40,
    );
    const looked = [...metricsInRules].filter((name) => name !== "up");
    const seen = new Set([...later.values.keys()].map((series) => series.split("{")[0]));
    expect(looked.filter((name) => !seen.has(name))).toEqual([]);
    const observed = [began, later].map((one, index) => ({ minute: index * WELL, scrape: one }));
    const minutes = new Map([1, 15, 75, 120].map((minute) => [minute, []]));
    expect(otherwiseThan(minutes, observed, place.folder)).toBeUndefined();
  });

  test("what does not fire as expected is noticed", async ({ place }) => {
    const { gateway } = await openSite(place, "accept");
    const observed = [{ minute: 0, scrape: await relayed(gateway) }];
    const said = otherwiseThan(new Map([[10, ["MailonceDown"]]]), observed, place.folder);
    expect(said).toContain("MailonceDown");
  });
});

test("each rule has a cause above, a severity, and a section of the runbook", () => {
  const headings = [...read("docs/runbook.md").matchAll(/^## (\w+)$/gm)].map(([, heading = ""]) => heading);
  expect(headings).toEqual(alertRules.map(({ name }) => name));
  const fired = new Set(Object.values(CAUSES).flatMap(({ fires }) => Object.values(fires).flat()));
  expect([...fired].sort()).toEqual(alertRules.map(({ name }) => name).sort());
  for (const rule of alertRules) {
    expect(["critical", "warning"]).toContain(valueIn(rule, "severity"));
    expect(valueIn(rule, "runbook_url")).toBe(`docs/runbook.md#${rule.name.toLowerCase()}`);
    for (const key of ["summary", "description"]) expect(valueIn(rule, key)).toMatch(/\w/);
  }
});

test("each section of the runbook has its four parts", () => {
  for (const section of read("docs/runbook.md").split(/^## /m).slice(1)) {
    const parts = [...section.matchAll(/^\*\*([^*]+?)\.?\*\*/gm)].map(([, part]) => part);
    expect([section.split("\n")[0], ...parts]).toEqual([
      section.split("\n")[0],
      "Meaning",
      "Look",
      "Do",
      "Don't",
    ]);
  }
});

test("each metric of a rule, of the runbook and of the docs is one that there is", () => {
  const known = new Set(wholeCatalogue().map(({ name }) => name));
  const named = ["docs/runbook.md", "docs/metrics.md", "docs/operating.md"].flatMap(
    (path) => read(path).match(/mailonce_[a-z_]+[a-z]/g) ?? [],
  );
  const all = new Set([...metricsInRules, ...named]);
  expect([...all].filter((name) => name !== "up" && !known.has(name))).toEqual([]);
});

test("the runbook names commands and options that there are", async () => {
  const runbook = read("docs/runbook.md").replaceAll("\n", " ");
  const named = new Set([...runbook.matchAll(/`mailonce ([^`]+)`/g)].map(([, line = ""]) => line));
  expect(named.size).toBeGreaterThan(8);
  for (const line of named) {
    const command = (/^[a-z-]+(?: [a-z]+(?= |$))*/.exec(line)?.[0] ?? "").split(" ");
    const { code, stdout } = await run([...command, "--help"]);
    expect([line, code]).toEqual([line, 0]);
    expect(stdout).toContain(`Usage: mailonce ${command.join(" ")} `);
    for (const option of line.match(/--[a-z-]+/g) ?? []) expect(stdout).toContain(option);
  }
});
