// Makes the names in a folder durable: what was made, renamed or removed there stays so after a loss of power.
import fs from "node:fs/promises";

/** @param files the machine's when left out */
export async function syncFolder(path: string, files: Pick<typeof fs, "open"> = fs): Promise<void> {
  const folder = await files.open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
