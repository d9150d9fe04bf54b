// A connection gives its place back when it ends, however it was secured: connections one after the other never fill a gateway
// that has room for a few.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { expect } from "vitest";
import { openDoors, PASSWORDS, token, underTls, writeFiles, writeUsers } from "../support/doors.ts";
import { test } from "../support/place.ts";
import { connectSmtp, expectCode, type SmtpClient, taskMail } from "../support/smtp-client.ts";

const PLACES = 3;

test("after STARTTLS, under implicit TLS and without TLS", async ({ place }) => {
  const users = join(place.folder, "users-made-once");
  await writeUsers(users, PASSWORDS);
  const files = writeFiles(place, users, `[smtp]\nconnections_max = ${PLACES}\n`);
  const { submission, implicit, plain } = await openDoors(place, files);

  /** Who has submitted is never sent away for another, so each of them keeps its place until it ends. */
  const mailAndEnd = async (client: SmtpClient): Promise<void> => {
    expectCode(await client.command(`AUTH PLAIN ${token("shop", PASSWORDS.shop)}`), "235");
    expectCode(await client.submit({ to: ["a@example.net"], content: taskMail(randomUUID()) }), "250");
    const closed = once(client.socket, "close");
    await client.quit();
    await closed;
  };
  for (let count = 0; count < 3 * PLACES; count++) await mailAndEnd(await underTls(submission, "starttls"));
  for (let count = 0; count < 3 * PLACES; count++) await mailAndEnd(await underTls(implicit, "implicit"));
  for (let count = 0; count < 3 * PLACES; count++) {
    const client = await connectSmtp(plain);
    const closed = once(client.socket, "close");
    await client.quit();
    await closed;
  }

  const open = await Promise.all(Array.from({ length: PLACES }, () => underTls(submission, "starttls")));
  for (const client of open) expect(await client.command("NOOP")).toMatch(/^250/);
  for (const client of open) client.destroy();
});
