// Mail in doubt: `doubtful`.

import { CONFIG_OPTION, type Command, type Exit } from "./command.ts";
import type { ListOptions, ResolveOptions } from "./doubtful.ts";
import { JSON_OPTION } from "./print.ts";

export function doubtfulCommands(mailonce: Command, exit: Exit): void {
  const doubtful = mailonce
    .command("doubtful")
    .description("mails whose attempt ended without an answer, with or without the gateway running");
  doubtful
    .command("list")
    .description("each with what is known of it, and since when")
    .option("--older <duration>", "in doubt for so long, such as 1h")
    .option(...JSON_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options: ListOptions) =>
      exit(await (await import("./doubtful.ts")).listDoubtful(options)),
    );
  doubtful
    .command("resolve [id]")
    .description("decide: the upstream has it (--relayed) or certainly not (--not-relayed)")
    .option("--relayed", "count it as relayed")
    .option("--not-relayed", "relay it, if it is still in the spool")
    .option("--older <duration>", "in place of an id: what is in doubt for so long, such as 1h")
    .option("--all", "more than one may be meant")
    .option("--reason <text>", "for the log")
    .option(...JSON_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (name: string | undefined, options: ResolveOptions) =>
      exit(await (await import("./doubtful.ts")).resolveDoubtful(name, options)),
    );
}
