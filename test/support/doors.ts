// A gateway with three doors, for users with passwords and clients with certificates; and a client that comes in.
import { once } from "node:events";
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { join, resolve } from "node:path";
import { connect as connectTls } from "node:tls";
import { runClient } from "./peers.ts";
import type { Place } from "./place.ts";
import type { GatewayProcess } from "./process.ts";
import { connectSmtp, expectCode, openSmtp, type SmtpClient } from "./smtp-client.ts";

/** From the package's folder, where npm runs everything; these sources may have been compiled elsewhere. */
const fixture = (name: string): string => resolve("fixtures/tls", name);

/** The authority of all certificates. */
export const AUTHORITY = fixture("ca.pem");
/** For a client under TLS. */
export const trust = { ca: readFileSync(AUTHORITY, "utf8"), servername: "localhost" };

/** Of a client or a server, by its name in fixtures/tls. */
export const certificate = (name: string): { cert: string; key: string } => ({
  cert: readFileSync(fixture(`${name}.pem`), "utf8"),
  key: readFileSync(fixture(`${name}-key.pem`), "utf8"),
});

export interface Doors {
  readonly gateway: GatewayProcess;
  /** Offers STARTTLS and demands it. */
  readonly submission: number;
  /** TLS from the first octet. */
  readonly implicit: number;
  /** Plain, STARTTLS offered, everybody authenticates. */
  readonly plain: number;
}

export const PASSWORDS = { shop: "correct horse", till: "battery staple" };

/** By the command, which hashes each password. */
export async function writeUsers(file: string, users: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, password] of Object.entries(users)) {
    const { code, output } = await runClient(
      process.execPath,
      ["dist/main.js", "user", "add", name, "--file", file, "--replace"],
      `${password}\n`,
    );
    if (code !== 0) throw new Error(output);
  }
}

export interface Files {
  readonly config: string;
  readonly users: string;
}

/** What a gateway with three doors needs, in the place's folder. */
export function writeFiles({ folder, data }: Place, usersFile: string, more = ""): Files {
  for (const name of ["server", "server-renewed"]) {
    copyFileSync(fixture(`${name}.pem`), join(folder, `${name}.pem`));
    copyFileSync(fixture(`${name}-key.pem`), join(folder, `${name}-key.pem`));
    chmodSync(join(folder, `${name}-key.pem`), 0o600);
  }
  const users = join(folder, "users");
  copyFileSync(usersFile, users);
  chmodSync(users, 0o600);
  const config = join(folder, "mailonce.toml");
  writeFileSync(
    config,
    `data_dir = "${data}"
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
client_ca_file = "${AUTHORITY}"
client_crl_file = "${fixture("crl.pem")}"
[access]
users_file = "${users}"
${more}`,
    { mode: 0o600 },
  );
  return { config, users };
}

export async function openDoors(place: Place, { config }: Files): Promise<Doors> {
  const gateway = await place.start({ CONFIG: config });
  const [listening] = gateway.said("gateway.listening");
  const addresses = listening?.listeners as string[];
  const [submission, implicit, plain] = addresses.map((address) => Number(address.split(":").at(-1))) as [
    number,
    number,
    number,
  ];
  return { gateway, submission, implicit, plain };
}

/** A client on a connection under TLS, after EHLO. */
export async function underTls(
  port: number,
  how: "implicit" | "starttls",
  { from = "127.0.0.1", ...own }: { from?: string; cert?: string; key?: string } = {},
): Promise<SmtpClient> {
  const tls = { ...trust, ...own };
  if (how === "implicit") {
    const plain = connectTcp({ port, host: "127.0.0.1", localAddress: from });
    const socket = connectTls({ socket: plain, ...tls });
    const secured = once(socket, "secureConnect");
    const client = await openSmtp(port, { socket });
    await secured;
    expectCode(await client.reply(), "220");
    await client.command("EHLO client.example");
    return client;
  }
  const plain = await connectSmtp(port, { from });
  expectCode(await plain.command("STARTTLS"), "220");
  plain.socket.removeAllListeners();
  const socket = connectTls({ socket: plain.socket, ...tls });
  const secured = once(socket, "secureConnect");
  const client = await openSmtp(port, { socket });
  await secured;
  await client.command("EHLO client.example");
  return client;
}

/** As AUTH PLAIN wants it. */
export const token = (user: string, password: string): string =>
  Buffer.from(`\0${user}\0${password}`).toString("base64");
