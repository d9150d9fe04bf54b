// A second copy made the real way: a gateway whose upstream takes a mail and loses the answer, so that the gateway relays
// it again. What the upstream took is then given to a receiver as it is ("kept"), or as SES hands it on ("overwritten").
import { randomUUID } from "node:crypto";
import { type Place, smtpAt } from "../support/place.ts";
import type { Settings } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

export interface SecondCopy {
  /** The same octets twice, with our Message-ID and Date. */
  readonly kept: readonly [string, string];
  /** Each with another Message-ID and Date. */
  readonly overwritten: readonly [string, string];
}

export interface Copies {
  /** Submits a mail once, or the content that is given, and resolves with both copies that the upstream has then. */
  lostAnswer(to: string, content?: string): Promise<SecondCopy>;
  /** Submits a content, and resolves with the one copy that the upstream has then. */
  relayed(to: string, content: string): Promise<string>;
}

export async function startCopies(place: Place, settings: Settings = {}): Promise<Copies> {
  let toLose = 0;
  const upstream = await place.smtp({
    keepContents: true,
    script: () => (toLose-- > 0 ? "drop-before-reply" : "accept"),
  });
  const gateway = await place.start({
    ...smtpAt(upstream.port),
    ...{ SPOOL_RETRY_MIN: "20ms", SPOOL_RETRY_MAX: "50ms" },
    ...settings,
  });
  async function submitted(count: number, to: string, content: string): Promise<string[]> {
    const before = upstream.taken.length;
    toLose = count - 1;
    const reply = await submitMail(gateway.port, { to: [to], content });
    if (!reply.startsWith("250 ")) throw new Error(`not accepted: ${reply}`);
    await upstream.waitFor(before + count);
    return upstream.taken.slice(before).map(({ octets }) => Buffer.from(octets).toString("latin1"));
  }
  return {
    async lostAnswer(to, content = taskMail(randomUUID())) {
      const [first = "", second = ""] = await submitted(2, to, content);
      return { kept: [first, second], overwritten: [bySes(first), bySes(second)] };
    },
    async relayed(to, content) {
      const [only = ""] = await submitted(1, to, content);
      return only;
    },
  };
}

let handedOn = 0;

/** As SES hands a mail on: Message-ID and Date are its own, and new for each call. Other fields stay. */
export function bySes(content: string): string {
  handedOn++;
  const id = `0100${randomUUID().replaceAll("-", "").slice(4)}-000000@eu-west-1.amazonses.com`;
  const date = new Date(Date.now() + handedOn * 1000).toUTCString().replace("GMT", "+0000");
  const end = content.indexOf("\r\n\r\n") + 2;
  const header = content
    .slice(0, end)
    .replace(/^Message-ID:.*(?:\r\n[ \t].*)*\r\n/gim, "")
    .replace(/^Date:.*(?:\r\n[ \t].*)*\r\n/gim, "");
  return `Message-ID: <${id}>\r\nDate: ${date}\r\n${header}${content.slice(end)}`;
}
