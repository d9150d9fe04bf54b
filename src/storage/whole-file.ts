// Replaces small files whole and durably.
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "../runtime/sync-folder.ts";

/**
 * Replaces a file by a whole one, durably: a crash leaves the earlier content or this one.
 *
 * @param temporary in the same folder; what is there under this name is lost
 */
export async function writeWhole(
  path: string,
  temporary: string,
  content: Uint8Array,
  mode: number,
): Promise<void> {
  try {
    // Never on top of a file whose sync has failed: what it holds need not be what was written to it.
    await rm(temporary, { force: true });
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}
