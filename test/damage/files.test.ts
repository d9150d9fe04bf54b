// Every file of a data folder, damaged in every way of the table: a start says what the table says, and forgets nothing
// without a word.
import { cpSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogFields } from "../../src/runtime/log.ts";
import { consequenceOf } from "../../src/storage/folder-check.ts";
import { watchTables } from "../../src/storage/table-watch.ts";
import { type Folders, filesIn, makeFolders } from "./folders.ts";
import { type Started, startOn } from "./start.ts";
import { DAMAGES, type Damage, type Outcome, PARTS, PARTS_WITH_SEALS, rowFor } from "./table.ts";

let folders: Folders;
beforeAll(async () => {
  folders = await makeFolders();
});
afterAll(() => folders.remove());

/** Places in a file where one bit is changed, as shares of its length. */
const PLACES = [0, 0.37, 0.999_999];

function flip(path: string, at: number, bit = 3): void {
  const octets = readFileSync(path);
  octets[at] = (octets[at] as number) ^ (1 << bit);
  writeFileSync(path, octets);
}

/** What is done to the file: one variant or several; none where that changes nothing. */
function variantsOf(folder: string, file: string, damage: Damage): ((path: string) => void)[] {
  const { size } = statSync(join(folder, file));
  switch (damage) {
    case "deleted":
      return [(path) => rmSync(path)];
    case "emptied":
      return size === 0 ? [] : [(path) => truncateSync(path)];
    case "cut":
      return [...new Set([size - 1, size >> 1])]
        .filter((length) => length > 0)
        .map((length) => (path) => truncateSync(path, length));
    case "one bit changed":
      return size === 0 ? [] : PLACES.map((share) => (path) => flip(path, Math.floor(share * size)));
    case "an earlier copy": {
      const from = [folders.older, folders.earlier].map((earlier) => join(earlier, file)).filter(existsSync);
      return from
        .filter((earlier) => Buffer.compare(readFileSync(earlier), readFileSync(join(folder, file))) !== 0)
        .map((earlier) => (path) => cpSync(earlier, path));
    }
  }
}

const WHOLE = { refusal: undefined, forgotten: 0, lost: 0 };

function expectOutcome(outcome: Outcome, file: string, started: Started): void {
  const { said, ...found } = started;
  const named = said.filter(([, fields]) => JSON.stringify(fields).includes(file));
  const context = `${file}: ${JSON.stringify(started)}`;
  if (outcome === "refused") {
    expect(found.refusal, context).toContain(file.slice(dirname(file).length + 1));
    expect(found.refusal, context).toContain(dirname(file));
    expect(found.refusal, context).toContain(consequenceOf(dirname(file)));
    expect(found.refusal, context).toContain(
      "restore the whole data folder from a backup, or run mailonce data accept",
    );
    return;
  }
  const { queued, doubts } = folders;
  const expected = { ...WHOLE, queued, doubts, lost: outcome === "reported" ? 1 : 0 };
  expect(found, context).toEqual(expected);
  const events: Partial<Record<Outcome, string>> = {
    repaired: "data.repaired",
    rebuilt: "ledger.filter_unused",
  };
  if (events[outcome] !== undefined)
    expect(
      named.map(([event]) => event),
      context,
    ).toEqual([events[outcome]]);
}

/** A round of the watch over all tables: what it says. */
async function watchRound(folder: string): Promise<LogFields> {
  const stores = filesIn(folder).flatMap((file) => (file.endsWith("/CURRENT") ? [dirname(file)] : []));
  return await new Promise((resolve) => {
    const note = (event: string, fields: LogFields = {}) => {
      watch.stop();
      resolve({ event, ...fields });
    };
    const log = { debug() {}, info() {}, warn: note, error: note };
    const watch = watchTables({ folder, stores: () => stores, log, roundMs: 10 });
  });
}

async function tryOne(from: string, file: string, damage: Damage): Promise<number> {
  const row = rowFor(file, damage);
  const variants = variantsOf(from, file, damage);
  if (row === undefined) throw new Error(`the table says nothing of ${file}, ${damage}`);
  for (const change of variants) {
    const folder = folders.copy(from);
    change(join(folder, file));
    if (row.outcome === "named within the hour") {
      const { event, file: named } = await watchRound(folder);
      expect([event, named]).toEqual(["data.damaged", file]);
    } else expectOutcome(row.outcome, file, await startOn(folder, folders));
  }
  return variants.length;
}

