// Who may submit, over the built process: passwords under STARTTLS and implicit TLS from the clients that
// people use, client certificates, certificates and users that change, and tenants that never meet.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmodSync, copyFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { createTransport } from "nodemailer";
import { afterEach, describe, expect, test } from "vitest";
import { readMaildir } from "../support/maildir.ts";
import { findProgram, runClient } from "../support/peers.ts";
import { type GatewayProcess, makeFolder, run, startProcess } from "../support/process.ts";
import { connectSmtp, openSmtp, type SmtpClient, taskMail } from "../support/smtp-client.ts";

const swaks = findProgram("swaks");
const python = findProgram("python3");
const openssl = findProgram("openssl");

const fixture = (name: string): string => new URL(`../../fixtures/tls/${name}`, import.meta.url).pathname;
const read = (name: string): string => readFileSync(fixture(name), "utf8");
const ca = read("ca.pem");

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Place {
  readonly folder: string;
  readonly gateway: GatewayProcess;
  /** Offers STARTTLS and demands it. */
  readonly submission: number;
  /** TLS from the first octet. */
  readonly implicit: number;
  /** Plain, STARTTLS offered, everybody authenticates. */
  readonly plain: number;
}

const PASSWORDS = { shop: "correct horse", till: "battery staple" };

async function writeUsers(file: string, users: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, password] of Object.entries(users)) {
    const { code, output } = await runClient(
      process.execPath,
      ["dist/main.js", "user", "add", name, "--file", file, "--replace"],
      `${password}\n`,
    );
    if (code !== 0) throw new Error(output);
  }
}

async function start(more = ""): Promise<Place> {
  const { path: folder, remove } = makeFolder();
  cleanups.push(remove);
  for (const name of ["server", "server-renewed"]) {
    copyFileSync(fixture(`${name}.pem`), join(folder, `${name}.pem`));
    copyFileSync(fixture(`${name}-key.pem`), join(folder, `${name}-key.pem`));
    chmodSync(join(folder, `${name}-key.pem`), 0o600);
  }
  const users = join(folder, "users");
  await writeUsers(users, PASSWORDS);
  const config = join(folder, "mailonce.toml");
  writeFileSync(
    config,
    `data_dir = "${folder}/data"
[[listeners]]
port = 0
tls = "required"
auth = "everyone"
[[listeners]]
port = 0
tls = "implicit"
auth = "everyone"
[[listeners]]
port = 0
tls = "opportunistic"
auth = "everyone"
[tls]
cert_file = "${folder}/server.pem"
key_file = "${folder}/server-key.pem"
client_ca_file = "${fixture("ca.pem")}"
client_crl_file = "${fixture("crl.pem")}"
[access]
users_file = "${users}"
${more}`,
    { mode: 0o600 },
  );
  const gateway = await startProcess({ CONFIG: config });
  cleanups.push(() => gateway.stop());
  const [listening] = gateway.lines.filter(({ event }) => event === "gateway.listening");
  const addresses = listening?.listeners as string[];
  const [submission, implicit, plain] = addresses.map((address) => Number(address.split(":").at(-1))) as [
    number,
    number,
    number,
  ];
  return { folder, gateway, submission, implicit, plain };
}

const acceptedBy = ({ lines }: GatewayProcess): unknown[] =>
  lines.filter(({ event }) => event === "submission.accepted").map(({ user }) => user);

/** A client on a connection under TLS, after EHLO. */
async function underTls(port: number, how: "implicit" | "starttls", options = {}): Promise<SmtpClient> {
  const tls = { ca, host: "127.0.0.1", servername: "localhost", ...options };
  if (how === "implicit") {
    const socket = connectTls({ port, ...tls });
    const secured = once(socket, "secureConnect");
    const client = await openSmtp(port, { socket });
    await secured;
    expect(await client.reply()).toMatch(/^220 /);
    await client.command("EHLO client.example");
    return client;
  }
  const plain = await connectSmtp(port);
  expect(await plain.command("STARTTLS")).toMatch(/^220 /);
  plain.socket.removeAllListeners();
  const socket = connectTls({ socket: plain.socket, ...tls });
  const secured = once(socket, "secureConnect");
  const client = await openSmtp(port, { socket });
  await secured;
  await client.command("EHLO client.example");
  return client;
}

const token = (user: string, password: string): string =>
  Buffer.from(`\0${user}\0${password}`).toString("base64");

