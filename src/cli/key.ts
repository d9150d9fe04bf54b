// `mailonce key add|remove|list`: the keys file, changed and looked at. A gateway that runs takes a change over by itself
// within a few seconds.
import { dropLine, putLine } from "../access/access-edit.ts";
import { readKeys } from "../access/keys-file.ts";
import { newKeyId, newSecret, parseKeys } from "../access/keys-lines.ts";
import { nameFaultOf } from "../access/named-lines.ts";
import { systemRandom } from "../runtime/random.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { type FileOptions, type NamedFile, say, withFile } from "./named-file.ts";

const KEYS: NamedFile = {
  called: "keys file",
  key: "access.keys_file",
  in: (config) => config.access.keys_file,
};

/** Makes a key for the user, beside those that there are, and prints it as the variables that each AWS SDK reads. */
export async function addKey(name: string, options: FileOptions): Promise<number> {
  const nameFault = nameFaultOf(name);
  if (nameFault !== undefined) return reportFaults([`the name ${nameFault}`], exitCodes.badConfiguration);
  return await withFile(KEYS, options, async (path) => {
    const [keyId, secret] = [newKeyId(systemRandom), newSecret(systemRandom)];
    await putLine(path, parseKeys, keyId, `${name}:${secret}`, false);
    return say(`AWS_ACCESS_KEY_ID=${keyId}\nAWS_SECRET_ACCESS_KEY=${secret}`);
  });
}

export function removeKey(keyId: string, options: FileOptions): Promise<number> {
  return withFile(KEYS, options, async (path) =>
    (await dropLine(path, parseKeys, keyId))
      ? say(`${keyId} removed`)
      : reportFaults([`there is no key ${keyId}`], exitCodes.failed),
  );
}

/** One line of JSON a key: its id and its user. */
export function listKeys(options: FileOptions): Promise<number> {
  return withFile(KEYS, options, async (path) => {
    for (const [key, { name }] of await readKeys(path)) say(JSON.stringify({ key, user: name }));
    return exitCodes.ok;
  });
}
