// The gateway itself: `init`, `serve`, `demo`, `check-config` and `id`.
import type { CheckOptions } from "./check-config.ts";
import { CONFIG_OPTION, type Command, type ConfigOption, type Exit } from "./command.ts";
import type { IdOptions } from "./id.ts";
import type { InitOptions } from "./init.ts";

export function gatewayCommands(mailonce: Command, exit: Exit, version: string): void {
  mailonce
    .command("init")
    .description("ask four questions and write a configuration")
    .option("--config <file>", "where to write it: mailonce.toml when left out")
    .action(async (options: InitOptions) => exit(await (await import("./init.ts")).init(options, version)));
  mailonce
    .command("serve")
    .description("run the gateway until SIGTERM or SIGINT")
    .option(...CONFIG_OPTION)
    .action(async (options: ConfigOption) =>
      exit(await (await import("./serve.ts")).serve(options, version)),
    );
  mailonce
    .command("demo")
    .description("submit one task's mail to three people twice, to a gateway that relays into a Maildir")
    .option(...CONFIG_OPTION)
    .action(async (options: ConfigOption) => exit(await (await import("./demo.ts")).demo(options)));
  mailonce
    .command("check-config")
    .description("check the configuration and print it, without secrets")
    .option("--online", "test each upstream too, as far as that goes without sending")
    .option(...CONFIG_OPTION)
    .action(async (options: CheckOptions) =>
      exit(await (await import("./check-config.ts")).checkConfig(options)),
    );
  mailonce
    .command("id")
    .description("print the Message-ID that the gateway gives to a mail")
    .requiredOption("--task <id>", "the task id, usually a UUID")
    .requiredOption("--to <address>", "the recipient, as in RCPT TO")
    .option("--from <address>", "the From mailbox, whose domain is the right side")
    .option("--part <part>", "which of several mails of the task to this recipient")
    .option("--user <name>", "who submits it, when that takes authentication")
    .option(...CONFIG_OPTION)
    .action(async (options: IdOptions) => exit((await import("./id.ts")).id(options)));
}
