// One mail: `forget`.
import { CONFIG_OPTION, type Command, type Exit } from "./command.ts";
import type { ForgetOptions } from "./forget.ts";
import { JSON_OPTION } from "./print.ts";

export function mailCommands(mailonce: Command, exit: Exit): void {
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
