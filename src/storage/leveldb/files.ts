// The files of a LevelDB folder by their names: CURRENT, MANIFEST-000005, 000007.log, 000004.ldb.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const numbered = (number: number): string => String(number).padStart(6, "0");

export const manifestName = (number: number): string => `MANIFEST-${numbered(number)}`;
export const logName = (number: number): string => `${numbered(number)}.log`;
export const tableName = (number: number): string => `${numbered(number)}.ldb`;

/** The number of the manifest that CURRENT names; undefined when its content is no such name. */
export async function currentManifest(folder: string): Promise<number | undefined> {
  const content = await readFile(join(folder, "CURRENT"), "latin1");
  const digits = /^MANIFEST-(\d{6,15})\n$/.exec(content)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Numbers of the write-ahead logs in the folder, in their order. */
export async function logNumbers(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names
    .flatMap((name) => {
      const digits = /^(\d{6,15})\.log$/.exec(name)?.[1];
      return digits === undefined ? [] : [Number(digits)];
    })
    .sort((one, other) => one - other);
}
