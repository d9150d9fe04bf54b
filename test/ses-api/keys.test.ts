// Keys of those who call the API of SES: made by a command, verified with each request, and each user's mail apart.
import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { messageId } from "../../src/index.ts";
import { run } from "../support/process.ts";
import { ask, openSite, rawCall, SEND, sign, test } from "./place.ts";
import { dial, wireOf } from "./wire.ts";

const TO = "a@example.com";
const FROM = "app@sender.example";
const MAIL = `From: App <${FROM}>\r\nTo: ${TO}\r\nSubject: News\r\n\r\nHello.\r\n`;

/** What the command prints is what an SDK reads. */
async function addKey(file: string, name: string): Promise<{ id: string; secret: string }> {
  const { code, stdout } = await run(["key", "add", name, "--file", file]);
  expect(code).toBe(0);
  const [, id = "", secret = ""] =
    /^AWS_ACCESS_KEY_ID=(MAILONCE[A-Z2-7]{12})\nAWS_SECRET_ACCESS_KEY=([a-z2-7]{40})\n$/.exec(stdout) ?? [];
  expect(id).not.toBe("");
  return { id, secret };
}

test("each request is verified, and the user's namespace holds", async ({ place }) => {
  const file = join(place.folder, "keys");
  const [shop, crm] = [await addKey(file, "shop"), await addKey(file, "crm")];
  const { port, gateway } = await openSite(place, { ACCESS_KEYS_FILE: file });
  const task = randomUUID();
  const send = (key: { id: string; secret: string }) =>
    ask(port, { path: SEND, key, headers: { "X-Task-Id": task }, body: rawCall(MAIL) });
  for (const [namespace, key] of Object.entries({ shop, crm })) {
    for (const _ of [1, 2]) {
      const told = await send(key);
      const id = messageId({ task, to: TO, from: FROM, namespace });
      expect(JSON.parse(told.body)).toEqual({ MessageId: id.slice(1, -1) });
    }
  }
  await gateway.logged("transmission.relayed", 2);
  expect(gateway.said("submission.accepted").map(({ user }) => user)).toEqual(["shop", "crm"]);

  const wrong = await send({ ...shop, secret: crm.secret });
  expect([wrong.status, wrong.headers["x-amzn-errortype"]]).toEqual([403, "InvalidSignatureException"]);
  const nobody = await send({ id: "AKIAIOSFODNN7EXAMPLE", secret: shop.secret });
  expect([nobody.status, nobody.headers["x-amzn-errortype"]]).toEqual([403, "UnrecognizedClientException"]);
  const first = await ask(port, { key: { ...shop, secret: "x" }, body: "Action=GetSendQuota" });
  expect([first.status, /<Code>(\w+)</.exec(first.body)?.[1]]).toEqual([403, "SignatureDoesNotMatch"]);
  expect(JSON.stringify(gateway.lines)).not.toContain(shop.secret);
});

test("a task in the header of the request has to be signed", async ({ place }) => {
  const file = join(place.folder, "keys");
  const key = await addKey(file, "shop");
  const { port } = await openSite(place, { ACCESS_KEYS_FILE: file });
  const request = { method: "POST", path: SEND, body: rawCall(MAIL) };
  const headers = { ...sign({ ...request, key, port }), "X-Task-Id": randomUUID() };
  const told = await ask(port, { ...request, headers });
  expect([told.status, JSON.parse(told.body)]).toEqual([
    403,
    {
      __type: "IncompleteSignatureException",
      message: "X-Task-Id is not signed: set it before the SDK signs the request",
    },
  ]);
});

