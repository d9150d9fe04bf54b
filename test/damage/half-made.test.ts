// What a loss of power may leave of a store that was being made: no damage, and it is made anew.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { temporaryFolder } from "../support/storage.ts";

const KEY = Buffer.from("k");

test.each<[string, Readonly<Record<string, string>>]>([
  ["a lock", { LOCK: "", LOG: "" }],
  ["an empty manifest and no CURRENT", { "MANIFEST-000001": "" }],
  ["a CURRENT that names an empty manifest", { "MANIFEST-000001": "", CURRENT: "MANIFEST-000001\n" }],
  [
    "a second manifest that CURRENT does not name yet",
    { "MANIFEST-000001": "", CURRENT: "MANIFEST-000001\n", "MANIFEST-000002": "\0\0", "000003.log": "" },
  ],
])("%s", async (_, files) => {
  for (const store of ["spool/queue", "ledger/generation-000001"]) {
    const folder = await temporaryFolder();
    mkdirSync(join(folder, store), { recursive: true, mode: 0o700 });
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, store, name), content);
    for (let opening = 0; opening < 2; opening++) {
      const opened = await createDiskStorage(folder).openStore(store);
      expect(await opened.get(KEY)).toEqual(opening === 0 ? undefined : Buffer.from("v"));
      await opened.commit([{ type: "put", key: KEY, value: Buffer.from("v") }]);
      await opened.close();
    }
  }
});
