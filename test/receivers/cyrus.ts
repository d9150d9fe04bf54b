// A Cyrus of Debian that takes mail over LMTP. All that it reads and writes lies in the test's folder, and it ends with
// the test. A user is there from the first mail on.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { startProgram } from "../integrations/jobs.ts";
import { findProgram, freePort, greets } from "../support/peers.ts";
import type { Place } from "../support/place.ts";
import { idsOf } from "./user-ids.ts";

const program = findProgram("cyrmaster");
/** It becomes the user cyrus, so it needs root. */
export const hasCyrus = program !== undefined && process.getuid?.() === 0;

/** Where Debian has the programs that cyrmaster starts. */
const CYRUS_PROGRAMS = "/usr/lib/cyrus/bin";

export interface CyrusOptions {
  /** The path of a Sieve script that every new user has. */
  readonly sieve?: string;
}

export interface Cyrus {
  readonly lmtpPort: number;
  /** Runs one of its tools, such as cyr_expire; what it prints. */
  tool(name: string, ...args: readonly string[]): string;
  /** The mails in the inbox of a user, as latin1. */
  mailbox(user: string): string[];
  /** Makes deliveries to a user who has mail fail, until the function that it gives back is called. */
  breakMailbox(user: string): () => void;
}

export async function startCyrus(place: Place, { sieve }: CyrusOptions = {}): Promise<Cyrus> {
  const port = await freePort();
  const folder = join(place.folder, `cyrus-${port}`);
  const own = idsOf("cyrus");
  // The user cyrus goes through the folder.
  chmodSync(place.folder, 0o711);
  for (const name of ["", "state", "state/db", "state/lock", "state/proc", "state/socket", "mail", "sieve"]) {
    mkdirSync(join(folder, name));
    chownSync(join(folder, name), own.uid, own.gid);
  }
  let script: string | undefined;
  if (sieve !== undefined) {
    script = join(folder, basename(sieve));
    copyFileSync(sieve, script);
    chmodSync(script, 0o644);
  }
  const config = join(folder, "imapd.conf");
  writeFileSync(
    config,
    `configdirectory: ${folder}/state
defaultpartition: default
partition-default: ${folder}/mail
sievedir: ${folder}/sieve
autocreate_post: yes
autocreate_quota: 0
${script === undefined ? "" : `autocreate_sieve_script: ${script}\n`}`,
  );
  const services = join(folder, "cyrus.conf");
  writeFileSync(
    services,
    `START {
  recover cmd="${CYRUS_PROGRAMS}/ctl_cyrusdb -C ${config} -r"
}
SERVICES {
  lmtp cmd="${CYRUS_PROGRAMS}/lmtpd -C ${config} -a" listen="127.0.0.1:${port}" prefork=0
}
EVENTS {
}
`,
  );
  const cyrus = startProgram(place, program as string, [
    ...["-C", config, "-M", services, "-p", join(folder, "master.pid")],
  ]);
  await Promise.race([
    greets(port),
    cyrus.exited.then((code) => {
      throw new Error(`cyrmaster ended (${code}): ${cyrus.output()}`);
    }),
  ]);
  const tool = (name: string, ...args: readonly string[]): string =>
    execFileSync(join(CYRUS_PROGRAMS, name), ["-C", config, ...args], { encoding: "utf8" });
  const pathOf = (user: string): string => tool("mbpath", `user/${user}`).trim();
  return {
    lmtpPort: port,
    tool,
    mailbox(user) {
      const path = pathOf(user);
      const names = readdirSync(path).filter((name) => /^\d+\.$/.test(name));
      return names.map((name) => readFileSync(join(path, name), "latin1"));
    },
    breakMailbox(user) {
      const path = pathOf(user);
      // Cyrus may read it still, so that it takes RCPT and fails when it stores the mail.
      chownSync(path, 0, 0);
      chmodSync(path, 0o755);
      return () => {
        chmodSync(path, 0o700);
        chownSync(path, own.uid, own.gid);
      };
    },
  };
}
