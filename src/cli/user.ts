// `mailonce user add|remove|list|verify`: the users file, changed and looked at. A gateway that runs takes a
// change over by itself within a few seconds.

import { nameFaultOf } from "../access/named-lines.ts";
import { hashPassword, verifyPassword } from "../access/password.ts";
import { dropUser, putUser } from "../access/users-edit.ts";
import { readUsers } from "../access/users-file.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { type FileOptions, type NamedFile, say, withFile } from "./named-file.ts";
import { processTerminal, readPassword, type Terminal } from "./password-input.ts";

const USERS: NamedFile = {
  called: "users file",
  key: "access.users_file",
  in: (config) => config.access.users_file,
};

export interface AddUserOptions extends FileOptions {
  /** Give an existing user another password. */
  readonly replace?: boolean;
}

const DONE = { added: "added", replaced: "has another password" } as const;

/** Asks for a password and writes the user with its hash. */
export async function addUser(
  name: string,
  options: AddUserOptions,
  terminal: Terminal = processTerminal,
): Promise<number> {
  return await withFile(USERS, options, async (path) => {
    const nameFault = nameFaultOf(name);
    if (nameFault !== undefined) {
      return reportFaults([`the name ${nameFault}`], exitCodes.badConfiguration);
    }
    const exists = () =>
      reportFaults([`${name} is there; --replace gives another password`], exitCodes.failed);
    // Checked before anybody types a password; faults of the file are reported when it is changed.
    const users = await readUsers(path).catch(() => undefined);
    if (users?.has(name) === true && options.replace !== true) return exists();
    const answer = await readPassword(terminal, true);
    if (!answer.ok) return reportFaults([answer.fault], exitCodes.failed);
    const hash = await hashPassword(answer.password);
    const done = await putUser(path, name, hash, options.replace === true);
    return done === "exists" ? exists() : say(`${name} ${DONE[done]}`);
  });
}

export function removeUser(name: string, options: FileOptions): Promise<number> {
  return withFile(USERS, options, async (path) =>
    (await dropUser(path, name)) ? say(`${name} removed`) : unknownUser(name),
  );
}

/** One line of JSON a user: its name, and what kind of hash it has. */
export function listUsers(options: FileOptions): Promise<number> {
  return withFile(USERS, options, async (path) => {
    for (const [user, { kind }] of await readUsers(path)) say(JSON.stringify({ user, hash: kind }));
    return exitCodes.ok;
  });
}

/** Asks for a password; exit code 0 when it is the user's. */
export function verifyUser(
  name: string,
  options: FileOptions,
  terminal: Terminal = processTerminal,
): Promise<number> {
  return withFile(USERS, options, async (path) => {
    const hash = (await readUsers(path)).get(name);
    if (hash === undefined) return unknownUser(name);
    const answer = await readPassword(terminal, false);
    if (!answer.ok) return reportFaults([answer.fault], exitCodes.failed);
    if (await verifyPassword(answer.password, hash)) return say("the password is right");
    return reportFaults(["the password is wrong"], exitCodes.failed);
  });
}

const unknownUser = (name: string): number => reportFaults([`there is no user ${name}`], exitCodes.failed);
