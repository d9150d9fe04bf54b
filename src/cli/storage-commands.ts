// What the gateway has stored: `ledger` and `data`.

import { CONFIG_OPTION, type Command, type ConfigOption, type Exit } from "./command.ts";
import type { AcceptOptions } from "./data.ts";
import type { ExportOptions, ImportOptions } from "./ledger.ts";
import type { SetOptions } from "./ledger-set.ts";

export function ledgerCommands(mailonce: Command, exit: Exit): void {
  const ledger = mailonce.command("ledger").description("the record of ids");
  ledger
    .command("migrate")
    .description("make the tables of a shared ledger, or bring them to this version")
    .option(...CONFIG_OPTION)
    .action(async (options: ConfigOption) =>
      exit(await (await import("./ledger.ts")).migrateLedger(options)),
    );
  ledger
    .command("export")
    .description("write every id that is relayed or in doubt; of an embedded ledger, while no gateway runs")
    .option("--output <file>", "standard output otherwise")
    .option(...CONFIG_OPTION)
    .action(async (options: ExportOptions) =>
      exit(await (await import("./ledger.ts")).exportLedger(options)),
    );
  ledger
    .command("import")
    .description("have the ledger know all that was exported; once more changes nothing")
    .option("--input <file>", "standard input otherwise")
    .option(...CONFIG_OPTION)
    .action(async (options: ImportOptions) =>
      exit(await (await import("./ledger.ts")).importLedger(options)),
    );
  ledger
    .command("set")
    .description("show what the gateways of a shared ledger have agreed on, or change it while they run")
    .option("--lease <duration>", "how long a gateway may be silent before others take over")
    .option("--retention <duration>", "how long a relayed id is known")
    .option("--identity", "take the secret and the task fields of this configuration; while no gateway runs")
    .option(...CONFIG_OPTION)
    .action(async (options: SetOptions) => exit(await (await import("./ledger-set.ts")).setLedger(options)));
}

export function dataCommands(mailonce: Command, exit: Exit): void {
  const data = mailonce.command("data").description("the data folder, while no gateway runs on it");
  data
    .command("check")
    .description("print what is damaged, missing or older than what it belongs to")
    .option(...CONFIG_OPTION)
    .action(async (options: ConfigOption) => exit(await (await import("./data.ts")).checkData(options)));
  data
    .command("accept")
    .description("go on with a damaged folder as it is: what is missing is lost or forgotten")
    .option("--yes", "do it; without it only what would be lost is printed")
    .option(...CONFIG_OPTION)
    .action(async (options: AcceptOptions) => exit(await (await import("./data.ts")).acceptData(options)));
}
