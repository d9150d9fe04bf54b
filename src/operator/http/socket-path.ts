// Where the operator's socket is: in the data folder, or, where that path is too long for a socket, in a folder of the
// system, under a name that belongs to the data folder. A file in the data folder then says where.
import { createHash } from "node:crypto";
import { readFile, realpath, stat, unlink, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";

const SOCKET = "operator.sock";

/** Has the path of a socket that is elsewhere. */
const POINTER = "operator.path";

/** sun_path of sockaddr_un holds 108 octets on Linux, 104 elsewhere, with a NUL. */
const PATH_MAX = 103;

const fits = (path: string): boolean => Buffer.byteLength(path) <= PATH_MAX;

/** A command may name the folder in another way than the gateway, from another working folder. */
const plainPathIn = (dataDir: string): string => join(resolve(dataDir), SOCKET);

/** The same for each way to name the folder, and another one for a copy of it. */
async function nameElsewhere(dataDir: string): Promise<string> {
  const path = await realpath(dataDir);
  return `mailonce-${createHash("sha256").update(path).digest("hex").slice(0, 16)}.sock`;
}

/** Where the system keeps sockets, the user's own folder first. */
const foldersIn = ({ XDG_RUNTIME_DIR, RUNTIME_DIRECTORY }: NodeJS.ProcessEnv): string[] => [
  ...(XDG_RUNTIME_DIR === undefined ? [] : [XDG_RUNTIME_DIR]),
  // Of a systemd unit with RuntimeDirectory=.
  ...(RUNTIME_DIRECTORY?.split(":") ?? []),
  "/run",
];

/** Whoever can write there could put another socket in the place of ours. */
async function isSafe(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined || !found.isDirectory() || (found.mode & 0o022) !== 0) return false;
  return found.uid === 0 || found.uid === process.getuid?.();
}

/**
 * Binds the socket at the first path that can be had.
 *
 * @param bind listens there; the name is free
 */
export async function placeSocket<T>(
  dataDir: string,
  environment: NodeJS.ProcessEnv,
  bind: (path: string) => Promise<T>,
): Promise<{ readonly bound: T; remove(): Promise<void> }> {
  const pointer = join(dataDir, POINTER);
  await remove(pointer);
  const at = async (path: string) => {
    await remove(path);
    return await bind(path);
  };
  const plain = plainPathIn(dataDir);
  if (fits(plain)) return { bound: await at(plain), remove: () => remove(plain) };
  const name = await nameElsewhere(dataDir);
  let fault: unknown = new Error(`${plain} is too long for a socket, and there is no other folder for it`);
  for (const folder of foldersIn(environment)) {
    const path = join(folder, name);
    if (!fits(path) || !(await isSafe(folder))) continue;
    try {
      const bound = await at(path);
      await writeFile(pointer, `${path}\n`, { mode: 0o600 });
      return {
        bound,
        async remove() {
          await remove(path);
          await remove(pointer);
        },
      };
    } catch (error) {
      fault = error;
    }
  }
  throw fault;
}

/** Where a gateway on this folder listens, if one does. */
export async function findSocket(dataDir: string): Promise<string | undefined> {
  const pointed = await readFile(join(dataDir, POINTER), "utf8").catch(() => undefined);
  if (pointed !== undefined) {
    const path = pointed.trim();
    // The pointer in a copy of a folder leads to the gateway of the other one.
    if (basename(path) === (await nameElsewhere(dataDir))) return path;
  }
  const plain = plainPathIn(dataDir);
  return fits(plain) ? plain : undefined;
}

/**
 * Not `rm`, which asks for the kind of the file: before Node.js 24, no symbolic link is followed by the next imports once that was
 * a socket (see log-output.ts).
 */
async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
