// Who may submit, over the built process: passwords under STARTTLS and implicit TLS from the clients that
// people use, client certificates, certificates and users that change, and tenants that never meet.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { describe, expect } from "vitest";
import {
  certificate,
  openDoors,
  PASSWORDS,
  token,
  trust,
  underTls,
  writeFiles,
  writeUsers,
} from "../support/doors.ts";
import { LOGIN_CLIENTS } from "../support/login-clients.ts";
import { readMaildir, valuesOf } from "../support/maildir.ts";
import { test as testWithPlace } from "../support/place.ts";
import { type LogLine, run } from "../support/process.ts";
import { connectSmtp, openSmtp, type SmtpClient, taskMail } from "../support/smtp-client.ts";

/**
 * Passwords are hashed once for the file, and one gateway serves each test that changes nothing about it. Tests run
 * beside each other, since wrong passwords are answered late; each has clients of its own addresses, for which the
 * failures count, or recipients and tasks of its own.
 */
const test = testWithPlace
  .extend("usersFile", { scope: "file" }, async ({ shared }) => {
    const file = join(shared.folder, "users-made-once");
    await writeUsers(file, PASSWORDS);
    return file;
  })
  .extend("doors", { scope: "file" }, ({ shared, usersFile }) =>
    openDoors(shared, writeFiles(shared, usersFile, "auth_failures_max = 100\n")),
  )
  .extend("files", ({ place, usersFile }) => writeFiles(place, usersFile));

describe("clients that people use", () => {
  test.concurrent.for(LOGIN_CLIENTS)(
    "%s authenticates over STARTTLS and implicit TLS, and with nothing else",
    async ([name, submit], { doors: { gateway, submission, implicit, plain } }) => {
      // An address for each that will be refused: the failures of one are answered later each time.
      const host = 1 + LOGIN_CLIENTS.findIndex(([one]) => one === name);
      const [from, other] = [`127.0.2.${host}`, `127.0.3.${host}`];
      const task = randomUUID();
      const right = { user: "shop", password: PASSWORDS.shop, from };
      const isOfTask = (line: LogLine): boolean => String(line.task).startsWith(task);
      const accepted = () => gateway.said("submission.accepted", isOfTask).map(({ user }) => user);
      const [starttls, tls] = await Promise.all([
        submit({ ...right, how: "starttls", port: submission, task: `${task}-1` }),
        submit({ ...right, how: "implicit", port: implicit, task: `${task}-2` }),
      ]);
      expect(starttls).toContain("sent");
      expect(tls).toContain("sent");
      await gateway.logged("submission.accepted", 2, isOfTask);
      expect(accepted()).toEqual(["shop", "shop"]);
      const refused = await Promise.all([
        submit({ ...right, password: "wrong", how: "starttls", port: submission, task: `${task}-3` }),
        submit({ ...right, user: "nobody", from: other, how: "implicit", port: implicit, task: `${task}-4` }),
        submit({ ...right, how: "plain", port: plain, task: `${task}-5` }),
      ]);
      for (const said of refused) expect(said).not.toContain("sent");
      expect(accepted()).toHaveLength(2);
    },
  );
});

