// What moves the metrics of a ledger that several gateways share.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { migratePostgres } from "../../src/ledger/postgres/schema.ts";
import { openEventsSite } from "./events-site.ts";
import type { Moving, Step } from "./metric-steps.ts";
import { type Place, smtpAt } from "./place.ts";
import type { TestPostgres, TestSchema } from "./postgres.ts";
import type { Settings } from "./process.ts";
import { scrape } from "./scrape.ts";
import { submitMail, taskMail } from "./smtp-client.ts";
import { createTcpProxy } from "./tcp-proxy.ts";

export interface SharedStep extends Pick<Step, "name" | "moves"> {
  play(place: Place, postgres: TestPostgres, schema: TestSchema): Promise<Moving>;
}

const M = "mailonce_";

/** The shortest that there is. */
const LEASE = "5s";

/** @param url of the database */
export const sharing = (place: Place, name: string, url: string, more: Settings): Settings => ({
  ...{ DATA_DIR: join(place.folder, name), HOSTNAME: `${name}.example`, SPOOL_RETRY_MIN: "10m" },
  ...{ LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: url, LEDGER_LEASE: LEASE, ...more },
});

const mailTo = (port: number, task: string): Promise<string> =>
  submitMail(port, { to: ["person@example.net"], content: taskMail(task) });

export const SHARED_STEPS: readonly SharedStep[] = [
  {
    name: "a second gateway starts, and the first relays a mail",
    moves: [
      `${M}gateways_alive`,
      `${M}ledger_call_duration_seconds_count`,
      `${M}filter_lookups_total{answer="absent"}`,
    ],
    async play(place, _, schema) {
      await migratePostgres(schema.url);
      const upstream = await place.smtp();
      const gateway = await place.start(sharing(place, "a", schema.url, smtpAt(upstream.port)));
      const before = await scrape(gateway);
      await place.start(sharing(place, "b", schema.url, smtpAt(upstream.port)));
      await mailTo(gateway.port, randomUUID());
      return { gateway, before };
    },
  },
  {
    name: "a mail that was refused for good comes again",
    moves: [`${M}filter_lookups_total{answer="maybe_not_found"}`],
    async play(place, _, schema) {
      await migratePostgres(schema.url);
      const upstream = await place.smtp({ script: "refuse-rcpt-5" });
      const gateway = await place.start(sharing(place, "a", schema.url, smtpAt(upstream.port)));
      const before = await scrape(gateway);
      await mailTo(gateway.port, "the-task");
      await gateway.logged("transmission.reported");
      await mailTo(gateway.port, "the-task");
      return { gateway, before };
    },
  },
  {
    name: "another gateway dies with a mail that nobody has relayed",
    moves: [`${M}ledger_takeovers_total`],
    async play(place, _, schema) {
      await migratePostgres(schema.url);
      const upstream = await place.smtp();
      const gateway = await place.start(sharing(place, "a", schema.url, smtpAt(upstream.port)));
      const away = smtpAt(upstream.port + 1);
      const other = await place.start(
        sharing(place, "b", schema.url, { ...away, UPSTREAM_SMTP_HOST: "127.9.9.9" }),
      );
      const before = await scrape(gateway);
      await mailTo(other.port, "the-task");
      await other.logged("dispatch.paused");
      await other.kill();
      // A repeat as long as the other may live.
      for (let reply = ""; !reply.includes("queued as"); ) reply = await mailTo(gateway.port, "the-task");
      return { gateway, before };
    },
  },
  {
    name: "the database can't be reached",
    moves: [`${M}ledger_up`],
    async play(place, postgres, schema) {
      await migratePostgres(schema.url);
      const proxy = await createTcpProxy(postgres.port);
      place.atEnd(() => proxy.close().catch(() => {}));
      const upstream = await place.smtp();
      const url = schema.urlThrough(proxy);
      const gateway = await place.start(sharing(place, "a", url, smtpAt(upstream.port)));
      const before = await scrape(gateway);
      await proxy.close();
      return { gateway, before };
    },
  },
  {
    name: "an event comes while the database can't be reached",
    moves: [`${M}events_total{type="away"}`],
    async play(place, postgres, schema) {
      await migratePostgres(schema.url);
      const proxy = await createTcpProxy(postgres.port);
      place.atEnd(() => proxy.close().catch(() => {}));
      const site = await openEventsSite(place, "late", { script: "drop-before-reply" });
      const gateway = await place.start(sharing(place, "a", schema.urlThrough(proxy), site.settings));
      const before = await scrape(gateway);
      await mailTo(gateway.port, "the-task");
      await gateway.logged("transmission.doubtful");
      await proxy.close();
      await site.publisher.late();
      return { gateway, before };
    },
  },
];
