// What HTTP allows and SDKs don't do: methods, versions, requests sent ahead, a word to go on.
import { once } from "node:events";
import { connect } from "node:net";
import { expect } from "vitest";
import { ask, NOBODY, openSite, rawCall, SEND, sign, test } from "./place.ts";

const MAIL = "From: App <app@sender.example>\r\nTo: a@example.com\r\nSubject: News\r\n\r\nHello.\r\n";

interface Wire {
  send(text: string): void;
  /** Resolves with all that was said, once that has the text. */
  heard(text: string | RegExp): Promise<string>;
  /** Resolves with all that was said, once the server has closed. */
  readonly ended: Promise<string>;
}

async function dial(port: number): Promise<Wire> {
  const socket = connect({ port, host: "127.0.0.1" });
  await once(socket, "connect");
  let said = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    said += text;
  });
  socket.on("error", () => {});
  const ended = once(socket, "close").then(() => said);
  return {
    send: (text) => void socket.write(text, "latin1"),
    async heard(text) {
      const has = () => (typeof text === "string" ? said.includes(text) : text.test(said));
      while (!has()) await once(socket, "data");
      return said;
    },
    ended,
  };
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
  readonly version?: string;
  readonly more?: Readonly<Record<string, string>>;
}

/** A request as it goes over the wire. */
function wireOf(
  port: number,
  { method = "POST", path = SEND, body = "", version = "1.1", more = {} }: Sent,
): string {
  const fields = {
    ...sign({ method, path, body, key: NOBODY, port }),
    "Content-Length": String(Buffer.byteLength(body)),
    ...more,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/${version}\r\n${lines.join("")}\r\n${body}`;
}

const ACCOUNT = "/v2/email/account";

test("HEAD has the status of an error and no body", async ({ site }) => {
  const told = await ask(site.port, { method: "HEAD", path: ACCOUNT });
  expect([told.status, told.headers["x-amzn-errortype"], told.body]).toEqual([
    400,
    "BadRequestException",
    "",
  ]);
});

test("OPTIONS, by which browsers ask ahead, is refused, and no other origin is named", async ({ site }) => {
  const told = await ask(site.port, {
    method: "OPTIONS",
    path: SEND,
    headers: { Origin: "https://evil.example", "Access-Control-Request-Method": "POST" },
  });
  expect([told.status, told.headers["x-amzn-errortype"]]).toEqual([403, "AccessDeniedException"]);
  expect(Object.keys(told.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
});

test("HTTP/1.0 is answered, and the connection ends", async ({ site }) => {
  const wire = await dial(site.port);
  wire.send(wireOf(site.port, { method: "GET", path: ACCOUNT, version: "1.0" }));
  expect(await wire.ended).toMatch(/^HTTP\/1\.1 200 OK\r\n.*SendQuota/s);
});

test("a client that asks whether to go on is told to, and then its mail is taken", async ({ site }) => {
  const wire = await dial(site.port);
  const body = rawCall(MAIL);
  const [head = ""] = wireOf(site.port, { body, more: { Expect: "100-continue" } }).split(body);
  wire.send(head);
  expect(await wire.heard("\r\n\r\n")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  wire.send(body);
  expect(await wire.heard("MessageId")).toContain("\r\n\r\nHTTP/1.1 200 OK\r\n");
});

test("requests sent ahead are answered one after another, in their order", async ({ site }) => {
  const wire = await dial(site.port);
  const mail = wireOf(site.port, { body: rawCall(MAIL) });
  const account = wireOf(site.port, { method: "GET", path: ACCOUNT });
  wire.send(mail + account + mail + account);
  const said = await wire.heard(/(?:SendQuota.*){2}/s);
  expect(said.match(/"MessageId"|"SendQuota"/g)).toEqual([
    '"MessageId"',
    '"SendQuota"',
    '"MessageId"',
    '"SendQuota"',
  ]);
});

test("a second request waits for the answer to the first, and others don't", async ({ place }) => {
  const { port, upstream, gateway } = await openSite(place, { SMTP_REPLY: "relayed" });
  const to = (recipient: string) => wireOf(port, { body: rawCall(MAIL.replace("a@example.com", recipient)) });
  const accepted = () =>
    gateway.said("submission.accepted").map(({ recipients }) => (recipients as string[])[0]);
  // The first is not answered before the upstream has it.
  upstream.play("held-reply");
  const struck = upstream.struck();
  const [ahead, beside] = [await dial(port), await dial(port)];
  ahead.send(to("first@example.com") + to("second@example.com"));
  await struck;
  beside.send(to("beside@example.com"));
  await gateway.logged("submission.accepted", 2);
  expect(accepted()).toEqual(["first@example.com", "beside@example.com"]);
  upstream.play("accept");
  upstream.release();
  await gateway.logged("submission.accepted", 3);
  expect(accepted()[2]).toBe("second@example.com");
  await ahead.heard(/(?:MessageId.*){2}/s);
});

test("more requests ahead than anybody needs end the connection", async ({ site }) => {
  const wire = await dial(site.port);
  wire.send(
    wireOf(site.port, { body: rawCall(MAIL) }) +
      wireOf(site.port, { method: "GET", path: ACCOUNT }).repeat(100),
  );
  expect((await wire.ended).match(/"SendQuota"/g)?.length ?? 0).toBeLessThan(100);
  expect((await ask(site.port, { method: "GET", path: ACCOUNT })).status).toBe(200);
});
