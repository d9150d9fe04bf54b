// What a mail costs that comes by the API of SES, beside the same mail by SMTP: the gateway's processor time, in turns.
//
//   npm run bench:ses-api [-- --seconds 4 --turns 5]
import { randomUUID } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../test/support/peers.ts";
import { makeFolder } from "../test/support/process.ts";
import { taskMail } from "../test/support/smtp-client.ts";
import { submitByApi } from "./support/api-source.ts";
import { decimal, microseconds, whole } from "./support/figures.ts";
import { startTogether } from "./support/gateway.ts";
import { expectCount, type Rate, type Relay } from "./support/relay.ts";
import { submit } from "./support/smtp-source.ts";
import { median } from "./support/statistics.ts";
import { inTurns, timing } from "./support/turns.ts";

const CONNECTIONS = 20;
const LINE = "x".repeat(62);
const KEY = { id: "MAILONCEBENCH", secret: "secretofthebenchmark" };
const SEND = "/v2/email/outbound-emails";
const FROM = "app@sender.example";

/** The mail that smtp-source sends, to this recipient. */
const mailOf = (task: string, octets: number): string =>
  taskMail(task, { body: `${LINE}\r\n`.repeat(Math.ceil(octets / (LINE.length + 2))) });

const base64 = (text: string): string => Buffer.from(text).toString("base64");

type CallOf = (mail: string, task: string, to: string) => { readonly path: string; readonly body: string };

const CALLS: Readonly<Record<string, CallOf>> = {
  "SendEmail of version 2, Raw": (mail, _, to) => ({
    path: SEND,
    body: JSON.stringify({
      FromEmailAddress: FROM,
      Destination: { ToAddresses: [to] },
      Content: { Raw: { Data: base64(mail) } },
    }),
  }),
  "SendRawEmail of version 1": (mail, _, to) => ({
    path: "/",
    body: `Action=SendRawEmail&Version=2010-12-01&Source=${FROM}&Destinations.member.1=${to}&RawMessage.Data=${encodeURIComponent(base64(mail))}`,
  }),
  "SendEmail of version 2, Simple": (mail, task, to) => ({
    path: SEND,
    body: JSON.stringify({
      FromEmailAddress: FROM,
      Destination: { ToAddresses: [to] },
      Content: {
        Simple: {
          Subject: { Data: "News" },
          Body: { Text: { Data: mail.slice(mail.indexOf("\r\n\r\n") + 4) } },
          Headers: [{ Name: "X-Task-Id", Value: task }],
        },
      },
    }),
  }),
};

interface Way {
  readonly name: string;
  readonly gateway: Relay;
  readonly submit: (messages: number, task: string) => Promise<void>;
}

const { seconds, turns } = timing({ seconds: 4, turns: 5 });
const folder = makeFolder();
const keysFile = join(folder.path, "keys");
writeFileSync(keysFile, `${KEY.id}:bench:${KEY.secret}\n`);
chmodSync(keysFile, 0o600);

async function lodger(name: string, settings: Record<string, string>) {
  const [smtp, api] = [await freePort(), await freePort()];
  const file = join(folder.path, `${name}.toml`);
  writeFileSync(file, `[[listeners]]\nport = ${smtp}\n[[listeners]]\nprotocol = "ses-api"\nport = ${api}\n`);
  return { api, settings: { CONFIG: file, SMTP_PORT: String(smtp), HTTP_ENABLED: "false", ...settings } };
}
const lodgers = [await lodger("plain", {}), await lodger("keys", { ACCESS_KEYS_FILE: keysFile })];
const [plain, keyed] = (await startTogether(folder.path, lodgers)) as [Relay, Relay];
const [plainPort, keyedPort] = lodgers.map(({ api }) => api) as [number, number];

try {
  for (const octets of [2_048, 51_200]) {
    const byApi = (name: string, gateway: Relay, port: number, what: string): Way => ({
      ...{ name: what, gateway },
      submit(messages, task) {
        const mail = mailOf(task, octets);
        const make = CALLS[name] as CallOf;
        return submitByApi(port, messages, {
          ...{ connections: CONNECTIONS, key: KEY },
          call: (to) => make(mail, task, to),
        });
      },
    });
    const smtp: Way = {
      ...{ name: "SMTP", gateway: plain },
      submit: (messages, task) =>
        submit(plain.port, messages, { connections: CONNECTIONS, keep: true, octets, task }),
    };
    const ways = [
      smtp,
      ...Object.keys(CALLS).map((name) => byApi(name, plain, plainPort, name)),
      byApi("SendEmail of version 2, Raw", keyed, keyedPort, "the same, Raw, with the signature verified"),
    ];
    const measure = async ({ gateway, submit: send }: Way, messages: number): Promise<Rate> => {
      const before = { count: gateway.sink.count(), cpu: gateway.cpu.used() };
      const began = performance.now();
      const [accepted, relayed] = await Promise.all([
        send(messages, randomUUID()).then(() => performance.now() - began),
        gateway.sink.reached(before.count + messages).then((reached) => reached - began),
      ]);
      await expectCount(gateway, before.count + messages);
      return {
        accepted: (messages / accepted) * 1_000,
        relayed: (messages / relayed) * 1_000,
        cpu: (gateway.cpu.used() - before.cpu) / messages,
      };
    };
    const rates = new Map<Way, number>();
    for (const way of ways) {
      await measure(way, 2_000);
      rates.set(way, (await measure(way, 2_000)).relayed);
    }
    const measured = await inTurns(turns, ways, (way) =>
      measure(way, Math.ceil((rates.get(way) ?? 1_000) * seconds)),
    );
    const cpuOf = (way: Way): number[] => (measured.get(way) ?? []).map(({ cpu }) => cpu);
    console.log(
      `\n${octets} octets\n\n| by | relayed a second | processor time a mail | beside SMTP | in each turn |`,
    );
    console.log("|---|---:|---:|---:|---|");
    for (const way of ways) {
      const cpu = median(cpuOf(way));
      const rate = median((measured.get(way) ?? []).map(({ relayed }) => relayed));
      const ratios = cpuOf(way).map((one, turn) => one / (cpuOf(smtp)[turn] ?? Number.NaN));
      console.log(
        `| ${way.name} | ${whole(rate)} | ${microseconds(cpu)} | ${decimal(median(ratios))} | ${ratios.map(decimal).join(", ")} |`,
      );
    }
  }
} finally {
  await plain.stop();
  folder.remove();
}
