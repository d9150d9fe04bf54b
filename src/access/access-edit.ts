// Changes of a users, keys or tokens file, for `mailonce user`, `key` and `token`: one line is put, replaced or removed,
// all others stay as they are. The file is replaced whole, so that a gateway, or a loss of power, never sees half
// of one.
import { type FileHandle, open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "../runtime/sync-folder.ts";
import { AccessFileError, type Parse } from "./access-file.ts";
import { nameOn } from "./named-lines.ts";

/** What others may not do: the gateway refuses such a file. */
const OTHERS = 0o007;
const OWNER_ONLY = 0o600;

/**
 * Adds a line at the end, or replaces the value on the name's line. Makes the file when it is not there.
 *
 * @param parse finds the faults of the file
 * @param value what comes behind the name and a colon
 * @throws AccessFileError when the file has faults or can't be written
 */
export async function putLine(
  path: string,
  parse: Parse<unknown>,
  name: string,
  value: string,
  replace: boolean,
): Promise<"added" | "replaced" | "exists"> {
  let done: "added" | "replaced" | "exists" = "added";
  await edit(path, parse, "made when absent", (lines) => {
    const at = lines.findIndex((line) => nameOn(line) === name);
    if (at < 0) return [...lines, `${name}:${value}`];
    done = replace ? "replaced" : "exists";
    return replace ? lines.with(at, `${name}:${value}`) : undefined;
  });
  return done;
}

/**
 * @returns whether there was one
 * @throws AccessFileError when the file has faults, is not there or can't be written
 */
export async function dropLine(path: string, parse: Parse<unknown>, name: string): Promise<boolean> {
  let found = false;
  await edit(path, parse, "there", (lines) => {
    found = lines.some((line) => nameOn(line) === name);
    return found ? lines.filter((line) => nameOn(line) !== name) : undefined;
  });
  return found;
}

/** @param change from lines to lines; undefined leaves the file alone */
async function edit(
  given: string,
  parse: Parse<unknown>,
  expected: "there" | "made when absent",
  change: (lines: string[]) => string[] | undefined,
): Promise<void> {
  try {
    // A link stays one: what it leads to is replaced.
    const path = await realpath(given).catch(absent(given));
    // When two people edit at the same time, the second gets an error instead of undoing the first one's
    // change.
    const draft = `${path}.new`;
    const file = await open(draft, "wx", OWNER_ONLY).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
      throw new Error(`${draft} is there: another edit is under way, or one was cut short; remove it then`);
    });
    let replaced = false;
    try {
      const text = readFile(path, "utf8");
      const lines = change(
        linesOf(await (expected === "there" ? text : text.catch(absent(""))), given, parse),
      );
      if (lines === undefined) return;
      await keepOwner(file, path);
      await file.writeFile(lines.map((line) => `${line}\n`).join(""));
      await file.sync();
      await rename(draft, path);
      replaced = true;
      await syncFolder(dirname(path));
    } finally {
      await file.close();
      // Under its name there may be somebody else's draft by now.
      if (!replaced) await rm(draft, { force: true });
    }
  } catch (error) {
    if (error instanceof AccessFileError) throw error;
    throw new AccessFileError([`${given}: ${(error as Error).message}`]);
  }
}

/** A file with faults is not edited, since only its owner knows what it should say. */
function linesOf(text: string, path: string, parse: Parse<unknown>): string[] {
  const result = parse(text);
  if (!result.ok) throw new AccessFileError(result.faults.map((fault) => `${path}: ${fault}`));
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Edited by root, the file must stay readable to the user who runs the gateway. */
async function keepOwner(file: FileHandle, path: string): Promise<void> {
  const [own, old] = await Promise.all([file.stat(), stat(path).catch(absent(undefined))]);
  if (old === undefined) return;
  if (own.uid !== old.uid || own.gid !== old.gid) {
    await file.chown(old.uid, old.gid).catch(() => {
      throw new Error(`belongs to user ${old.uid}, group ${old.gid}: edit it as that user, or as root`);
    });
  }
  if ((old.mode & OTHERS) === 0) await file.chmod(old.mode & 0o777);
}

/** Turns the error that there is no such file into a value. */
const absent =
  <T>(value: T) =>
  (error: unknown): T => {
    if (codeOf(error) === "ENOENT") return value;
    throw error;
  };

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;
