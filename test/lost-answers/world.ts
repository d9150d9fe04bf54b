// Mails, an SES that takes them and loses answers as planned, and its events on their way through SNS and SQS. A gateway is
// put between them by who asks.
import { type Chance, createChance } from "../crash/chance.ts";
import { type Mail, mailsOf } from "../several/mailers.ts";
import { createEventsPlace, type EventsPlace } from "../support/events-place.ts";
import type { Settings } from "../support/process.ts";
import { createScriptedSes, type ScriptedSes, type SendEmailBody } from "../support/scripted-ses.ts";
import { createSesPublisher, type SesPublisher } from "../support/ses-publisher.ts";
import { type MailPlan, plansOf, type Shares } from "./plan.ts";
import { createShuffled } from "./shuffled.ts";

export interface WorldOptions {
  readonly mails: number;
  readonly shares: Shares;
  /** SES's MaxSendRate, which gateways keep to. */
  readonly rate: number;
  readonly seed: number;
  /** Events on their way at a time. */
  readonly onTheirWay?: number;
  /** See createEventsPlace. */
  readonly hiddenSeconds?: number;
}

export interface World {
  readonly chance: Chance;
  readonly mails: readonly Mail[];
  planOf(recipient: string): MailPlan;
  readonly ses: ScriptedSes;
  readonly events: EventsPlace;
  /** For a gateway that relays to this SES. */
  readonly upstream: Settings;
  /** For one that reads its events. */
  readonly queue: Settings;
  /** How many copies SES has of each. */
  readonly copies: ReadonlyMap<string, number>;
  lostAnswers(): number;
  /** Publishes what is late of this mail. */
  late(recipient: string): Promise<void>;
  /** Publishes all that is late, and resolves when all that is to be published is. */
  published(): Promise<void>;
  /** From now on events arrive as they are published. */
  inOrder(): Promise<void>;
  /** Resolves when every event was removed from the queue. */
  emptied(): Promise<void>;
  close(): Promise<void>;
}

/** As docs/ses-events.md has it. */
const RECEIPTS_MAX = 100;

const recipientOf = ({ Destination }: SendEmailBody): string => Destination?.ToAddresses?.[0] ?? "";

export async function openWorld(options: WorldOptions): Promise<World> {
  const { mails: count, shares, rate, seed, onTheirWay = 100, hiddenSeconds } = options;
  const chance = createChance(seed);
  const mails = mailsOf(count, "m");
  const drawn = plansOf(count, shares, chance);
  const plans = new Map(mails.map(({ recipient }, at) => [recipient, drawn[at] as MailPlan]));
  const copies = new Map<string, number>();
  let lostAnswers = 0;

  const events = await createEventsPlace(RECEIPTS_MAX, hiddenSeconds);
  const shuffled = createShuffled(events.publish, chance, onTheirWay);
  const publisher: SesPublisher = createSesPublisher(shuffled.publish);
  const planOf = (recipient: string): MailPlan => {
    const plan = plans.get(recipient);
    if (plan === undefined) throw new Error(`no mail to ${recipient}`);
    return plan;
  };
  publisher.plan((_, { call }) => {
    const recipient = recipientOf(call);
    return copies.get(recipient) === 1 ? planOf(recipient).events : "once";
  });

  /** Of a further copy by chance. */
  function isLost(recipient: string, copy: number): boolean {
    return copy === 1 ? planOf(recipient).isAnswerLost : chance.fraction() < shares.lost;
  }
  const ses = await createScriptedSes({
    quota: { MaxSendRate: rate, Max24HourSend: 1_000_000, SentLast24Hours: 0 },
    faultOf(call) {
      const recipient = recipientOf(call);
      const copy = (copies.get(recipient) ?? 0) + 1;
      copies.set(recipient, copy);
      if (!isLost(recipient, copy)) return undefined;
      lostAnswers += 1;
      return "drop-before-reply";
    },
    onTaken: publisher.onTaken,
  });

  return {
    ...{ chance, mails, planOf, ses, events, copies },
    upstream: { UPSTREAM_KIND: "ses", UPSTREAM_SES_ENDPOINT: ses.endpoint },
    queue: { UPSTREAM_SES_EVENTS_QUEUE_URL: events.queueUrl },
    lostAnswers: () => lostAnswers,
    late: (recipient) => publisher.late(({ call }) => recipientOf(call) === recipient),
    async published() {
      await publisher.late();
      await publisher.published();
    },
    inOrder: shuffled.end,
    async emptied() {
      for (;;) {
        const { ready, hidden } = events.messages();
        if (ready + hidden === 0) return;
        await events.answered("DeleteMessageBatch");
      }
    },
    async close() {
      await ses.close();
      await events.close();
    },
  };
}
