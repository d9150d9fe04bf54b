#!/usr/bin/env node
// The process: argv, exit codes, and the last words when something that can't happen happens.
import { readFileSync } from "node:fs";
import nodeModule from "node:module";
import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import type { CheckOptions } from "./cli/check-config.ts";
import type { AcceptOptions } from "./cli/data.ts";
import type { ResolveOptions } from "./cli/doubtful.ts";
import { exitCodes } from "./cli/exit.ts";
import type { IdOptions } from "./cli/id.ts";
import type { ExportOptions, ImportOptions } from "./cli/ledger.ts";
import type { SetOptions } from "./cli/ledger-set.ts";
import type { AddTokenOptions, TokenOptions } from "./cli/token.ts";
import type { AddUserOptions, UserOptions } from "./cli/user.ts";

/**
 * What V8 has compiled is kept for the next start, by Node 22.8 and newer. It is beside the program, not in
 * Node's default folder, which all users share: a user who writes there decides what runs. If it can't be
 * written, nothing is kept.
 */
const COMPILED = fileURLToPath(new URL("../node_modules/.cache/mailonce", import.meta.url));

interface ConfigOption {
  readonly config?: string;
}

/** Not in the types of Node 20. */
interface CompileCache {
  enableCompileCache?(folder: string): unknown;
}

interface Manifest {
  readonly version: string;
}

function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as Manifest).version;
}

/** A command is loaded when it is run: `id` must not wait for all that `serve` needs. */
const commands = {
  serve: () => import("./cli/serve.ts"),
  checkConfig: () => import("./cli/check-config.ts"),
  id: () => import("./cli/id.ts"),
  doubtful: () => import("./cli/doubtful.ts"),
  user: () => import("./cli/user.ts"),
  token: () => import("./cli/token.ts"),
  ledger: () => import("./cli/ledger.ts"),
  data: () => import("./cli/data.ts"),
  ledgerSet: () => import("./cli/ledger-set.ts"),
};

const CONFIG_OPTION = ["--config <file>", "TOML file; MAILONCE_CONFIG names one otherwise"] as const;