describe("clients that people use", () => {
  const SMTPLIB = `
import smtplib, ssl, sys
how, port, user, password = sys.argv[1:5]
context = ssl.create_default_context(cafile=sys.argv[5])
try:
    if how == "implicit": smtp = smtplib.SMTP_SSL("localhost", int(port), context=context)
    else: smtp = smtplib.SMTP("localhost", int(port))
    if how == "starttls": smtp.starttls(context=context)
    smtp.ehlo()
    smtp.login(user, password)
    smtp.sendmail("a@sender.example", ["b@example.net"], "Subject: smtplib\\r\\n\\r\\nHello\\r\\n")
    print("sent")
except smtplib.SMTPException as error:
    print(type(error).__name__, error)
`;
  const clients: Record<
    string,
    (how: string, port: number, user: string, password: string) => Promise<string>
  > = {
    "Python's smtplib": async (how, port, user, password) =>
      (await runClient(python ?? "", ["-c", SMTPLIB, how, String(port), user, password, fixture("ca.pem")]))
        .output,
    nodemailer: async (how, port, user, password) => {
      const transport = createTransport({
        ...{ host: "localhost", port, secure: how === "implicit", requireTLS: how === "starttls" },
        ...{ ignoreTLS: how === "plain", auth: { user, pass: password }, tls: { ca } },
      });
      try {
        await transport.sendMail({ from: "a@sender.example", to: "b@example.net", text: "Hello" });
        return "sent";
      } catch (error) {
        return String(error);
      } finally {
        transport.close();
      }
    },
    swaks: async (how, port, user, password) => {
      const { code, output } = await runClient(swaks ?? "", [
        ...[
          "--server",
          "127.0.0.1",
          "--port",
          String(port),
          "--from",
          "a@sender.example",
          "--to",
          "b@example.net",
        ],
        ...["--auth", "PLAIN", "--auth-user", user, "--auth-password", password],
        ...(how === "implicit" ? ["--tls-on-connect"] : how === "starttls" ? ["--tls"] : []),
      ]);
      return code === 0 ? "sent" : output;
    },
    "openssl s_client": async (how, port, user, password) => {
      const lines = [
        ...["EHLO client.example", `AUTH PLAIN ${token(user, password)}`, "MAIL FROM:<a@sender.example>"],
        ...["RCPT TO:<b@example.net>", "DATA", "Subject: openssl\r\n\r\nHello\r\n.", "QUIT"],
      ];
      if (how === "plain") return "plain text is not what it speaks";
      const { output } = await converse(
        openssl ?? "",
        [
          ...[
            "s_client",
            "-quiet",
            "-crlf",
            "-ign_eof",
            "-CAfile",
            fixture("ca.pem"),
            "-verify_return_error",
          ],
          ...["-connect", `127.0.0.1:${port}`, ...(how === "starttls" ? ["-starttls", "smtp"] : [])],
        ],
        lines,
      );
      return /^250 2\.0\.0 queued/m.test(output) ? "sent" : output;
    },
  };

  const present = { "Python's smtplib": python, nodemailer: "here", swaks, "openssl s_client": openssl };
  test.each(Object.keys(clients).filter((name) => present[name as keyof typeof present] !== undefined))(
    "%s authenticates over STARTTLS and implicit TLS, and with nothing else",
    async (name) => {
      const place = await start("auth_failures_max = 100\n");
      const submit = clients[name] as (typeof clients)[string];
      const { shop } = PASSWORDS;
      expect(await submit("starttls", place.submission, "shop", shop)).toContain("sent");
      expect(await submit("implicit", place.implicit, "shop", shop)).toContain("sent");
      expect(acceptedBy(place.gateway)).toEqual(["shop", "shop"]);
      expect(await submit("starttls", place.submission, "shop", "wrong")).not.toContain("sent");
      expect(await submit("implicit", place.implicit, "nobody", shop)).not.toContain("sent");
      expect(await submit("plain", place.plain, "shop", shop)).not.toContain("sent");
      expect(acceptedBy(place.gateway)).toHaveLength(2);
    },
  );
});

/** Says a line after each reply, as a person at a terminal. */
async function converse(program: string, args: readonly string[], lines: readonly string[]) {
  const { spawn } = await import("node:child_process");
  const child = spawn(program, args);
  let output = "";
  let said = 0;
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    output += text;
    // The last line of a reply: three digits and a space. STARTTLS swallows the greeting.
    const replies = output.match(/^\d{3} .*$/gm)?.length ?? 0;
    const next = lines[said];
    if (next !== undefined && replies > said) {
      said++;
      child.stdin.write(`${next}\n`);
    }
  });
  child.stderr.setEncoding("latin1").on("data", (text: string) => {
    output += text;
  });
  // After -starttls there is a "250" of s_client's own EHLO, or nothing: a first line breaks the silence.
  if (args.includes("-starttls") && said === 0) {
    const begin = setTimeout(() => {
      if (said === 0) child.stdin.write(`${lines[said++]}\n`);
    }, 1_000);
    child.once("close", () => clearTimeout(begin));
  }
  await once(child, "close");
  return { output };
}

