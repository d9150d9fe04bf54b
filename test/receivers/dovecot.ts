// A Dovecot of Debian that takes mail over LMTP and runs Sieve (Pigeonhole). All that it reads and writes lies in the
// test's folder, and it ends with the test.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { startProgram } from "../integrations/jobs.ts";
import { readMaildir } from "../support/maildir.ts";
import { findProgram, freePort, greets } from "../support/peers.ts";
import type { Place } from "../support/place.ts";
import { idsOf } from "./user-ids.ts";

const program = findProgram("dovecot");
const sievec = findProgram("sievec");
/** Dovecot delivers as another user than its own, so it needs root. */
export const hasDovecot = program !== undefined && sievec !== undefined && process.getuid?.() === 0;

export interface DovecotOptions {
  /** The path of a Sieve script that all mail passes. */
  readonly sieve?: string;
  /** Settings of `plugin { … }`; those that the script of examples/receivers needs when left out. */
  readonly plugin?: Readonly<Record<string, string>>;
}

export interface Dovecot {
  readonly lmtpPort: number;
  /** Of a user, who is the local-part of any address. It belongs to the user mail, and is there from the first mail on. */
  home(user: string): string;
  /** The mails in the inbox of a user, as latin1, with LF as line end. */
  mailbox(user: string): string[];
  /** Makes deliveries to a user who has mail fail, until the function that it gives back is called. */
  breakMailbox(user: string): () => void;
  /** What it logged so far. */
  log(): string;
  stop(): Promise<void>;
}

/** Every address is a user's. */
export async function startDovecot(
  place: Place,
  { sieve, plugin = { sieve_duplicate_max_period: "31d" } }: DovecotOptions = {},
): Promise<Dovecot> {
  const port = await freePort();
  const folder = join(place.folder, `dovecot-${port}`);
  const homes = join(folder, "home");
  mkdirSync(homes, { recursive: true });
  let script: string | undefined;
  if (sieve !== undefined) {
    script = join(folder, basename(sieve));
    copyFileSync(sieve, script);
  }
  const config = join(folder, "dovecot.conf");
  const log = join(folder, "dovecot.log");
  writeFileSync(
    config,
    `base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${log}
protocols = lmtp
ssl = no
first_valid_uid = 1
mail_location = maildir:~/Maildir
userdb {
  driver = static
  args = uid=mail gid=mail home=${homes}/%n allow_all_users=yes
}
passdb {
  driver = static
  args = nopassword=y
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
protocol lmtp {
  mail_plugins = sieve
}
plugin {
${[...Object.entries(plugin), ...(script === undefined ? [] : [["sieve_before", script]])]
  .map(([name, value]) => `  ${name} = ${value}\n`)
  .join("")}}
`,
  );
  // The user mail goes through the folder, and reads the compiled script.
  chmodSync(place.folder, 0o711);
  const { uid, gid } = idsOf("mail");
  chownSync(homes, uid, gid);
  if (script !== undefined) execFileSync(sievec as string, ["-c", config, script], { stdio: "pipe" });

  const dovecot = startProgram(place, program as string, ["-F", "-c", config]);
  await Promise.race([
    greets(port),
    dovecot.exited.then((code) => {
      throw new Error(`dovecot ended (${code}): ${dovecot.output()}`);
    }),
  ]);
  const home = (user: string): string => join(homes, user);
  return {
    lmtpPort: port,
    home,
    mailbox: (user) => readMaildir(join(home(user), "Maildir")),
    breakMailbox(user) {
      // Dovecot delivers as mail, who may not write what is root's.
      const folders = ["tmp", "new", "cur"].map((name) => join(home(user), "Maildir", name));
      for (const path of folders) chownSync(path, 0, 0);
      return () => {
        for (const path of folders) chownSync(path, uid, gid);
      };
    },
    log: () => (existsSync(log) ? readFileSync(log, "utf8") : ""),
    stop: async () => void (await dovecot.stop()),
  };
}
