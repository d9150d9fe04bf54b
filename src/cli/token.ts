// `mailonce token add|remove|list`: the tokens file, changed and looked at. A gateway that runs takes a change over by
// itself within a few seconds.
import { dropLine, putLine } from "../access/access-edit.ts";
import { AccessFileError } from "../access/access-file.ts";
import { nameFaultOf } from "../access/named-lines.ts";
import { readTokens } from "../access/tokens-file.ts";
import { digestOf, newToken, parseTokens, ROLES } from "../access/tokens-lines.ts";
import { ConfigError, loadConfig } from "../config/config.ts";
import { systemRandom } from "../runtime/random.ts";
import { exitCodes, reportFaults } from "./exit.ts";

export interface TokenOptions {
  /** The tokens file; otherwise the one that the configuration names. */
  readonly file?: string;
  readonly config?: string;
}

export interface AddTokenOptions extends TokenOptions {
  readonly role: string;
  /** Put a new token in the place of one of that name. */
  readonly replace?: boolean;
}

/** Makes a token and prints it, once: the file has only its digest. */
export async function addToken(name: string, options: AddTokenOptions): Promise<number> {
  const nameFault = nameFaultOf(name);
  if (nameFault !== undefined) return reportFaults([`the name ${nameFault}`], exitCodes.badConfiguration);
  const role = ROLES.find((one) => one === options.role);
  if (role === undefined) {
    return reportFaults([`--role: expected ${ROLES.join(" or ")}`], exitCodes.badConfiguration);
  }
  return await withFile(options, async (path) => {
    const token = newToken(systemRandom);
    const value = `${role}:${digestOf(token)}`;
    const done = await putLine(path, parseTokens, name, value, options.replace === true);
    if (done === "exists") {
      return reportFaults([`${name} is there; --replace gives another token`], exitCodes.failed);
    }
    return say(token);
  });
}

export function removeToken(name: string, options: TokenOptions): Promise<number> {
  return withFile(options, async (path) =>
    (await dropLine(path, parseTokens, name))
      ? say(`${name} removed`)
      : reportFaults([`there is no token ${name}`], exitCodes.failed),
  );
}

/** One line of JSON a token: its name and its role. */
export function listTokens(options: TokenOptions): Promise<number> {
  return withFile(options, async (path) => {
    for (const [token, { role }] of await readTokens(path)) say(JSON.stringify({ token, role }));
    return exitCodes.ok;
  });
}

async function withFile(
  { file, config }: TokenOptions,
  use: (path: string) => Promise<number>,
): Promise<number> {
  try {
    const path = file ?? loadConfig({ file: config, environment: process.env }).http.tokens_file;
    if (path !== undefined) return await use(path);
    const fault = "there is no tokens file: set http.tokens_file, or name one with --file";
    return reportFaults([fault], exitCodes.badConfiguration);
  } catch (error) {
    if (error instanceof ConfigError || error instanceof AccessFileError) {
      return reportFaults(error.faults, exitCodes.badConfiguration);
    }
    throw error;
  }
}

function say(line: string): number {
  process.stdout.write(`${line}\n`);
  return exitCodes.ok;
}
