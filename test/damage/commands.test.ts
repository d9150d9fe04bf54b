// `mailonce data check` and `data accept`: what they print and do, as a person runs them.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { acceptFolder } from "../../src/storage/folder-accept.ts";
import { checkFolder } from "../../src/storage/folder-check.ts";
import { findLostSeals } from "../../src/storage/sealed-format.ts";
import { run } from "../support/process.ts";
import { type Folders, filesIn, makeFolders } from "./folders.ts";
import { startOn } from "./start.ts";

let folders: Folders;
beforeAll(async () => {
  folders = await makeFolders();
});
afterAll(() => folders.remove());

const GENERATION = "ledger/generation-000001";

function newest(folder: string, store: string, ending: string): string {
  const names = filesIn(join(folder, store)).filter((name) => name.endsWith(ending));
  return join(store, names.at(-1) as string);
}

function change(path: string, share: number): void {
  const octets = readFileSync(path);
  const at = Math.floor(octets.length * share);
  octets[at] = (octets[at] as number) ^ 16;
  writeFileSync(path, octets);
}

/** Content of all files but locks and LevelDB's diaries. */
function contentOf(folder: string): Record<string, string> {
  const names = filesIn(folder).filter((name) => !/^lock\/|LOCK$|LOG(\.old)?$/.test(name));
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), "latin1")]));
}

test("nothing is wrong with a folder that was left in order, nor with one that was killed", async () => {
  for (const from of [folders.clean, folders.killed]) {
    const folder = folders.copy(from);
    const checked = await run(["data", "check"], { DATA_DIR: folder });
    expect(checked).toEqual({ code: 0, stdout: "nothing is wrong\n", stderr: "" });
    const accepted = await run(["data", "accept", "--yes"], { DATA_DIR: folder });
    expect(accepted).toMatchObject({ code: 0, stdout: expect.stringContaining("nothing to accept") });
  }
});

test("each thing that is wrong is a line, and neither command changes anything without --yes", async () => {
  const folder = folders.copy(folders.clean);
  const log = newest(folder, "spool/queue", ".log");
  const table = newest(folder, GENERATION, ".ldb");
  truncateSync(join(folder, log), statSync(join(folder, log)).size - 1);
  change(join(folder, table), 0.3);
  rmSync(join(folder, "seal.0"));
  const before = contentOf(folder);
  const checked = await run(["data", "check"], { DATA_DIR: folder });
  expect(checked.code).toBe(1);
  const lines = checked.stdout.trimEnd().split("\n");
  expect(lines).toEqual([
    expect.stringMatching(
      `^${log}: it is \\d+ octets long, and was \\d+; mail that was answered 250 may be lost`,
    ),
    expect.stringMatching(`^${table}: octet \\d+: the checksum .*; ids relayed before may be forgotten`),
    expect.stringMatching("^seal.0: it is missing; .*nothing is lost"),
  ]);
  const refused = await run(["data", "accept"], { DATA_DIR: folder });
  expect(refused).toMatchObject({
    code: 1,
    stdout: checked.stdout,
    stderr: expect.stringContaining("--yes"),
  });
  expect(contentOf(folder)).toEqual(before);
});

test("a body that has changed and a filter of another state are found by the check", async () => {
  const folder = folders.copy(folders.clean);
  const body = filesIn(folder).find((name) => name.startsWith("spool/bodies/")) as string;
  change(join(folder, body), 0.5);
  change(join(folder, `${GENERATION}.filter`), 0.5);
  const checked = await run(["data", "check"], { DATA_DIR: folder });
  expect(checked.code).toBe(1);
  expect(checked.stdout).toMatch(/its body file has changed on the disk; .* reported to the sender/);
  expect(checked.stdout).toContain(`${GENERATION}.filter is damaged`);
});

test("a folder that is in use is not touched, and none is made", async () => {
  const folder = folders.copy(folders.clean);
  const store = await createDiskStorage(folder).openStore("spool/queue");
  for (const command of [["check"], ["accept", "--yes"]]) {
    const said = await run(["data", ...command], { DATA_DIR: folder });
    expect(said).toMatchObject({
      code: 1,
      stderr: `mailonce: ${folder} is in use by another mailonce\n`,
    });
  }
  await store.close();
  const nowhere = join(folder, "nowhere");
  const missing = await run(["data", "check"], { DATA_DIR: nowhere });
  expect(missing).toMatchObject({ code: 1, stderr: `mailonce: there is no data in ${nowhere}\n` });
  expect(existsSync(nowhere)).toBe(false);
});

const DAMAGES: readonly (readonly [name: string, damage: (folder: string) => void])[] = [
  [
    "a generation's log is gone",
    (folder) => rmSync(join(folder, newest(folder, "ledger/generation-000004", ".log"))),
  ],
  [
    "a generation's log has another bit",
    (folder) => change(join(folder, newest(folder, "ledger/generation-000004", ".log")), 0.5),
  ],
  ["a generation is gone", (folder) => rmSync(join(folder, GENERATION), { recursive: true })],
  ["a generation's table is gone", (folder) => rmSync(join(folder, newest(folder, GENERATION, ".ldb")))],
  ["a generation's CURRENT is gone", (folder) => rmSync(join(folder, GENERATION, "CURRENT"))],
  [
    "the state's log is empty",
    (folder) => truncateSync(join(folder, newest(folder, "ledger/state", ".log"))),
  ],
  [
    "the state's table has another bit",
    (folder) => change(join(folder, newest(folder, "ledger/state", ".ldb")), 0.1),
  ],
  [
    "the state's manifest is gone",
    (folder) =>
      rmSync(
        join(
          folder,
          newest(folder, "ledger/state", "").replace(
            /[^/]+$/,
            filesIn(join(folder, "ledger/state")).find((name) => name.startsWith("MANIFEST")) as string,
          ),
        ),
      ),
  ],
  ["the state is gone", (folder) => rmSync(join(folder, "ledger/state"), { recursive: true })],
  [
    "the queue's table has another bit",
    (folder) => change(join(folder, newest(folder, "spool/queue", ".ldb")), 0.1),
  ],
  [
    "the queue's log has another bit",
    (folder) => change(join(folder, newest(folder, "spool/queue", ".log")), 0.9),
  ],
  ["the queue is gone", (folder) => rmSync(join(folder, "spool/queue"), { recursive: true })],
  [
    "the queue is an empty folder",
    (folder) => {
      rmSync(join(folder, "spool/queue"), { recursive: true });
      mkdirSync(join(folder, "spool/queue"), { mode: 0o700 });
    },
  ],
  ["the ledger is gone", (folder) => rmSync(join(folder, "ledger"), { recursive: true })],
  [
    "both seals are gone",
    (folder) => {
      rmSync(join(folder, "seal.0"));
      rmSync(join(folder, "seal.1"));
    },
  ],
];

test.each(DAMAGES)("%s: refused until it is accepted, and started ever after", async (_, damage) => {
  const folder = folders.copy(folders.clean);
  damage(folder);
  expect((await startOn(folder, folders)).refusal).toContain("data accept --yes");
  const found = await checkFolder(folder, true);
  const check = { ...found, findings: [...found.findings, ...(await findLostSeals(folder, found))] };
  expect(check.findings.length).toBeGreaterThan(0);
  const done = await acceptFolder(folder, check);
  expect(done.at(-1)).toBe("the data folder is sealed as it is now");
  for (let start = 0; start < 2; start++) expect((await startOn(folder, folders)).refusal).toBeUndefined();
  expect((await checkFolder(folder, true)).findings).toEqual([]);
});
