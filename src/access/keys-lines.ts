// The lines of a keys file: `ACCESS_KEY_ID:NAME:SECRET`. A signature is verified with the secret itself, so the file has it.
import { encodeBase32 } from "../runtime/base32.ts";
import type { Random } from "../runtime/random.ts";
import { type LinesResult, nameFaultOf, parseLines } from "./named-lines.ts";

export interface AccessKey {
  /** Whose it is: a user, as with a password. One user may have several. */
  readonly name: string;
  readonly secret: string;
}

/** As long as AWS's own, and not like one: who finds it sees what it is for. */
export const newKeyId = (random: Random): string =>
  `MAILONCE${encodeBase32(random.octets(KEY_ID_OCTETS)).slice(0, 12).toUpperCase()}`;

/** 40 characters, as AWS's. */
export const newSecret = (random: Random): string => encodeBase32(random.octets(SECRET_OCTETS));

const KEY_ID_OCTETS = 10;
const SECRET_OCTETS = 25;

/** The keys by id, or every fault. */
export const parseKeys = (text: string): LinesResult<AccessKey> =>
  parseLines(text, "user", (value, keyId) => {
    // They end the id in an Authorization header, or what comes before it.
    if (/[/,=]/.test(keyId)) return { ok: false, fault: 'the id of the key has "/", "," or "="' };
    const [name = "", secret = "", ...more] = value.split(":");
    const nameFault = nameFaultOf(name);
    if (nameFault !== undefined) return { ok: false, fault: `the user's name ${nameFault}` };
    if (!/^[!-~]{16,128}$/.test(secret) || more.length > 0) {
      return {
        ok: false,
        fault: 'behind the user is no secret of 16 to 128 printable characters without ":"',
      };
    }
    return { ok: true, value: { name, secret } };
  });