describe("passwords", () => {
  test("AUTH is offered and taken under TLS only", async () => {
    const { plain, submission } = await start();
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

  test("TLS 1.1 and ciphers without forward secrecy are refused", async () => {
    const { implicit } = await start();
    const weak = [
      { maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" },
      { maxVersion: "TLSv1.2", ciphers: "AES128-SHA:AES256-GCM-SHA384" },
    ] as const;
    for (const options of weak) {
      const socket = connectTls({ port: implicit, host: "127.0.0.1", rejectUnauthorized: false, ...options });
      await expect(once(socket, "secureConnect")).rejects.toThrow();
    }
  });

  test("what was pipelined in plain text behind STARTTLS is not heard under TLS", async () => {
    const { plain } = await start();
    const client = await connectSmtp(plain);
    client.write("STARTTLS\r\nMAIL FROM:<smuggled@sender.example>\r\n");
    expect(await client.reply()).toMatch(/^554 5\.5\.0 /);
    client.destroy();
  });

  test("a user who is removed can't go on, and one who is added can begin, without a restart", async () => {
    const { folder, gateway, implicit } = await start();
    const file = join(folder, "users");
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

  test("an identity to act for is refused unless it is the user's own", async () => {
    const { gateway, implicit } = await start();
    const plain = (authzid: string) => Buffer.from(`${authzid}\0till\0${PASSWORDS.till}`).toString("base64");
    for (const [authzid, reply] of [
      ["shop", /^535 5\.7\.8 /],
      ["till", /^235 /],
      ["", /^235 /],
    ] as const) {
      const client = await underTls(implicit, "implicit");
      expect(await client.command(`AUTH PLAIN ${plain(authzid)}`)).toMatch(reply);
      client.destroy();
    }
    await gateway.logged("auth.foreign_identity");
  });

  test("guessing blocks the address, and nobody else", async () => {
    const { gateway, implicit } = await start('auth_failures_max = 2\ntrusted_networks = ["127.0.0.1"]\n');
    const from = (address: string) =>
      underTls(implicit, "implicit", {
        socket: connectTcp({ port: implicit, host: "127.0.0.1", localAddress: address }),
      });
    const guesser = await from("127.0.1.1");
    expect(await guesser.command(`AUTH PLAIN ${token("shop", "guess")}`)).toMatch(/^535 /);
    expect(await guesser.command(`AUTH PLAIN ${token("shop", "guess again")}`)).toMatch(/^535 |^454 /);
    await gateway.logged("auth.blocked");
    guesser.destroy();
    const socket = connectTls({
      ca,
      servername: "localhost",
      socket: connectTcp({ port: implicit, host: "127.0.0.1", localAddress: "127.0.1.1" }),
    });
    await expect(once(socket, "secureConnect")).rejects.toThrow();
    const other = await from("127.0.1.2");
    expect(await other.command(`AUTH PLAIN ${token("shop", PASSWORDS.shop)}`)).toMatch(/^235 /);
    other.destroy();
  });
});

describe("certificates", () => {
  const certificate = (name: string) => ({ cert: read(`${name}.pem`), key: read(`${name}-key.pem`) });

  test.each(["starttls", "implicit"] as const)("of clients, over %s", async (how) => {
    const place = await start();
    const port = how === "implicit" ? place.implicit : place.submission;
    const client = await underTls(port, how, certificate("client"));
    expect(await client.submit({ to: ["b@example.net"], content: taskMail(randomUUID()) })).toMatch(/^250 /);
    expect(acceptedBy(place.gateway)).toEqual(["app"]);
    client.destroy();
    for (const name of ["client-revoked", "client-other"]) {
      const refused = await underTls(port, how, certificate(name));
      expect(await refused.command("MAIL FROM:<a@sender.example>"), name).toMatch(/^530 5\.7\.0 /);
      refused.destroy();
    }
  });

  test("of the server, renewed without ending a session", async () => {
    const { folder, gateway, implicit } = await start();
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

test("two tenants with the same task ids and recipients: both are mailed", async () => {
  const { folder, gateway, implicit } = await start();
  const task = randomUUID();
  const replies: string[] = [];
  for (const user of ["shop", "till", "shop"] as const) {
    const client = await underTls(implicit, "implicit");
    await client.command(`AUTH PLAIN ${token(user, PASSWORDS[user])}`);
    replies.push(await client.submit({ to: ["b@example.net"], content: taskMail(task) }));
    client.destroy();
  }
  expect(replies.map((reply) => reply.split(" ")[2])).toEqual(["queued", "queued", "repeat"]);
  await gateway.logged("transmission.relayed", 2);
  expect(readMaildir(join(folder, "data/outbox"))).toHaveLength(2);
  const ids = gateway.lines
    .filter(({ event }) => event === "transmission.relayed")
    .map(({ messageId }) => messageId);
  for (const [index, user] of ["shop", "till"].entries()) {
    const { stdout } = await run([
      ...["id", "--task", task, "--to", "b@example.net", "--from", "app@sender.example", "--user", user],
      ...["--config", join(folder, "mailonce.toml")],
    ]);
    expect(stdout.trim()).toBe(ids[index]);
  }
});

test("a users file or a certificate that is wrong refuses the start, all faults at once", async () => {
  const { folder } = await start();
  writeFileSync(join(folder, "users"), "no line of a users file\n");
  writeFileSync(join(folder, "server.pem"), "no certificate");
  for (const command of ["check-config", "serve"]) {
    const { code, stderr } = await run([command, "--config", join(folder, "mailonce.toml")]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/access\.users_file: .*users.*1/);
    expect(stderr).toMatch(/tls: .*server\.pem/);
  }
});
