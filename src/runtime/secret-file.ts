// Files that hold a secret: read with care, and refused when other users of the machine can read or change
// them. The operator decides about the rights of a group: systemd's credentials and the volumes of Kubernetes
// (fsGroup) come readable to a group. No message holds the content. A path may be a pipe's, so facts are asked in bigints
// (see log-output.ts).
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";

/** Of a secret, a password or a key. A larger file is another file that was named by mistake. */
const OCTETS_MAX = 64 * 1024;

const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;
const OTHERS = 0o007;

/** Without the file's name: faults name it. */
const isTooOpen = (mode: number): string | undefined => {
  // Windows knows no such rights; Node.js makes up a mode there.
  if (process.platform === "win32" || (mode & OTHERS) === 0) return undefined;
  const rights = [mode & OTHERS_READ && "read", mode & OTHERS_WRITE && "change"].filter(Boolean);
  return rights.length === 0 ? "others have rights to it" : `others can ${rights.join(" and ")} it`;
};

const tooOpenFault = (path: string, { mode }: { mode: bigint }): string | undefined => {
  const what = isTooOpen(Number(mode));
  return what && `${path}: ${what}; chmod 600 ${path}`;
};

/**
 * The fault in the rights of a file that only its owner, and perhaps a group, may use: the users file, a key,
 * a configuration file that holds a secret itself. A symbolic link counts as its target.
 *
 * @returns the fault, with path and remedy; undefined when there is none, or when the file can't be reached,
 *   since its reader reports that
 */
export function tooOpen(path: string): string | undefined {
  try {
    return tooOpenFault(path, statSync(path, { bigint: true }));
  } catch {
    return undefined;
  }
}

/**
 * The secret in a file: its content in UTF-8 without the one line end that editors put last.
 *
 * @throws Error whose message names the path and what is wrong, never the content
 */
export function readSecretFile(path: string): string {
  const octets = readChecked(path);
  let text: string;
  try {
    // A byte order mark is kept: what is a secret is taken as it is, or the other side has another one.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw new Error(`${path}: is not UTF-8`);
  }
  const secret = text.replace(/\r?\n$/, "");
  if (secret === "") throw new Error(`${path}: is empty`);
  return secret;
}

/** Rights and kind are those of the file that is read, whatever happens to its name meanwhile. */
function readChecked(path: string): Uint8Array {
  const file = attempt(path, () =>
    // Opening a pipe would wait for somebody to write into it.
    openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)),
  );
  try {
    const stats = attempt(path, () => fstatSync(file, { bigint: true }));
    if (!stats.isFile()) throw new Error(`${path}: is not a regular file`);
    const fault = tooOpenFault(path, stats);
    if (fault !== undefined) throw new Error(fault);
    const octets = new Uint8Array(OCTETS_MAX + 1);
    let size = 0;
    for (let read = -1; read !== 0 && size < octets.length; size += read) {
      read = attempt(path, () => readSync(file, octets, size, octets.length - size, null));
    }
    if (size > OCTETS_MAX) throw new Error(`${path}: is larger than ${OCTETS_MAX / 1024} KiB`);
    return octets.subarray(0, size);
  } finally {
    closeSync(file);
  }
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`${path}: can't be read: ${(error as Error).message}`);
  }
}
