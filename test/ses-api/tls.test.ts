// TLS of the API of SES: the certificates of the SMTP listeners, also when they change.

import { once } from "node:events";
import { copyFileSync, mkdirSync } from "node:fs";
import { connect } from "node:tls";
import { expect } from "vitest";
import { writeCertificate } from "../support/short-certificate.ts";
import { ask, openSite, rawCall, SEND, test } from "./place.ts";

/** The days for which the server's certificate is valid. */
async function daysAt(port: number): Promise<number> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { valid_from: from, valid_to: to } = socket.getPeerCertificate();
  socket.destroy();
  return Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000);
}

test("a new certificate is in force, and a listener without TLS goes on beside it", async ({ place }) => {
  const files = writeCertificate(place.folder, 90);
  if (files === undefined) throw new Error("openssl is not installed");
  const settings = { TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key };
  const listener = '[[listeners]]\nprotocol = "ses-api"\nport = 0\ntls = "implicit"\n';
  const { gateway, ports, port } = await openSite(place, settings, listener);
  expect(await daysAt(ports[2] as number)).toBe(90);

  const folder = `${place.folder}/next`;
  mkdirSync(folder);
  const next = writeCertificate(folder, 45);
  if (next === undefined) throw new Error("openssl is not installed");
  copyFileSync(next.key, files.key);
  copyFileSync(next.cert, files.cert);
  gateway.signal("SIGHUP");
  await gateway.logged("tls.reloaded");
  expect(await daysAt(ports[2] as number)).toBe(45);
  const mail = "From: app@sender.example\r\nTo: a@example.com\r\nSubject: News\r\n\r\nHello.\r\n";
  expect((await ask(port, { path: SEND, body: rawCall(mail) })).status).toBe(200);
});