function program(exit: (code: number) => void): Command {
  const mailonce = new Command("mailonce")
    .description("SMTP submission gateway that relays each mail of a task once")
    .version(version())
    .showHelpAfterError()
    .exitOverride();
  mailonce
    .command("serve")
    .description("run the gateway until SIGTERM or SIGINT")
    .option(...CONFIG_OPTION)
    .action(async (options: ConfigOption) => exit(await (await commands.serve()).serve(options, version())));
  mailonce
    .command("check-config")
    .description("check the configuration and print it, without secrets")
    .option("--online", "test each upstream too, as far as that goes without sending")
    .option(...CONFIG_OPTION)
    .action(async (options: CheckOptions) => exit(await (await commands.checkConfig()).checkConfig(options)));
  mailonce
    .command("id")
    .description("print the Message-ID that the gateway gives to a mail")
    .requiredOption("--task <id>", "the task id, usually a UUID")
    .requiredOption("--to <address>", "the recipient, as in RCPT TO")
    .option("--from <address>", "the From mailbox, whose domain is the right side")
    .option("--part <part>", "which of several mails of the task to this recipient")
    .option("--user <name>", "who submits it, when that takes authentication")
    .option(...CONFIG_OPTION)
    .action(async (options: IdOptions) => exit((await commands.id()).id(options)));
  const doubtful = mailonce
    .command("doubtful")
    .description("mails whose attempt ended without an answer, with or without the gateway running");
  doubtful
    .command("list")
    .description("print one line of JSON for each")
    .option(...CONFIG_OPTION)
    .action(async (options: ConfigOption) => exit(await (await commands.doubtful()).listDoubtful(options)));
  doubtful
    .command("resolve <id>")
    .description("decide: the upstream has it (--relayed) or certainly not (--not-relayed)")
    .option("--relayed", "count it as relayed")
    .option("--not-relayed", "relay it, if it is still in the spool")
    .option("--reason <text>", "for the log")
    .option(...CONFIG_OPTION)
    .action(async (name: string, options: ResolveOptions) =>
      exit(await (await commands.doubtful()).resolveDoubtful(name, options)),
    );
  const ledger = mailonce.command("ledger").description("the record of ids");
  ledger
    .command("migrate")
    .description("make the tables of a shared ledger, or bring them to this version")
    .option(...CONFIG_OPTION)
    .action(async (options: ConfigOption) => exit(await (await commands.ledger()).migrateLedger(options)));
  ledger
    .command("export")
    .description("write every id that is relayed or in doubt; of an embedded ledger, while no gateway runs")
    .option("--output <file>", "standard output otherwise")
    .option(...CONFIG_OPTION)
    .action(async (options: ExportOptions) => exit(await (await commands.ledger()).exportLedger(options)));
  ledger
    .command("import")
    .description("have the ledger know all that was exported; once more changes nothing")
    .option("--input <file>", "standard input otherwise")
    .option(...CONFIG_OPTION)
    .action(async (options: ImportOptions) => exit(await (await commands.ledger()).importLedger(options)));
  ledger
    .command("set")
    .description("show what the gateways of a shared ledger have agreed on, or change it while they run")
    .option("--lease <duration>", "how long a gateway may be silent before others take over")
    .option("--retention <duration>", "how long a relayed id is known")
    .option("--identity", "take the secret and the task fields of this configuration; while no gateway runs")
    .option(...CONFIG_OPTION)
    .action(async (options: SetOptions) => exit(await (await commands.ledgerSet()).setLedger(options)));
  const data = mailonce.command("data").description("the data folder, while no gateway runs on it");
  data
    .command("check")
    .description("print what is damaged, missing or older than what it belongs to")
    .option(...CONFIG_OPTION)
    .action(async (options: ConfigOption) => exit(await (await commands.data()).checkData(options)));
  data
    .command("accept")
    .description("go on with a damaged folder as it is: what is missing is lost or forgotten")
    .option("--yes", "do it; without it only what would be lost is printed")
    .option(...CONFIG_OPTION)
    .action(async (options: AcceptOptions) => exit(await (await commands.data()).acceptData(options)));
  const user = mailonce.command("user").description("who may authenticate: the users file");
  const userCommand = (name: string, description: string): Command =>
    user
      .command(name)
      .description(description)
      .option("--file <file>", "the users file; access.users_file of the configuration otherwise")
      .option(...CONFIG_OPTION);
  userCommand("add <name>", "add a user; the password is asked for, or is the first line of standard input")
    .option("--replace", "give a user who is there another password")
    .action(async (name: string, options: AddUserOptions) =>
      exit(await (await commands.user()).addUser(name, options)),
    );
  userCommand("remove <name>", "remove a user, whose open sessions end too").action(
    async (name: string, options: UserOptions) =>
      exit(await (await commands.user()).removeUser(name, options)),
  );
  userCommand("list", "print one line of JSON for each").action(async (options: UserOptions) =>
    exit(await (await commands.user()).listUsers(options)),
  );
  userCommand("verify <name>", "ask for a password; exit code 0 when it is right, 1 when not").action(
    async (name: string, options: UserOptions) =>
      exit(await (await commands.user()).verifyUser(name, options)),
  );
  const token = mailonce.command("token").description("who may look and decide over HTTP: the tokens file");
  const tokenCommand = (name: string, description: string): Command =>
    token
      .command(name)
      .description(description)
      .option("--file <file>", "the tokens file; http.tokens_file of the configuration otherwise")
      .option(...CONFIG_OPTION);
  tokenCommand("add <name>", "make a token and print it; it is shown only now")
    .requiredOption("--role <role>", "read, or operate, which may read too")
    .option("--replace", "make another token for a name that is there")
    .action(async (name: string, options: AddTokenOptions) =>
      exit(await (await commands.token()).addToken(name, options)),
    );
  tokenCommand("remove <name>", "remove a token; its sessions in browsers end too").action(
    async (name: string, options: TokenOptions) =>
      exit(await (await commands.token()).removeToken(name, options)),
  );
  tokenCommand("list", "print one line of JSON for each").action(async (options: TokenOptions) =>
    exit(await (await commands.token()).listTokens(options)),
  );
  return mailonce;
}

/**
 * New files are only for our own user: LevelDB sets no mode for its files, and a socket exists before its
 * mode can be set.
 */
const UMASK = 0o077;

async function main(): Promise<number> {
  process.umask(UMASK);
  (nodeModule as CompileCache).enableCompileCache?.(COMPILED);
  let code: number = exitCodes.ok;
  try {
    await program((exitCode) => {
      code = exitCode;
    }).parseAsync();
  } catch (error) {
    // commander has printed help, version or what is wrong with the command line.
    if (!(error instanceof CommanderError)) throw error;
    code = error.exitCode === 0 ? exitCodes.ok : exitCodes.badConfiguration;
  }
  return code;
}

/** Resolves when all that was written has left the process, or can't. */
const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.writableLength === 0 || stream.destroyed) resolve();
    else stream.write("", () => resolve());
  });

/**
 * The output is whole, or the exit code shows that it is not: the reader may have gone, or the disk may be
 * full.
 */
async function run(): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const code = await main();
  await flushed(process.stdout);
  const fault = process.stdout.errored;
  if (fault != null) process.stderr.write(`mailonce: standard output: ${fault.message}\n`);
  await flushed(process.stderr);
  return fault != null && code === exitCodes.ok ? exitCodes.failed : code;
}

process.exit(await run());
