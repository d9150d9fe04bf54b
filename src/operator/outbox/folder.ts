// What is in a Maildir, read by names that strangers choose in a URL: nothing outside new/ and cur/ is ever opened, and no
// link is followed.
import { constants } from "node:fs";
import nodeFiles, { type FileHandle } from "node:fs/promises";
import { basename, join, resolve, sep } from "node:path";
import { folderFault } from "../../upstream/maildir-check.ts";

/** Of both folders together. The time of each file is asked for once, at some 20 µs. */
export const NAMES_MAX = 10_000;

/** A file of a Maildir: what mailonce or another program calls it, and the flags of a mail reader. */
const FILE = /^([!-.0-9;-[\]-~]{1,200})(:2,[A-Za-z]{0,30})?$/;

/** As many times are asked for at once. */
const AT_ONCE = 64;

/** A link is not followed, and a pipe is not waited for. */
const READ_HERE = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

export interface MaildirEntry {
  /** Without the flags, which change when somebody reads the mail. */
  readonly name: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export interface MaildirListing {
  /** Newest first. */
  readonly entries: readonly MaildirEntry[];
  /** There are more names than were looked at. */
  readonly isMore: boolean;
}

export interface OpenMail extends MaildirEntry {
  readonly file: FileHandle;
}

export interface MaildirFolder {
  readonly path: string;
  /** Why nothing is read in it. */
  fault(): Promise<string | undefined>;
  list(): Promise<MaildirListing>;
  /** To be closed by the caller. @returns undefined where there is no mail of this name */
  open(name: string): Promise<OpenMail | undefined>;
}

type Files = Pick<typeof nodeFiles, "lstat" | "open" | "opendir">;

export function createMaildirFolder(at: string, files: Files = nodeFiles): MaildirFolder {
  const path = resolve(at);
  const [fresh, cur] = [join(path, "new"), join(path, "cur")];
  /** The listing before, and what it has by path. A mail that is relayed again keeps its place. */
  let last: MaildirListing = { entries: [], isMore: false };
  let known: ReadonlyMap<string, MaildirEntry> = new Map();
  let listing: Promise<MaildirListing> | undefined;

  const fault = async (): Promise<string | undefined> => {
    for (const folder of [path, fresh, cur]) {
      const found = await folderFault(folder, files);
      if (found !== undefined) return found;
    }
    return undefined;
  };

  /** The paths of files that are named as mails are. Links and folders are none. */
  async function pathsIn(folders: readonly string[]): Promise<[paths: string[], isMore: boolean]> {
    const paths: string[] = [];
    let looked = 0;
    for (const folder of folders) {
      const entries = await files.opendir(folder, { bufferSize: 1_000 }).catch(absent);
      if (entries === undefined) continue;
      for await (const entry of entries) {
        if (looked++ >= NAMES_MAX) return [paths, true];
        if (entry.isFile() && nameIn(entry.name) !== undefined) paths.push(`${folder}${sep}${entry.name}`);
      }
    }
    return [paths, false];
  }

  async function look(): Promise<MaildirListing> {
    if ((await fault()) !== undefined) return { entries: [], isMore: false };
    const [paths, isMore] = await pathsIn([fresh, cur]);
    if (isMore === last.isMore && paths.length === known.size && paths.every((one) => known.has(one)))
      return last;
    const entries = new Map<string, MaildirEntry>();
    for (let at = 0; at < paths.length; at += AT_ONCE) {
      const some = paths.slice(at, at + AT_ONCE);
      const found = await Promise.all(some.map((one) => known.get(one) ?? entryOf(one, files)));
      for (const [at, entry] of found.entries())
        if (entry !== undefined) entries.set(some[at] as string, entry);
    }
    known = entries;
    last = { entries: [...entries.values()].sort(newestFirst), isMore };
    return last;
  }

  /** With its flags, where a reader has put some. */
  async function readName(name: string): Promise<string | undefined> {
    const [paths] = await pathsIn([cur]);
    return paths.find((one) => one.startsWith(`${join(cur, name)}:`));
  }

  return {
    path,
    fault,

    list() {
      listing ??= look().finally(() => {
        listing = undefined;
      });
      return listing;
    },

    async open(name) {
      if (nameIn(name) !== name || (await fault()) !== undefined) return undefined;
      const plain =
        (await openAt(join(fresh, name), name, files)) ?? (await openAt(join(cur, name), name, files));
      if (plain !== undefined) return plain;
      const read = await readName(name);
      return read === undefined ? undefined : await openAt(read, name, files);
    },
  };
}

/** The name of the mail in a file of that name. */
const nameIn = (file: string): string | undefined =>
  file.startsWith(".") ? undefined : FILE.exec(file)?.[1];

const newestFirst = (a: MaildirEntry, b: MaildirEntry): number =>
  b.time - a.time || (a.name < b.name ? -1 : 1);

async function entryOf(path: string, files: Files): Promise<MaildirEntry | undefined> {
  const stats = await files.lstat(path).catch(absent);
  if (stats === undefined || !stats.isFile()) return undefined;
  const name = nameIn(basename(path));
  return name === undefined ? undefined : { name, size: stats.size, time: stats.mtimeMs };
}

async function openAt(path: string, name: string, files: Files): Promise<OpenMail | undefined> {
  const file = await files.open(path, READ_HERE).catch(absent);
  if (file === undefined) return undefined;
  const stats = await file.stat();
  if (stats.isFile()) return { name, file, size: stats.size, time: stats.mtimeMs };
  await file.close();
  return undefined;
}

/** What was there a moment ago, is no file, or is not for us to read, is not there. */
function absent(error: NodeJS.ErrnoException): undefined {
  if (ABSENT.has(error.code ?? "")) return undefined;
  throw error;
}

const ABSENT: ReadonlySet<string> = new Set([
  ...["ENOENT", "ENOTDIR", "ELOOP", "EISDIR", "EACCES", "EPERM", "ENXIO", "ENAMETOOLONG"],
]);
