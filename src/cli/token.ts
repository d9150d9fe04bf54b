// `mailonce token add|remove|list`: the tokens file, changed and looked at. A gateway that runs takes a change over by
// itself within a few seconds.
import { dropLine, putLine } from "../access/access-edit.ts";
import { nameFaultOf } from "../access/named-lines.ts";
import { readTokens } from "../access/tokens-file.ts";
import { digestOf, newToken, parseTokens, ROLES } from "../access/tokens-lines.ts";
import { systemRandom } from "../runtime/random.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { type FileOptions, type NamedFile, say, withFile } from "./named-file.ts";

const TOKENS: NamedFile = {
  called: "tokens file",
  key: "http.tokens_file",
  in: (config) => config.http.tokens_file,
};

export interface AddTokenOptions extends FileOptions {
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
  return await withFile(TOKENS, options, async (path) => {
    const token = newToken(systemRandom);
    const value = `${role}:${digestOf(token)}`;
    const done = await putLine(path, parseTokens, name, value, options.replace === true);
    if (done === "exists") {
      return reportFaults([`${name} is there; --replace gives another token`], exitCodes.failed);
    }
    return say(token);
  });
}

export function removeToken(name: string, options: FileOptions): Promise<number> {
  return withFile(TOKENS, options, async (path) =>
    (await dropLine(path, parseTokens, name))
      ? say(`${name} removed`)
      : reportFaults([`there is no token ${name}`], exitCodes.failed),
  );
}

/** One line of JSON a token: its name and its role. */
export function listTokens(options: FileOptions): Promise<number> {
  return withFile(TOKENS, options, async (path) => {
    for (const [token, { role }] of await readTokens(path)) say(JSON.stringify({ token, role }));
    return exitCodes.ok;
  });
}
