// Whether a Maildir can be written to, without making it.
import { access, constants } from "node:fs/promises";
import { dirname } from "node:path";
import type { UpstreamCheck } from "./upstream.ts";

export async function checkMaildir(path: string): Promise<UpstreamCheck> {
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
