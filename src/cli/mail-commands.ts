// One mail: `explain` and `forget`.
import { CONFIG_OPTION, type Command, type Exit } from "./command.ts";
import type { ExplainOptions } from "./explain.ts";
import type { ForgetOptions } from "./forget.ts";
import { JSON_OPTION } from "./print.ts";

export function mailCommands(mailonce: Command, exit: Exit): void {
  mailonce
    .command("explain [name]")
    .description("what became of a mail, by its id, its Message-ID, an upstream's id, or its task")
    .option(
      "--task <id>",
      "the task id, in place of a name: all its mails, or with --to those to one recipient",
    )
    .option("--to <address>", "the recipient, as in RCPT TO")
    .option("--part <part>", "which of several mails of the task to this recipient")
    .option("--user <name>", "who submits it, when that takes authentication")
    .option(...JSON_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (name: string | undefined, options: ExplainOptions) =>
      exit(await (await import("./explain.ts")).explain(name, options)),
    );
  mailonce
    .command("forget <id>")
    .description(
      "let the task of a relayed id, or Message-ID, send again; with or without the gateway running",
    )
    .option("--yes", "without it, what would happen is said and nothing is changed")
    .option("--reason <text>", "for the log")
    .option(...JSON_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (id: string, options: ForgetOptions) =>
      exit(await (await import("./forget.ts")).forget(id, options)),
    );
}
