// Who may submit, and who may look and decide: `user` and `token`.

import { CONFIG_OPTION, type Command, type Exit } from "./command.ts";
import type { FileOptions } from "./named-file.ts";
import type { AddTokenOptions } from "./token.ts";
import type { AddUserOptions } from "./user.ts";

export function userCommands(mailonce: Command, exit: Exit): void {
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
      exit(await (await import("./user.ts")).addUser(name, options)),
    );
  userCommand("remove <name>", "remove a user, whose open sessions end too").action(
    async (name: string, options: FileOptions) =>
      exit(await (await import("./user.ts")).removeUser(name, options)),
  );
  userCommand("list", "print one line of JSON for each").action(async (options: FileOptions) =>
    exit(await (await import("./user.ts")).listUsers(options)),
  );
  userCommand("verify <name>", "ask for a password; exit code 0 when it is right, 1 when not").action(
    async (name: string, options: FileOptions) =>
      exit(await (await import("./user.ts")).verifyUser(name, options)),
  );
}

export function tokenCommands(mailonce: Command, exit: Exit): void {
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
      exit(await (await import("./token.ts")).addToken(name, options)),
    );
  tokenCommand("remove <name>", "remove a token; its sessions in browsers end too").action(
    async (name: string, options: FileOptions) =>
      exit(await (await import("./token.ts")).removeToken(name, options)),
  );
  tokenCommand("list", "print one line of JSON for each").action(async (options: FileOptions) =>
    exit(await (await import("./token.ts")).listTokens(options)),
  );
}
