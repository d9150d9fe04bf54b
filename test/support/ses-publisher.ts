// What SES publishes about the mails that a scripted SES takes: a Delivery before its Send, twice, late, or never.
import type { TakenBySes } from "./scripted-ses.ts";

/** Of one mail: late is published when the test says so. */
export type Publishing = "once" | "twice" | "late" | "never";

export interface SesPublisher {
  /** For `onTaken` of a scripted SES. */
  readonly onTaken: (mail: TakenBySes) => void;
  /** What happens to mails from now on; by their number, from 0, or by what they say. */
  plan(planOf: (number: number, mail: TakenBySes) => Publishing): void;
  /** Publishes what was late: all of it, or of these mails. */
  late(isWanted?: (mail: TakenBySes) => boolean): Promise<void>;
  /** Resolves when all that was to be published so far is. */
  published(): Promise<void>;
}

/** @param publish puts one event on its way, as a configuration set does to its topic */
export function createSesPublisher(publish: (event: object) => Promise<void>): SesPublisher {
  const underWay: Promise<void>[] = [];
  let planOf: (number: number, mail: TakenBySes) => Publishing = () => "once";
  let number = 0;
  let kept: TakenBySes[] = [];

  /** SES promises no order: what it did last is said first. */
  async function all(mail: TakenBySes, times: number): Promise<void> {
    const about = mailOf(mail);
    const recipients = about.destination;
    const delivery = {
      timestamp: about.timestamp,
      processingTimeMillis: 1,
      recipients,
      smtpResponse: "250 ok",
    };
    for (let time = 0; time < times; time++) {
      await publish({ eventType: "Delivery", mail: about, delivery });
      await publish({ eventType: "Send", mail: about, send: {} });
    }
  }

  return {
    onTaken(mail) {
      const plan = planOf(number++, mail);
      if (plan === "late") kept.push(mail);
      else if (plan !== "never") underWay.push(all(mail, plan === "twice" ? 2 : 1));
    },
    plan(next) {
      planOf = next;
    },
    async late(isWanted = () => true) {
      const mails = kept.filter(isWanted);
      kept = kept.filter((mail) => !isWanted(mail));
      for (const mail of mails) await all(mail, 1);
    },
    async published() {
      await Promise.all(underWay);
    },
  };
}

/** What an event has under `mail`. */
export function mailOf({ upstreamId, call, content }: TakenBySes) {
  const header = Buffer.from(content).toString("latin1").split("\r\n\r\n")[0] ?? "";
  const headers = header.split(/\r\n(?![ \t])/).map((line) => {
    const colon = line.indexOf(":");
    return {
      name: line.slice(0, colon),
      value: line
        .slice(colon + 1)
        .replace(/\r\n/g, "")
        .trim(),
    };
  });
  const tags = Object.fromEntries((call.EmailTags ?? []).map(({ Name, Value }) => [Name, [Value]]));
  return {
    ...{ timestamp: new Date().toISOString(), messageId: upstreamId, source: "sender@example.org" },
    ...{ sendingAccountId: "111122223333", destination: call.Destination?.ToAddresses ?? [] },
    ...{
      headersTruncated: false,
      headers,
      commonHeaders: { messageId: `<${upstreamId}@email.amazonses.com>` },
    },
    tags: { "ses:operation": ["SendEmail"], ...tags },
  };
}
