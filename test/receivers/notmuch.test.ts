// notmuch shows mails with one Message-ID as one; behind SES it shows both copies, and with
// examples/receivers/notmuch-post-new, one.
import { randomUUID } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { findProgram, runClient } from "../support/peers.ts";
import type { Place } from "../support/place.ts";
import { type Receiver, receives } from "./receiver.ts";

const notmuch = findProgram("notmuch");
const available = notmuch !== undefined;

/** One folder of mail for each user, with the hook where it is given. */
function start(place: Place, hook?: string): Receiver {
  const configs = new Map<string, string>();
  async function command(user: string, ...args: readonly string[]): Promise<string> {
    const environment = { NOTMUCH_CONFIG: configOf(user) };
    const { code, output } = await runClient(notmuch as string, args, "", environment);
    if (code !== 0) throw new Error(`notmuch ${args.join(" ")} ended (${code}): ${output}`);
    return output;
  }
  const mailOf = (user: string): string => join(place.folder, `notmuch-${user}`);
  function configOf(user: string): string {
    const known = configs.get(user);
    if (known !== undefined) return known;
    const mail = mailOf(user);
    for (const name of ["tmp", "new", "cur", ".notmuch/hooks"])
      mkdirSync(join(mail, name), { recursive: true });
    if (hook !== undefined) {
      copyFileSync(hook, join(mail, ".notmuch/hooks/post-new"));
      chmodSync(join(mail, ".notmuch/hooks/post-new"), 0o755);
    }
    const config = join(mail, ".notmuch-config");
    writeFileSync(
      config,
      `[database]
path=${mail}
[user]
name=User
primary_email=${user}@example.com
${hook === undefined ? "" : "[new]\ntags=new;unread;inbox\n[index]\nheader.MailonceID=X-Mailonce-ID\n"}`,
    );
    configs.set(user, config);
    return config;
  }
  return {
    async deliver(user, content) {
      configOf(user);
      writeFileSync(join(mailOf(user), "new", randomUUID()), content.replaceAll("\r\n", "\n"));
      await command(user, "new");
      return "taken";
    },
    async mails(user) {
      const shown = await command(user, "search", "--output=messages", "tag:inbox");
      return shown.split("\n").filter((line) => line !== "");
    },
  };
}

receives("notmuch by itself", {
  available,
  delivers: false,
  start: async (place) => start(place),
  copies: { kept: 1, overwritten: 2 },
});

receives("notmuch with the hook", {
  available,
  delivers: false,
  start: async (place) => start(place, resolve("examples/receivers/notmuch-post-new")),
  copies: { kept: 1, overwritten: 1 },
});
