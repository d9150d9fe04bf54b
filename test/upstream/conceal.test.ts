// A server that repeats our credentials: what it says is quoted without them.

import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { createConceal } from "../../src/upstream/smtp/conceal.ts";
import { outcomeOf } from "../../src/upstream/smtp/outcome.ts";
import { createSmtpUpstream } from "../../src/upstream/smtp/smtp.ts";
import { neverAborted, transmissionOf } from "../support/transmission.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

test("a password of any text, in each form that AUTH gives it", () => {
  const word = fc.string({ minLength: 6, maxLength: 40 });
  fc.assert(
    fc.property(word, word, (username, password) => {
      const conceal = createConceal(username, password);
      for (const form of [password, base64(password), base64(`\0${username}\0${password}`)]) {
        const said = conceal(`535 5.7.8 wrong: ${form}.`);
        expect(said).not.toContain(form.replace(/=+$/, ""));
        expect(said).toMatch(/^535 5\.7\.8 wrong: \(concealed\)=*\.$/);
      }
    }),
  );
});

test("a password that looks like a reply changes no verdict", () => {
  const exchange = { step: "transaction", progress: "complete", reply: "250 ok 250", problem: "" } as const;
  expect(outcomeOf(exchange, createConceal("u", "250"))).toMatchObject({ kind: "accepted" });
});

test("the reply to AUTH", async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.write("220 echo\r\n");
    socket.setEncoding("utf8").on("data", (line: string) => {
      if (line.startsWith("EHLO")) socket.write("250-echo\r\n250 AUTH PLAIN\r\n");
      else if (line.startsWith("AUTH")) {
        const given = line.trim().split(" ")[2] ?? "";
        const decoded = Buffer.from(given, "base64").toString().replaceAll("\0", " ");
        socket.write(`535 5.7.8 not ${given} nor ${decoded}\r\n`);
      } else socket.end("221 bye\r\n");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const upstream = createSmtpUpstream({
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    tls: "none",
    hostname: "gateway.example",
    username: "relay",
    password: "kanarie-password",
  });
  const outcome = await upstream.transmit(transmissionOf(), neverAborted);
  await upstream.close();
  expect(outcome).toEqual({
    kind: "down",
    reply: "535 5.7.8 not (concealed)= nor  relay (concealed)",
    retryAfterMs: 60_000,
  });
});
