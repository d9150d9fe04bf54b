// All commands. A command is loaded when it is run: `id` must not wait for all that `serve` needs.
import { keyCommands, tokenCommands, userCommands } from "./access-commands.ts";
import { type Command, createProgram, type Exit, exitOfSyntax } from "./command.ts";
import { doubtfulCommands } from "./doubtful-commands.ts";
import { exitCodes } from "./exit.ts";
import { gatewayCommands } from "./gateway-commands.ts";
import { mailCommands } from "./mail-commands.ts";
import { queueCommands } from "./queue-commands.ts";
import { stateCommands } from "./state-commands.ts";
import { dataCommands, ledgerCommands } from "./storage-commands.ts";

/** Runs the command that the process was started with. Resolves to its exit code. */
export async function runProgram(version: string): Promise<number> {
  let code: number = exitCodes.ok;
  const mailonce = allCommands(version, (exitCode) => {
    code = exitCode;
  });
  try {
    await mailonce.parseAsync();
    return code;
  } catch (error) {
    const syntax = exitOfSyntax(error);
    if (syntax === undefined) throw error;
    return syntax.isFault ? exitCodes.badConfiguration : exitCodes.ok;
  }
}

export function allCommands(version: string, exit: Exit): Command {
  const mailonce = createProgram("SMTP submission gateway that relays each mail of a task once", version);
  gatewayCommands(mailonce, exit, version);
  stateCommands(mailonce, exit);
  queueCommands(mailonce, exit);
  doubtfulCommands(mailonce, exit);
  mailCommands(mailonce, exit);
  ledgerCommands(mailonce, exit);
  dataCommands(mailonce, exit);
  userCommands(mailonce, exit);
  keyCommands(mailonce, exit);
  tokenCommands(mailonce, exit);
  return mailonce;
}
