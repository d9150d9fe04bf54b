// Mail in doubt: `doubtful`.

import { CONFIG_OPTION, type Command, type ConfigOption, type Exit } from "./command.ts";
import type { ResolveOptions } from "./doubtful.ts";

export function doubtfulCommands(mailonce: Command, exit: Exit): void {
  const doubtful = mailonce
    .command("doubtful")
    .description("mails whose attempt ended without an answer, with or without the gateway running");
  doubtful
    .command("list")
    .description("print one line of JSON for each")
    .option(...CONFIG_OPTION)
    .action(async (options: ConfigOption) =>
      exit(await (await import("./doubtful.ts")).listDoubtful(options)),
    );
  doubtful
    .command("resolve <id>")
    .description("decide: the upstream has it (--relayed) or certainly not (--not-relayed)")
    .option("--relayed", "count it as relayed")
    .option("--not-relayed", "relay it, if it is still in the spool")
    .option("--reason <text>", "for the log")
    .option(...CONFIG_OPTION)
    .action(async (name: string, options: ResolveOptions) =>
      exit(await (await import("./doubtful.ts")).resolveDoubtful(name, options)),
    );
}