describe("passwords", () => {
  test.concurrent("AUTH is offered and taken under TLS only", async ({ doors: { plain, submission } }) => {
    const open = await openSmtp(plain);
    await open.reply();
    expect(await open.command("EHLO client.example")).not.toContain("AUTH");
    expect(await open.command(`AUTH PLAIN ${token("shop", PASSWORDS.shop)}`)).toMatch(/^538 5\.7\.11 /);
    expect(await open.command("MAIL FROM:<a@sender.example>")).toMatch(/^530 5\.7\.0 authentication/);
    open.destroy();
    const required = await connectSmtp(submission);
    expect(await required.command("MAIL FROM:<a@sender.example>")).toMatch(
      /^530 5\.7\.0 must issue a STARTTLS/,
    );
    required.destroy();
    const secured = await underTls(plain, "starttls");
    expect(await secured.command("EHLO again.example")).toContain("AUTH PLAIN LOGIN");
    expect(await secured.command("AUTH LOGIN")).toMatch(/^334 /);
    expect(await secured.command(Buffer.from("shop").toString("base64"))).toMatch(/^334 /);
    expect(await secured.command(Buffer.from(PASSWORDS.shop).toString("base64"))).toMatch(/^235 /);
    expect(await secured.submit({ to: ["b@example.net"], content: taskMail(randomUUID()) })).toMatch(/^250 /);
    secured.destroy();
  });

  test.concurrent("TLS 1.1 and ciphers without forward secrecy are refused", async ({
    doors: { implicit },
  }) => {
    const weak = [
      { maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" },
      { maxVersion: "TLSv1.2", ciphers: "AES128-SHA:AES256-GCM-SHA384" },
    ] as const;
    for (const options of weak) {
      const socket = connectTls({ port: implicit, host: "127.0.0.1", rejectUnauthorized: false, ...options });
      await expect(once(socket, "secureConnect")).rejects.toThrow();
    }
  });

  test.concurrent("what was pipelined in plain text behind STARTTLS is not heard under TLS", async ({
    doors: { plain },
  }) => {
    const client = await connectSmtp(plain);
    client.write("STARTTLS\r\nMAIL FROM:<smuggled@sender.example>\r\n");
    expect(await client.reply()).toMatch(/^554 5\.5\.0 /);
    client.destroy();
  });

  test.concurrent("a user who is removed can't go on, and one who is added can begin, without a restart", async ({
    place,
    files,
  }) => {
    const { gateway, implicit } = await openDoors(place, files);
    const file = files.users;
    const client = await underTls(implicit, "implicit");
    expect(await client.command(`AUTH PLAIN ${token("till", PASSWORDS.till)}`)).toMatch(/^235 /);
    expect(await client.submit({ to: ["b@example.net"], content: taskMail(randomUUID()) })).toMatch(/^250 /);
    expect((await run(["user", "remove", "till", "--file", file])).code).toBe(0);
    await gateway.logged("users.reloaded");
    expect(await client.command("MAIL FROM:<a@sender.example>")).toMatch(/^530 5\.7\.0 /);
    client.destroy();
    const again = await underTls(implicit, "implicit");
    expect(await again.command(`AUTH PLAIN ${token("till", PASSWORDS.till)}`)).toMatch(/^535 5\.7\.8 /);
    again.destroy();
    await writeUsers(file, { fresh: "a new password" });
    gateway.signal("SIGHUP");
    await gateway.logged("users.reloaded", 2);
    const fresh = await underTls(implicit, "implicit");
    expect(await fresh.command(`AUTH PLAIN ${token("fresh", "a new password")}`)).toMatch(/^235 /);
    fresh.destroy();
  });

  test.concurrent("an identity to act for is refused unless it is the user's own", async ({
    doors: { gateway, implicit },
  }) => {
    const plain = (authzid: string) => Buffer.from(`${authzid}\0till\0${PASSWORDS.till}`).toString("base64");
    for (const [authzid, reply] of [
      ["shop", /^535 5\.7\.8 /],
      ["till", /^235 /],
      ["", /^235 /],
    ] as const) {
      const client = await underTls(implicit, "implicit", { from: "127.0.2.9" });
      expect(await client.command(`AUTH PLAIN ${plain(authzid)}`)).toMatch(reply);
      client.destroy();
    }
    await gateway.logged("auth.foreign_identity");
  });

  test.concurrent("guessing blocks the address, and nobody else", async ({ place, usersFile }) => {
    const settings = 'auth_failures_max = 2\ntrusted_networks = ["127.0.0.1"]\n';
    const { gateway, implicit } = await openDoors(place, writeFiles(place, usersFile, settings));
    const from = (address: string) => underTls(implicit, "implicit", { from: address });
    const guesser = await from("127.0.1.1");
    expect(await guesser.command(`AUTH PLAIN ${token("shop", "guess")}`)).toMatch(/^535 /);
    expect(await guesser.command(`AUTH PLAIN ${token("shop", "guess again")}`)).toMatch(/^535 |^454 /);
    await gateway.logged("auth.blocked");
    guesser.destroy();
    const socket = connectTls({
      ...trust,
      socket: connectTcp({ port: implicit, host: "127.0.0.1", localAddress: "127.0.1.1" }),
    });
    await expect(once(socket, "secureConnect")).rejects.toThrow();
    const other = await from("127.0.1.2");
    expect(await other.command(`AUTH PLAIN ${token("shop", PASSWORDS.shop)}`)).toMatch(/^235 /);
    other.destroy();
  });
});

describe("certificates", () => {
  test.concurrent.for(["starttls", "implicit"] as const)("of clients, over %s", async (how, { doors }) => {
    const { gateway, ...ports } = doors;
    const port = how === "implicit" ? ports.implicit : ports.submission;
    const task = randomUUID();
    const client = await underTls(port, how, certificate("client"));
    expect(await client.submit({ to: ["b@example.net"], content: taskMail(task) })).toMatch(/^250 /);
    const isOfTask = (line: LogLine): boolean => line.task === task;
    await gateway.logged("submission.accepted", 1, isOfTask);
    const accepted = gateway.said("submission.accepted", isOfTask);
    expect(accepted.map(({ user }) => user)).toEqual(["app"]);
    client.destroy();
    for (const name of ["client-revoked", "client-other"]) {
      const refused = await underTls(port, how, certificate(name));
      expect(await refused.command("MAIL FROM:<a@sender.example>"), name).toMatch(/^530 5\.7\.0 /);
      refused.destroy();
    }
  });

  test.concurrent("of the server, renewed without ending a session", async ({ place, files }) => {
    const { gateway, implicit } = await openDoors(place, files);
    const { folder } = place;
    const serial = (client: SmtpClient) => (client.socket as TLSSocket).getPeerCertificate().serialNumber;
    const before = await underTls(implicit, "implicit", certificate("client"));
    for (const suffix of [".pem", "-key.pem"]) {
      renameSync(join(folder, `server-renewed${suffix}`), join(folder, `server${suffix}`));
    }
    gateway.signal("SIGHUP");
    await gateway.logged("tls.reloaded");
    const after = await underTls(implicit, "implicit", certificate("client"));
    expect(serial(after)).not.toBe(serial(before));
    for (const client of [before, after]) {
      expect(await client.submit({ to: ["b@example.net"], content: taskMail(randomUUID()) })).toMatch(
        /^250 /,
      );
      client.destroy();
    }
    // A bad one changes nothing.
    writeFileSync(join(folder, "server.pem"), "no certificate");
    gateway.signal("SIGHUP");
    await gateway.logged("tls.reload_failed");
    (await underTls(implicit, "implicit", certificate("client"))).destroy();
  });
});

test.concurrent("two tenants with the same task ids and recipients: both are mailed", async ({
  shared,
  doors,
}) => {
  const { gateway, implicit } = doors;
  const task = randomUUID();
  const to = `${randomUUID()}@example.net`;
  const isOfTask = (line: LogLine) => line.task === task;
  const replies: string[] = [];
  for (const user of ["shop", "till", "shop"] as const) {
    const client = await underTls(implicit, "implicit");
    await client.command(`AUTH PLAIN ${token(user, PASSWORDS[user])}`);
    replies.push(await client.submit({ to: [to], content: taskMail(task) }));
    client.destroy();
  }
  expect(replies.map((reply) => reply.split(" ")[2])).toEqual(["queued", "queued", "repeat"]);
  await gateway.logged("transmission.relayed", 2, isOfTask);
  const delivered = valuesOf(readMaildir(shared.outbox), "Delivered-To");
  expect(delivered.filter((one) => one === to)).toHaveLength(2);
  const ids = gateway.said("transmission.relayed", isOfTask).map(({ messageId }) => messageId);
  for (const [index, user] of ["shop", "till"].entries()) {
    const { stdout } = await run([
      ...["id", "--task", task, "--to", to, "--from", "app@sender.example", "--user", user],
      ...["--config", join(shared.folder, "mailonce.toml")],
    ]);
    expect(stdout.trim()).toBe(ids[index]);
  }
});

test.concurrent("a users file or a certificate that is wrong refuses the start, all faults at once", async ({
  place,
  files,
}) => {
  writeFileSync(files.users, "no line of a users file\n");
  writeFileSync(join(place.folder, "server.pem"), "no certificate");
  for (const command of ["check-config", "serve"]) {
    const { code, stderr } = await run([command, "--config", files.config]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/access\.users_file: .*users.*1/);
    expect(stderr).toMatch(/tls: .*server\.pem/);
  }
});