test("other networks may ask with a key, and what is not theirs is refused", async ({ place }) => {
  const file = join(place.folder, "keys");
  const key = await addKey(file, "shop");
  const settings = { ACCESS_KEYS_FILE: file, ACCESS_TRUSTED_NETWORKS: "10.0.0.0/8" };
  const { port } = await openSite(
    place,
    settings,
    '[users.shop]\nfrom_domains = ["shop.example"]\nmessages_per_hour = 2\n',
  );
  const send = (mail: string) => ask(port, { path: SEND, key, body: rawCall(mail) });
  const refused = await send(MAIL);
  expect([refused.status, JSON.parse(refused.body)]).toEqual([
    400,
    { __type: "MessageRejected", message: "From has a domain that is not yours to use" },
  ]);
  expect((await send(MAIL.replace(FROM, "app@shop.example"))).status).toBe(200);
  const throttled = await send(MAIL.replace(FROM, "app@shop.example"));
  expect([throttled.status, throttled.headers["x-amzn-errortype"]]).toEqual([
    429,
    "TooManyRequestsException",
  ]);
});

test("a key that is added or removed while the gateway runs counts within seconds", async ({ place }) => {
  const file = join(place.folder, "keys");
  const old = await addKey(file, "shop");
  const { port, gateway } = await openSite(place, { ACCESS_KEYS_FILE: file });
  const account = async (key: { id: string; secret: string }) =>
    (await ask(port, { method: "GET", path: "/v2/email/account", key })).status;
  expect(await account(old)).toBe(200);
  const next = await addKey(file, "shop");
  await gateway.logged("keys.reloaded");
  expect([await account(old), await account(next)]).toEqual([200, 200]);
  expect((await run(["key", "list", "--file", file])).stdout).toBe(
    [old, next].map(({ id }) => `{"key":"${id}","user":"shop"}\n`).join(""),
  );
  expect(await run(["key", "remove", old.id, "--file", file])).toMatchObject({
    code: 0,
    stdout: `${old.id} removed\n`,
  });
  await gateway.logged("keys.reloaded", 2);
  expect([await account(old), await account(next)]).toEqual([403, 200]);
  expect(await run(["key", "remove", old.id, "--file", file])).toMatchObject({
    code: 1,
    stderr: `mailonce: there is no key ${old.id}\n`,
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).toBe(`${next.id}:shop:${next.secret}\n`);
});

test.for([
  ["who guesses is blocked, as with passwords", "10.0.0.0/8"],
  ["a trusted host is not blocked for one of its mailers", "127.0.0.0/8"],
] as const)("%s", async ([, networks], { place }) => {
  const file = join(place.folder, "keys");
  const key = await addKey(file, "shop");
  const settings = { ACCESS_KEYS_FILE: file, ACCESS_AUTH_FAILURES_MAX: 3, ACCESS_TRUSTED_NETWORKS: networks };
  const { port, gateway } = await openSite(place, settings);
  const account = (by = key) => wireOf(port, { method: "GET", path: "/v2/email/account", key: by });
  const wire = await dial(port);
  wire.send(account({ ...key, secret: "x".repeat(40) }) + account({ ...key, id: "MAILONCEANOTHERKEY22" }));
  await wire.heard(/InvalidSignatureException.*UnrecognizedClientException/s);
  // What comes late is signed right, and what is not signed is no guess.
  wire.send(account().replace(/Authorization: .*\r\n/, ""));
  wire.send(account());
  await wire.heard("SendQuota");
  wire.send(account({ ...key, secret: "y".repeat(40) }));
  await wire.heard(/(?:InvalidSignatureException.*){2}/s);
  wire.send(account());
  if (networks === "127.0.0.0/8") {
    await wire.heard(/(?:SendQuota.*){2}/s);
    expect(gateway.said("auth.blocked")).toEqual([]);
    return;
  }
  await wire.heard(/AccessDeniedException.*too many wrong signatures from this address/s);
  expect(gateway.said("auth.blocked")).toMatchObject([{ address: "127.0.0.1", failures: 3 }]);
  expect(await (await dial(port)).ended).toBe("");
});

test("without a listener that asks for keys, a keys file is warned of", async ({ place }) => {
  const file = join(place.folder, "keys");
  await addKey(file, "shop");
  const gateway = await place.start({ ACCESS_KEYS_FILE: file });
  expect(gateway.said("config.warning")).toMatchObject([
    { key: "access.keys_file", warning: 'is not used: no listener has protocol "ses-api"' },
  ]);
});
