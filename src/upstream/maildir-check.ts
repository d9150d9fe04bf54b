// What a Maildir has to be before mail goes into it, known without making it: a folder of our own, that nobody else can
// write in and that is no link. Asked at the start, by check-config, and again before the first mail.
import nodeFiles, { access, constants } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Config, ConfigError } from "../config/config.ts";
import { maildirPathOf, viewsOf } from "../config/routes.ts";
import type { UpstreamCheck } from "./upstream.ts";

/** Of a Maildir, beside it itself. */
export const FOLDERS = ["tmp", "new", "cur"] as const;

/** Another user who can write in a folder can put a link there, or replace a mail. */
const WRITABLE_BY_OTHERS = 0o022;

/** "any": the user who asks may be another than the one who runs the gateway, as with check-config. */
type Owner = "ours" | "any";

/**
 * Why mail can't go into the folder, beginning with its path; undefined when it can, or when it is not there yet.
 *
 * @throws what the disk says
 */
export async function folderFault(
  folder: string,
  { lstat }: Pick<typeof nodeFiles, "lstat"> = nodeFiles,
  owner: Owner = "ours",
): Promise<string | undefined> {
  const stats = await lstat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    if (error.code === "ENOTDIR") return "no folder";
    throw error;
  });
  if (stats === undefined) return undefined;
  if (stats === "no folder") return `${dirname(folder)} is no folder`;
  const user = process.geteuid?.();
  if (stats.isSymbolicLink()) return `${folder} is a link; name the folder itself`;
  if (!stats.isDirectory()) return `${folder} is no folder`;
  // Windows knows neither owner nor mode.
  if (user === undefined) return undefined;
  if (owner === "ours" && stats.uid !== user) {
    return `${folder} belongs to user ${stats.uid}, and this is user ${user}`;
  }
  const isOpen = (stats.mode & WRITABLE_BY_OTHERS) !== 0;
  return isOpen ? `${folder} can be written by others; chmod go-w ${folder}` : undefined;
}

/** The same of a whole Maildir; what the disk says is a fault too. */
async function maildirFault(path: string, owner: Owner): Promise<string | undefined> {
  try {
    for (const folder of [path, ...FOLDERS.map((name) => join(path, name))]) {
      const fault = await folderFault(folder, nodeFiles, owner);
      if (fault !== undefined) return fault;
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** @throws ConfigError with each Maildir that mail can't go into */
export async function refuseUnsafeMaildirs(config: Config, owner: Owner): Promise<void> {
  const faults: string[] = [];
  for (const { place, config: view } of viewsOf(config)) {
    if (view.upstream.kind !== "maildir") continue;
    const fault = await maildirFault(maildirPathOf(view), owner);
    if (fault !== undefined) faults.push(`${place}.maildir.path: ${fault}`);
  }
  if (faults.length > 0) throw new ConfigError(faults);
}

export async function checkMaildir(path: string): Promise<UpstreamCheck> {
  const fault = await maildirFault(path, "any");
  if (fault !== undefined) return { isUsable: false, finding: fault };
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      await access(folder, constants.W_OK | constants.X_OK);
      return { isUsable: true, finding: folder === path ? "can be written to" : `can be made in ${folder}` };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" || folder === dirname(folder)) return { isUsable: false, finding: message };
    }
  }
}
