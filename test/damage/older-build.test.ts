// Version 0.1.0 on a sealed folder: it refuses the format, but only after LevelDB has opened the store and written new
// files. That is no damage, and the present version goes on.
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../support/process.ts";
import { type OldBuild, unpackOldBuild } from "../upgrade/old-build.ts";
import { type Folders, makeFolders } from "./folders.ts";
import { startOn } from "./start.ts";

let folders: Folders;
let old: OldBuild;
beforeAll(async () => {
  folders = await makeFolders();
  old = unpackOldBuild();
});
afterAll(() => {
  folders.remove();
  old.remove();
});

test.each([["serve"], ["ledger", "export"], ["doubtful", "list"]])(
  "0.1.0 refuses it: %s %s",
  async (...command) => {
    for (const from of [folders.clean, folders.killed]) {
      const folder = folders.copy(from);
      for (let time = 0; time < 2; time++) {
        const refused = await run(command, { DATA_DIR: folder, SMTP_PORT: 0 }, undefined, old);
        expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("has format 2") });
      }
      const { queued, doubts } = folders;
      const { said, ...started } = await startOn(folder, folders);
      expect(started).toEqual({ refusal: undefined, forgotten: 0, lost: 0, queued, doubts });
      expect(said.filter(([event]) => event.startsWith("data."))).toEqual([]);
    }
  },
);
