// A gateway that has something of everything that pages show: relayed mail and repeats, mail that is refused for now by one
// upstream, and mail to which another gave no answer.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./place.ts";
import type { GatewayProcess, Settings } from "./process.ts";
import { submitMail, taskMail } from "./smtp-client.ts";

/** What tests and the script that takes the pictures have alike. */
export type ScenePlace = Pick<Place, "folder" | "outbox" | "start" | "smtp">;

export interface SceneOptions {
  readonly settings?: Settings;
  /** In place of what is ordinary. */
  readonly words?: Partial<SceneWords>;
}

/** What strangers write. */
export interface SceneWords {
  readonly subject: string;
  readonly body: string;
  readonly task: string;
  /** A local part. */
  readonly reader: string;
  /** Of the upstream that takes nothing for now. */
  readonly reply: string;
}

export interface Scene {
  readonly gateway: GatewayProcess;
  /** Has the upstream that refuses take mail from now on. */
  relent(): void;
}

const ORDINARY: SceneWords = {
  subject: "Your order has been sent",
  body: "Hello,\r\n\r\nyour order is on its way.\r\n",
  task: "orders",
  reader: "reader",
  reply: "450 4.2.0 greylisted, try again in five minutes",
};

/** How many mails there are of each kind. */
export const SCENE = { relayed: 5, repeats: 3, waiting: 4, held: 2 } as const;

export async function startScene(
  place: ScenePlace,
  { settings = {}, words = {} }: SceneOptions = {},
): Promise<Scene> {
  const { subject, body, task, reader, reply } = { ...ORDINARY, ...words };
  let isRelenting = false;
  const relay = await place.smtp({ refuse: () => (isRelenting ? undefined : reply) });
  const partner = await place.smtp({ script: "drop-before-reply" });
  const smtpOn = (port: number): string =>
    `kind = "smtp"\nsmtp.host = "127.0.0.1"\nsmtp.port = ${port}\nsmtp.tls = "none"\n`;
  const file = join(place.folder, "mailonce.toml");
  writeFileSync(
    file,
    `[upstreams.outbox]\nkind = "maildir"\nmaildir.path = ${JSON.stringify(place.outbox)}\n` +
      `[upstreams.relay]\n${smtpOn(relay.port)}[upstreams.partner]\n${smtpOn(partner.port)}` +
      '[[routes]]\ndomains = ["shop.example"]\nupstreams = ["relay"]\n' +
      '[[routes]]\ndomains = ["bills.example"]\nupstreams = ["partner"]\n' +
      '[[routes]]\nupstreams = ["outbox"]\n',
  );
  const gateway = await place.start({
    ...{ CONFIG: file, SMTP_PORT: 0, LEDGER_DOUBTFUL: "hold", LOG_ADDRESSES: "true" },
    // What waits does so for as long as anybody looks.
    ...{ SPOOL_RETRY_MIN: "10m", SPOOL_RETRY_MAX: "1h" },
    ...settings,
  });
  const send = async (from: string, number: number): Promise<void> => {
    // The last that is relayed is HTML, and the first of the outbox.
    const isHtml = from === "news.example" && number === SCENE.relayed;
    const fields = isHtml ? "Content-Type: text/html; charset=utf-8" : "";
    // The route goes by From.
    const content = taskMail(`${task}-${from}-${number}`, { subject, body, fields }).replace(
      "app@sender.example",
      `app@${from}`,
    );
    const to = [`${reader}${number}@${number % 2 === 0 ? "example.net" : "example.com"}`];
    const said = await submitMail(gateway.port, { from: `app@${from}`, to, content });
    if (!said.startsWith("250")) throw new Error(said);
  };
  const sendAll = async (from: string, count: number): Promise<void> => {
    for (let number = 1; number <= count; number++) await send(from, number);
  };
  await sendAll("news.example", SCENE.relayed);
  await gateway.logged("transmission.relayed", SCENE.relayed);
  await sendAll("news.example", SCENE.repeats);
  await sendAll("shop.example", SCENE.waiting);
  await gateway.logged("transmission.refused", SCENE.waiting);
  await sendAll("bills.example", SCENE.held);
  await gateway.logged("transmission.doubtful", SCENE.held);
  return {
    gateway,
    relent() {
      isRelenting = true;
    },
  };
}
