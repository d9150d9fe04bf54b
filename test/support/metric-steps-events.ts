// What moves the metrics of SES's events.
import { randomUUID } from "node:crypto";
import { openEventsSite } from "./events-site.ts";
import type { Step } from "./metric-steps.ts";
import type { GatewayProcess } from "./process.ts";
import { scrape } from "./scrape.ts";
import { submitMail, taskMail } from "./smtp-client.ts";
import { idOf } from "./transmission.ts";

const M = "mailonce_";

const submit = ({ port }: GatewayProcess): Promise<string> =>
  submitMail(port, { to: ["person@example.net"], content: taskMail(randomUUID()) });

/** About a mail with these tags. */
const sent = (tags: Record<string, readonly string[]>) => ({ eventType: "Send", mail: { tags }, send: {} });

export const EVENT_STEPS: readonly Step[] = [
  {
    name: "an answer of SES is lost, and its events come twice",
    moves: [
      ...["settled", "known"].map((type) => `${M}events_total{type="${type}"}`),
      `${M}events_last_received_timestamp_seconds`,
      `${M}doubtful_resolved_total{by="evidence"}`,
    ],
    async play(place) {
      const site = await openEventsSite(place, "twice", { script: "drop-before-reply" });
      const gateway = await site.start();
      const before = await scrape(gateway);
      await submit(gateway);
      return { gateway, before };
    },
  },
  {
    name: "an event of SES comes before its answer",
    moves: [`${M}events_total{type="busy"}`],
    async play(place) {
      const site = await openEventsSite(place, "once", { script: "held-reply" });
      const gateway = await site.start();
      const before = await scrape(gateway);
      await submit(gateway);
      return { gateway, before };
    },
  },
  {
    name: "the queue of SES's events has what is none of this ledger's",
    moves: ["other_ledger", "other_mail", "no_event"].map((type) => `${M}events_total{type="${type}"}`),
    async play(place) {
      const site = await openEventsSite(place, "once");
      const gateway = await site.start();
      const before = await scrape(gateway);
      await site.events.put(sent({ "mailonce-id": [idOf(1)], "mailonce-ledger": ["another"] }));
      await site.events.put(sent({}));
      await site.events.put("no event");
      return { gateway, before };
    },
  },
];