test.each(["clean", "killed"] as const)("%s, and not damaged: starts, and knows all", async (kind) => {
  const folder = folders.copy(folders[kind]);
  const { queued, doubts } = folders;
  for (let start = 0; start < 2; start++) {
    expect(await startOn(folder, folders)).toEqual({ ...WHOLE, queued, doubts, said: expect.anything() });
  }
});

/**
 * All files of the clean one but those of further generations, and LevelDB's own diary of one store; of the killed one
 * what a stop would have made otherwise. DAMAGE_ALL=1 tries all.
 */
function isSampled(kind: "clean" | "killed", file: string): boolean {
  if (/generation-00000[2-9]/.test(file)) return false;
  if (/LOG/.test(file)) return file.startsWith("spool/queue/") && kind === "clean";
  return kind === "clean" || /\.log$|^seal|MANIFEST/.test(file);
}

describe.each(["clean", "killed"] as const)("one file of a folder left %s", (kind) => {
  test.each(DAMAGES)("%s", async (damage) => {
    let tried = 0;
    const files = filesIn(folders[kind]);
    for (const file of files) {
      if (!process.env.DAMAGE_ALL && !isSampled(kind, file)) continue;
      tried += await tryOne(folders[kind], file, damage);
    }
    expect(tried).toBeGreaterThan(4);
  });
});

test("any bit of any file that a start reads", async () => {
  const files = filesIn(folders.clean).filter((file) => statSync(join(folders.clean, file)).size > 0);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...files),
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      fc.nat(7),
      async (file, share, bit) => {
        const row = rowFor(file, "one bit changed");
        if (row === undefined) throw new Error(`the table says nothing of ${file}`);
        const folder = folders.copy(folders.clean);
        flip(join(folder, file), Math.floor(share * statSync(join(folder, file)).size), bit);
        if (row.outcome === "named within the hour") expect((await watchRound(folder)).file).toBe(file);
        else expectOutcome(row.outcome, file, await startOn(folder, folders));
      },
    ),
    { numRuns: Number(process.env.DAMAGE_RUNS ?? 60), seed: 20131210 },
  );
});

/** The files of the store or folder that the part is; of several generations one that has changed since. */
function partOf(folder: string, copy: string, paths: readonly RegExp[]): { gone: string[]; back: string[] } {
  const isIn = (file: string) => paths.some((path) => path.test(file));
  const [now, then] = [folder, copy].map((at) => filesIn(at).filter(isIn)) as [string[], string[]];
  const generations = now.flatMap((file) => /^ledger\/generation-\d+\//.exec(file)?.[0] ?? []);
  if (!now.every((file) => file.startsWith("ledger/generation-"))) return { gone: now, back: then };
  const isSame = (file: string) =>
    existsSync(join(copy, file)) &&
    Buffer.compare(readFileSync(join(copy, file)), readFileSync(join(folder, file))) === 0;
  const one = generations.find(
    (name) => existsSync(join(copy, name)) && now.some((file) => file.startsWith(name) && !isSame(file)),
  );
  if (one === undefined) throw new Error("no generation has changed");
  return {
    gone: now.filter((file) => file.startsWith(one)),
    back: then.filter((file) => file.startsWith(one)),
  };
}

describe.each<[copy: "older" | "earlier", parts: typeof PARTS]>([
  ["older", [...PARTS, ...PARTS_WITH_SEALS]],
  ["earlier", PARTS],
])("put back from a copy that is %s", (copy, parts) => {
  test.each(parts)("$part: refused, for as long as it is so", async ({ paths }) => {
    for (const kind of ["clean", "killed"] as const) {
      const folder = folders.copy(folders[kind]);
      const { gone, back } = partOf(folder, folders[copy], paths);
      for (const file of gone) rmSync(join(folder, file));
      for (const file of back) cpSync(join(folders[copy], file), join(folder, file));
      for (let start = 0; start < 2; start++) {
        const { refusal } = await startOn(folder, folders);
        expect(refusal, kind).toContain("data accept");
      }
    }
  });
});

test.each([
  ["deleted", (path: string) => rmSync(path)],
  ["emptied", (path: string) => truncateSync(path)],
  ["changed by one bit", (path: string) => flip(path, 70)],
])("both seals %s: refused, for as long as it is so", async (_, damage) => {
  for (const kind of ["clean", "killed"] as const) {
    const folder = folders.copy(folders[kind]);
    for (const seal of ["seal.0", "seal.1"]) damage(join(folder, seal));
    for (let start = 0; start < 2; start++) {
      const { refusal } = await startOn(folder, folders);
      expect(refusal).toContain("seal.0");
      expect(refusal).toContain("seal.1");
      expect(refusal).toContain(consequenceOf(""));
    }
  }
});
