// A program that a mail server starts for each mail, such as procmail: the mail on standard input, and sysexits.h as answer.
// It delivers as the user mail into a folder of the test's.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readMaildir } from "../support/maildir.ts";
import type { Place } from "../support/place.ts";
import type { Receiver } from "./receiver.ts";
import { idsOf } from "./user-ids.ts";

/** It becomes another user, so it needs root. */
export const canDeliver = process.getuid?.() === 0;

export interface Home {
  readonly path: string;
  /** With a slash at the end. */
  readonly inbox: string;
}

export interface DeliveryAgent {
  readonly program: string;
  /** Its own file, for one user. */
  rules(home: Home): string;
  /** Its arguments, with the path of that file. */
  args(home: Home, rules: string): readonly string[];
}

const EX_TEMPFAIL = 75;
const FOLDERS = ["Maildir/tmp", "Maildir/new", "Maildir/cur"];

export function receiverOf(place: Place, agent: DeliveryAgent): Receiver {
  const mail = idsOf("mail");
  chmodSync(place.folder, 0o711);
  const homes = new Map<string, { readonly home: Home; readonly rules: string }>();

  const own = (path: string): void => chownSync(path, mail.uid, mail.gid);
  function homeOf(user: string): { readonly home: Home; readonly rules: string } {
    const known = homes.get(user);
    if (known !== undefined) return known;
    const path = join(place.folder, `home-${user}`);
    const home: Home = { path, inbox: `${path}/Maildir/` };
    for (const name of ["", "Maildir", ...FOLDERS]) {
      mkdirSync(join(path, name));
      own(join(path, name));
    }
    const rules = join(path, "rules");
    writeFileSync(rules, agent.rules(home), { mode: 0o600 });
    own(rules);
    const made = { home, rules };
    homes.set(user, made);
    return made;
  }

  return {
    async deliver(user, content) {
      const { home, rules } = homeOf(user);
      const child = spawn(agent.program, agent.args(home, rules), {
        ...{ cwd: home.path, uid: mail.uid, gid: mail.gid, stdio: ["pipe", "pipe", "pipe"] },
      });
      let said = "";
      for (const stream of [child.stdout, child.stderr])
        stream?.setEncoding("utf8").on("data", (text: string) => {
          said += text;
        });
      child.stdin?.end(content.replaceAll("\r\n", "\n"));
      const [code] = (await once(child, "close")) as [number | null];
      if (code === 0) return "taken";
      if (code === EX_TEMPFAIL) return "again";
      throw new Error(`${agent.program} ended (${code}): ${said}`);
    },
    mails: (user) => readMaildir(homeOf(user).home.inbox),
    breakMailbox(user) {
      const folders = FOLDERS.map((name) => join(homeOf(user).home.path, name));
      for (const path of folders) chownSync(path, 0, 0);
      return () => folders.forEach(own);
    },
  };
}
