// Who may submit, and who may look and decide: `user`, `key` and `token`.

import { CONFIG_OPTION, type Command, type Exit } from "./command.ts";
import type { FileOptions } from "./named-file.ts";
import type { AddTokenOptions } from "./token.ts";
import type { AddUserOptions } from "./user.ts";

/**
 * Commands about one file.
 *
 * @param key of the configuration, which names the file where no option does
 * @returns what adds one
 */
function commandsOn(
  parent: Command,
  called: string,
  key: string,
): (syntax: string, description: string) => Command {
  return (syntax, description) =>
    parent
      .command(syntax)
      .description(description)
      .option("--file <file>", `the ${called}; ${key} of the configuration otherwise`)
      .option(...CONFIG_OPTION);
}

export function userCommands(mailonce: Command, exit: Exit): void {
  const user = mailonce.command("user").description("who may authenticate: the users file");
  const userCommand = commandsOn(user, "users file", "access.users_file");
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

export function keyCommands(mailonce: Command, exit: Exit): void {
  const key = mailonce.command("key").description("who may call the API of SES here: the keys file");
  const keyCommand = commandsOn(key, "keys file", "access.keys_file");
  keyCommand("add <name>", "make a key for a user and print it; its secret is shown only now").action(
    async (name: string, options: FileOptions) =>
      exit(await (await import("./key.ts")).addKey(name, options)),
  );
  keyCommand("remove <id>", "remove the key of that id").action(async (id: string, options: FileOptions) =>
    exit(await (await import("./key.ts")).removeKey(id, options)),
  );
  keyCommand("list", "print one line of JSON for each").action(async (options: FileOptions) =>
    exit(await (await import("./key.ts")).listKeys(options)),
  );
}

export function tokenCommands(mailonce: Command, exit: Exit): void {
  const token = mailonce.command("token").description("who may look and decide over HTTP: the tokens file");
  const tokenCommand = commandsOn(token, "tokens file", "http.tokens_file");
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
