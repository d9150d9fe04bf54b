// Programs that others wrote, as clients and as upstreams. Where one is not installed its test is skipped
// and says so; CI has them all, and fails without.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  watch,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

const FOLDERS = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];

/** The path of a program, or undefined when it is missing; in CI nothing may be missing. */
export function findProgram(name: string): string | undefined {
  for (const folder of FOLDERS) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Not in this folder.
    }
  }
  if (process.env.CI !== undefined) throw new Error(`${name} is not installed`);
  return undefined;
}

/** Ports that no system gives out by itself, to a connection or to a server that asks for any port. */
const NEVER_GIVEN_OUT = { first: 20_000, last: 31_999 };

/**
 * A port of 127.0.0.1 that was free a moment ago. It stays free until it is used: what other tests open in the
 * meantime gets its ports from the system, and the system has none of these to give.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const { first, last } = NEVER_GIVEN_OUT;
    const port = randomInt(first, last + 1);
    const server = createServer().listen(port, "127.0.0.1");
    const free = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

/** Resolves when something accepts connections on the port and greets. */
export async function greets(port: number): Promise<void> {
  const { connect } = await import("node:net");
  for (let tries = 0; tries < 500; tries++) {
    const socket = connect(port, "127.0.0.1");
    const greeted = await new Promise<boolean>((resolve) => {
      socket.once("data", () => resolve(true));
      socket.once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
    });
    socket.destroy();
    if (greeted) return;
    // Nothing tells when another's program listens: asking again is the only event there is.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`nothing greets on port ${port}`);
}

export interface Result {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a client to its end; standard output and error together. */
export async function runClient(
  program: string,
  args: readonly string[],
  input = "",
  environment: Readonly<Record<string, string>> = {},
): Promise<Result> {
  const child = spawn(program, args, { env: { ...process.env, ...environment } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  // It may end without reading; its exit code says whether that is a fault.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}

export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "close");
}

export interface Postfix {
  /** Listens here for SMTP. */
  readonly port: number;
  /** Mail for user0 to user99 of example.com lies here, an mbox for each. */
  readonly mailboxes: string;
  stop(): void;
}

export interface PostfixOptions {
  /** All mail is handed to this port of 127.0.0.1. */
  readonly relayPort?: number;
  /** Files in PEM: STARTTLS is offered, and nothing is taken without. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** AUTH (Cyrus SASL, sasldb) is demanded of everybody. */
  readonly auth?: { readonly username: string; readonly password: string };
  /** More of main.cf, in place of what it says otherwise. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * A Postfix of its own in a folder: takes mail for users of example.com, or hands all mail to `relayPort`
 * when one is given. Needs root, as Postfix does.
 */
export async function startPostfix(folder: string, options: PostfixOptions = {}): Promise<Postfix> {
  const { relayPort, tls, auth } = options;
  const port = await freePort();
  const config = join(folder, "config");
  const mailboxes = join(folder, "mailboxes");
  for (const path of [config, mailboxes, join(folder, "queue"), join(folder, "lib")]) mkdirSync(path);
  // Postfix' own users have to get into a folder that mkdtemp made for us alone.
  chmodSync(folder, 0o755);
  execFileSync("chown", ["postfix", join(folder, "lib")]);
  execFileSync("chown", ["nobody", mailboxes]);
  const uid = execFileSync("id", ["-u", "nobody"], { encoding: "utf8" }).trim();
  const settings = {
    compatibility_level: "3.6",
    queue_directory: join(folder, "queue"),
    data_directory: join(folder, "lib"),
    maillog_file: join(folder, "postfix.log"),
    maillog_file_prefixes: folder,
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    myhostname: "postfix.example",
    mydestination: "",
    mynetworks: "127.0.0.0/8",
    smtpd_recipient_restrictions: "permit_mynetworks, reject",
    alias_maps: "",
    virtual_mailbox_base: mailboxes,
    virtual_uid_maps: `static:${uid}`,
    virtual_gid_maps: `static:${uid}`,
    smtp_tls_security_level: "none",
    message_size_limit: "52428800",
    virtual_mailbox_limit: "0",
    mailbox_size_limit: "0",
    ...(tls === undefined
      ? {}
      : {
          smtpd_tls_security_level: "encrypt",
          smtpd_tls_key_file: tls.key,
          smtpd_tls_cert_file: tls.cert,
          smtpd_tls_session_cache_database: "",
        }),
    ...(auth === undefined ? {} : saslSettings(folder, auth)),
    ...(relayPort === undefined
      ? {
          virtual_mailbox_domains: "example.com",
          virtual_mailbox_maps: `texthash:${join(config, "mailboxes")}`,
        }
      : { relayhost: `[127.0.0.1]:${relayPort}` }),
    ...options.settings,
  };
  const users = Array.from({ length: 100 }, (_, n) => `user${n}@example.com user${n}\n`);
  writeFileSync(join(config, "mailboxes"), users.join(""));
  writeFileSync(
    join(config, "main.cf"),
    Object.entries(settings)
      .map(([key, value]) => `${key} = ${value}\n`)
      .join(""),
  );
  const services = [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    "pickup unix n - n 60 1 pickup",
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "trace unix - - n - 0 bounce",
    "proxymap unix - - n - - proxymap",
    "anvil unix - - n - 1 anvil",
    "tlsmgr unix - - n 1000? 1 tlsmgr",
    "smtp unix - - n - - smtp",
    "relay unix - - n - - smtp",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "virtual unix - n n - - virtual",
    "postlog unix-dgram n - n - 1 postlogd",
  ];
  writeFileSync(join(config, "master.cf"), `${services.join("\n")}\n`);
  const postfix = findProgram("postfix") ?? "postfix";
  execFileSync(postfix, ["-c", config, "start"], { stdio: "ignore" });
  await greets(port);
  return { port, mailboxes, stop: () => execFileSync(postfix, ["-c", config, "stop"], { stdio: "ignore" }) };
}

/** A user in a database of its own, which Postfix' own user has to read. Debian's Postfix looks in config/sasl. */
function saslSettings(folder: string, { username, password }: { username: string; password: string }) {
  const path = join(folder, "config", "sasl");
  const database = join(path, "users.db");
  mkdirSync(path);
  execFileSync("saslpasswd2", ["-c", "-p", "-f", database, "-u", "postfix.example", username], {
    input: password,
  });
  execFileSync("chown", ["-R", "postfix", path]);
  const library = ["pwcheck_method: auxprop", "auxprop_plugin: sasldb", `sasldb_path: ${database}`];
  writeFileSync(join(path, "smtpd.conf"), `${[...library, "mech_list: PLAIN LOGIN"].join("\n")}\n`);
  return {
    smtpd_sasl_auth_enable: "yes",
    smtpd_sasl_path: "smtpd",
    smtpd_sasl_local_domain: "postfix.example",
    smtpd_tls_auth_only: "yes",
    smtpd_sender_restrictions: "permit_sasl_authenticated, reject",
    smtpd_recipient_restrictions: "permit_sasl_authenticated, reject",
    mynetworks: "192.0.2.0/24",
  };
}

/** The content of a file that somebody else writes, once the mark stands in it. */
export async function contentOf(path: string, mark: string): Promise<string> {
  const watching = new AbortController();
  const watcher = watch(join(path, ".."), { signal: watching.signal });
  try {
    for (;;) {
      const changed = once(watcher, "change");
      const content = existsSync(path) ? readFileSync(path, "latin1") : "";
      if (content.includes(mark)) return content;
      await changed;
    }
  } finally {
    watching.abort();
  }
}
