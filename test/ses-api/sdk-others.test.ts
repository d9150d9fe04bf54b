// SDKs of other languages: boto3 and what is built on it, awscli, Ruby, PHP. The endpoint is all that they are told.
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { messageId } from "../../src/index.ts";
import { has, PYTHON } from "../integrations/jobs.ts";
import { runClient } from "../support/peers.ts";
import { createScriptedSes } from "../support/scripted-ses.ts";
import { writeCertificate } from "../support/short-certificate.ts";
import { cuttingProxy } from "./cutting-proxy.ts";
import { mailsAt, openSite, type Site, surroundings, test } from "./place.ts";

const FROM = "app@sender.example";
/** Debian's. */
const AWS = "/usr/bin/aws";

const program = (name: string): string => fileURLToPath(new URL(`programs/${name}`, import.meta.url));

const hasBoto = has("boto3", PYTHON, ["-c", "import boto3"]);
const hasAnymail = has("anymail", PYTHON, ["-c", "import anymail, boto3"]);
const hasAws = has("awscli", AWS, ["--version"]);
const hasRuby = has("AWS's SDK for Ruby", "ruby", ["-e", 'require "aws-sdk-v1"']);
const hasPhp = has("AsyncAws", "php", [
  "-r",
  'require "AsyncAws/Ses/autoload.php"; require "Symfony/Component/Mailer/Bridge/Amazon/autoload.php";',
]);

/** Runs a client to its end, and gives the lines that it printed. */
async function lines(site: Pick<Site, "url">, command: string, args: readonly string[]): Promise<string[]> {
  const { code, output } = await runClient(command, args, "", {
    ...surroundings(site),
    PYTHONPATH: fileURLToPath(new URL("../../integrations/python", import.meta.url)),
  });
  expect(code, output).toBe(0);
  return output.trim().split("\n");
}

/** The recipient got one mail, whose id is in each of the lines. */
async function expectOne(site: Site, task: string, to: string, ids: readonly string[]): Promise<void> {
  const id = messageId({ task, to, from: FROM });
  expect(ids).toEqual(ids.map(() => id.slice(1, -1)));
  expect(ids.length).toBeGreaterThan(1);
  await site.gateway.logged("transmission.relayed", 1, ({ messageId: one }) => one === id);
  expect(mailsAt(site).filter((mail) => mail.to[0] === to)).toHaveLength(1);
}

test.skipIf(!hasBoto)("boto3: each call of both versions, twice", async ({ site }) => {
  const [task, to] = [randomUUID(), "boto3@example.com"];
  const printed = await lines(site, PYTHON, [program("send.py"), task, to]);
  expect(printed.pop()).toBe("1000.0 1000");
  expect(printed).toHaveLength(8);
  await expectOne(site, task, to, printed);
});

test.skipIf(!hasBoto)(
  "boto3 that loses four answers tries five times: one mail here, five at SES itself",
  async ({ site, place }) => {
    const proxy = await cuttingProxy(site.port, 4);
    place.atEnd(() => proxy.close());
    const to = "retried@example.com";
    const [printed = ""] = await lines(proxy, PYTHON, [program("retry.py"), to]);
    expect(printed).toMatch(/^4 /);
    await site.gateway.logged("transmission.repeat", 4, ({ recipient }) => recipient === to);
    await site.gateway.logged("transmission.relayed", 1, ({ recipient }) => recipient === to);
    expect(mailsAt(site).filter((mail) => mail.to[0] === to)).toHaveLength(1);

    const ses = await createScriptedSes();
    place.atEnd(() => ses.close());
    const bare = await cuttingProxy(Number(new URL(ses.endpoint).port), 4);
    place.atEnd(() => bare.close());
    await lines(bare, PYTHON, [program("retry.py"), to]);
    expect(ses.taken).toHaveLength(5);
  },
);

test.skipIf(!hasAnymail)("Django with anymail", async ({ site }) => {
  const [task, to] = [randomUUID(), "anymail@example.com"];
  await expectOne(site, task, to, await lines(site, PYTHON, [program("django_anymail.py"), task, to]));
});

test.skipIf(!hasAnymail).for(["1", "2"])(
  "the calls of django-ses, version %s of the API",
  async (version, { site }) => {
    const [task, to, blind] = [
      randomUUID(),
      `django-ses-${version}@example.com`,
      `blind-${version}@example.com`,
    ];
    const printed = await lines(site, PYTHON, [program("django_ses.py"), version, task, to, blind]);
    await expectOne(site, task, to, printed);
    const isBlind = ({ recipient }: { recipient?: unknown }): boolean => recipient === blind;
    await site.gateway.logged("transmission.repeat", 1, isBlind as never);
    expect(mailsAt(site).filter((mail) => mail.to[0] === blind)).toHaveLength(1);
  },
);

test.skipIf(!hasAws)("awscli: aws ses and aws sesv2", async ({ site }) => {
  const [task, to] = [randomUUID(), "awscli@example.com"];
  const common = ["--endpoint-url", site.url, "--output", "text", "--query", "MessageId"];
  const v1 = ["ses", "send-email", "--from", FROM, "--to", to, "--subject", "News", "--text", "Hello."];
  const v2 = ["sesv2", "send-email", "--from-email-address", FROM, "--destination", `ToAddresses=${to}`];
  const content = JSON.stringify({
    Simple: { Subject: { Data: "News" }, Body: { Text: { Data: "Hello." } } },
  });
  const ids = [
    ...(await lines(site, AWS, [...v1, "--tags", `Name=task-id,Value=${task}`, ...common])),
    ...(await lines(site, AWS, [
      ...v2,
      "--content",
      content,
      "--email-tags",
      `Name=task-id,Value=${task}`,
      ...common,
    ])),
  ];
  await expectOne(site, task, to, ids);
});

test.skipIf(!hasRuby)("Ruby", async ({ site }) => {
  const [task, to] = [randomUUID(), "ruby@example.com"];
  const printed = await lines(site, "ruby", ["-W0", program("send.rb"), String(site.port), task, to]);
  await expectOne(site, task, to, printed);
});

test.skipIf(!hasPhp)("PHP: AsyncAws, and Symfony Mailer, which insists on TLS", async ({ place }) => {
  const files = writeCertificate(place.folder, 90);
  if (files === undefined) throw new Error("openssl is not installed");
  const site = await openSite(
    place,
    { TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key },
    '[[listeners]]\nprotocol = "ses-api"\nport = 0\ntls = "implicit"\n',
  );
  const [task, to] = [randomUUID(), "php@example.com"];
  const args = [program("send.php"), site.url, String(site.ports[2]), task, to];
  await expectOne(site, task, to, await lines(site, "php", args));
  const isThis = ({ recipient }: { recipient?: unknown }): boolean => recipient === to;
  await site.gateway.logged("transmission.repeat", 3, isThis as never);
});
