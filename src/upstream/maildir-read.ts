// Which messages of a Maildir have been read: a reader moves them from new/ to cur/ and adds flags to
// the name, so that only a list of the folder tells whether one is there.
import type nodeFiles from "node:fs/promises";

/** What is used of node:fs/promises. */
export type MaildirFiles = Pick<
  typeof nodeFiles,
  "lstat" | "mkdir" | "open" | "readdir" | "rename" | "rm" | "stat"
>;

export interface ReadNames {
  /**
   * @param name without flags
   * @param now the time by the clock of that disk, such as that of a file written just before
   */
  has(name: string, now: Date): Promise<boolean>;
}

/**
 * A folder changed this recently may change again within one tick of its time stamp. Coarser than the
 * stamps of any file system in use (FAT has two seconds).
 */
const STAMP_TICK_MS = 2_000;

/** The list is kept while the folder is unchanged, so a Maildir that nobody reads is listed once. */
export function createReadNames(cur: string, files: Pick<MaildirFiles, "readdir" | "stat">): ReadNames {
  let names: ReadonlySet<string> = new Set();
  let listedAt: number | undefined;
  return {
    async has(name, now) {
      const { mtimeMs } = await files.stat(cur);
      if (mtimeMs !== listedAt) {
        const listed = new Set<string>();
        for (const entry of await files.readdir(cur)) listed.add(entry.split(":", 1)[0] ?? entry);
        names = listed;
        listedAt = now.getTime() - mtimeMs > STAMP_TICK_MS ? mtimeMs : undefined;
      }
      return names.has(name);
    },
  };
}
