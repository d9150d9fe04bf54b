// A real disk below one folder that fails at chosen calls of a process, and that can lose power: failing-disk.c,
// compiled and preloaded. What a failed sync covered can be read on, as on Linux, and is gone when power is lost,
// whatever is synced later.
import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** The bits of failing-disk.c. "write" includes what LevelDB writes, and fails after a part has been written. */
export const OPERATIONS = {
  sync: 1,
  write: 2,
  open: 4,
  rename: 8,
  unlink: 16,
  mkdir: 32,
  truncate: 64,
} as const;
export type DiskOperation = keyof typeof OPERATIONS;

export interface DiskFault {
  readonly operation: DiskOperation;
  /** Only paths that hold this text; all below the folder when left out. */
  readonly path?: string;
  /** How many such calls go well before; none when left out. */
  readonly skip?: number;
  /** How many fail; one when left out. */
  readonly times?: number;
  /** The code of the system's error; EIO when left out. 0: a sync that says it has succeeded, and has done nothing. */
  readonly errno?: number;
}

export interface FailingDisk {
  /** For the process: which disk it has. */
  readonly environment: NodeJS.ProcessEnv;
  /** From now on. Takes the place of an earlier fault. */
  arm(fault: DiskFault): void;
  disarm(): void;
  /** Calls that were made to fail since the fault was armed. */
  hits(): number;
  /** Them, since the beginning: "fdatasync /spool/queue/000003.log". */
  failed(): string[];
  /**
   * To be called when no process uses the folder: takes from each file what was never durable, and what a failed sync
   * covered.
   *
   * @param part how much of what was written after the last sync goes: from 0 (nothing) to 1 (all of it)
   * @returns octets that are gone
   */
  losePower(part?: number): number;
  remove(): void;
}

const EIO = 5;
const CONTROL_OCTETS = 128;
const FILTER_AT = 32;
const SOURCE = resolve("test/support/failing-disk.c");

let library: string | undefined | "none";

/** The compiled library; undefined where there is no C compiler. */
function compiled(): string | undefined {
  if (library === undefined) {
    const folder = mkdtempSync(join(tmpdir(), "mailonce-failing-disk-"));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, "failing-disk.so");
    try {
      execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", path, SOURCE, "-ldl"], { stdio: "pipe" });
      library = path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      library = "none";
    }
  }
  return library === "none" ? undefined : library;
}

/** @param folder an absolute path, which need not be there yet. Undefined where there is no C compiler */
export function createFailingDisk(folder: string): FailingDisk | undefined {
  const preload = compiled();
  if (preload === undefined) return undefined;
  const own = mkdtempSync(join(tmpdir(), "mailonce-disk-notes-"));
  const notes = join(own, "notes");
  const control = join(own, "control");
  writeFileSync(notes, "");
  writeFileSync(control, new Uint8Array(CONTROL_OCTETS));
  const file = openSync(control, "r+");

  const put = (octets: Uint8Array): void => void writeSync(file, octets, 0, octets.length, 0);

  return {
    environment: {
      LD_PRELOAD: preload,
      FAILING_DISK_FOLDER: folder,
      FAILING_DISK_CONTROL: control,
      FAILING_DISK_NOTES: notes,
    },
    arm({ operation, path = "", skip = 0, times = 1, errno = EIO }) {
      const octets = Buffer.alloc(CONTROL_OCTETS);
      const numbers = [
        0,
        OPERATIONS[operation],
        skip,
        times === Number.POSITIVE_INFINITY ? -1 : times,
        errno,
        1,
      ];
      for (const [index, number] of numbers.entries()) octets.writeInt32LE(number, 4 * index);
      octets.write(path, FILTER_AT);
      put(octets);
      // Last, when all the rest is there.
      put(Buffer.of(1, 0, 0, 0));
    },
    disarm: () => put(Buffer.alloc(4)),
    hits() {
      const octets = Buffer.alloc(CONTROL_OCTETS);
      readSync(file, octets, 0, octets.length, 0);
      return octets.readInt32LE(24);
    },
    failed: () =>
      readFileSync(notes, "utf8")
        .split("\n")
        .flatMap((line) => (line.startsWith("H ") ? [line.slice(2)] : [])),
    losePower: (part = 1) => cut(folder, durableIn(readFileSync(notes, "utf8")), part),
    remove() {
      closeSync(file);
      rmSync(own, { recursive: true, force: true });
    },
  };
}

interface Durable {
  octets: number;
  readonly lost: [from: number, to: number][];
}

/** What is durable of each file, by its inode. */
function durableIn(notes: string): Map<number, Durable> {
  const files = new Map<number, Durable>();
  for (const line of notes.split("\n")) {
    const [kind, inode = "", octets = ""] = line.split(" ");
    if (kind === "N") files.set(Number(inode), { octets: 0, lost: [] });
    if (kind !== "S" && kind !== "L") continue;
    const one = files.get(Number(inode)) ?? { octets: 0, lost: [] };
    files.set(Number(inode), one);
    if (kind === "L") one.lost.push([one.octets, Number(octets)]);
    one.octets = Math.max(one.octets, Number(octets));
  }
  return files;
}

function cut(folder: string, files: ReadonlyMap<number, Durable>, part: number): number {
  let gone = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { ino, size } = statSync(path);
    const durable = files.get(ino) ?? { octets: 0, lost: [] };
    const left = size - Math.floor(Math.max(0, size - durable.octets) * part);
    truncateSync(path, left);
    gone += size - left;
    for (const [from, to] of durable.lost) {
      const end = Math.min(to, left);
      if (end <= from) continue;
      const file = openSync(path, "r+");
      writeSync(file, new Uint8Array(end - from), 0, end - from, from);
      closeSync(file);
      gone += end - from;
    }
  }
  return gone;
}
