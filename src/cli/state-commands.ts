// The state of the gateway: `status`, `top`, `pause`, `resume` and `drain`.

import { CONFIG_OPTION, type Command, type Exit } from "./command.ts";
import type { DrainOptions } from "./drain.ts";
import type { PauseOptions, ResumeOptions } from "./pause.ts";
import { JSON_OPTION } from "./print.ts";
import type { StatusOptions } from "./status.ts";

export function stateCommands(mailonce: Command, exit: Exit): void {
  mailonce
    .command("status")
    .description("how the gateway does: exit code 0 when well, 4 when not, 1 when none runs")
    .option(...JSON_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options: StatusOptions) => exit(await (await import("./status.ts")).showStatus(options)));
  mailonce
    .command("top")
    .description("status each second; q leaves")
    .option(...CONFIG_OPTION)
    .action(async (options: StatusOptions) => exit(await (await import("./top.ts")).showTop(options)));
  mailonce
    .command("pause [upstream]")
    .description("attempt nothing at an upstream, or at all of them; with or without the gateway running")
    .option("--for <duration>", "ends by itself then, such as 30m; without it, at `resume`")
    .option("--reason <text>", "for the log and for status")
    .option(...JSON_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (upstream: string | undefined, options: PauseOptions) =>
      exit(await (await import("./pause.ts")).pauseUpstream(upstream, options)),
    );
  mailonce
    .command("resume [upstream]")
    .description("end a pause; an upstream that took nothing is tried at once")
    .option("--reason <text>", "for the log")
    .option(...JSON_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (upstream: string | undefined, options: ResumeOptions) =>
      exit(await (await import("./pause.ts")).resumeUpstream(upstream, options)),
    );
  mailonce
    .command("drain")
    .description("take no more mail, relay what is there, and end the gateway then")
    .option("--until-empty", "needed: the gateway ends when its queue is empty")
    .option("--reason <text>", "for the log")
    .option(...JSON_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options: DrainOptions) => exit(await (await import("./drain.ts")).drain(options)));
}
