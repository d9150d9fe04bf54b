// From what Node and LevelDB throw to the four codes of a StorageError.
import { StorageError, type StorageErrorCode } from "./storage.ts";

/** Codes of classic-level and of Node; LevelDB hands on the system's own words, without its code. */
const MARKS: readonly (readonly [StorageErrorCode, RegExp])[] = [
  ["locked", /LEVEL_LOCKED/],
  ["full", /ENOSPC|EDQUOT|No space left|quota exceeded/i],
  ["damaged", /LEVEL_CORRUPTION|^Corruption:/],
];

/** How deep a chain of causes is followed, so that a circular one ends. */
const CAUSES_MAX = 10;

/**
 * @param path what was being used, for the message
 * @returns the error itself when it is a StorageError already
 */
export function toStorageError(error: unknown, path: string): StorageError {
  if (error instanceof StorageError) return error;
  const said = causesOf(error);
  const code = MARKS.find(([, mark]) => said.some((text) => mark.test(text)))?.[0] ?? "unavailable";
  return new StorageError(code, explain(code, path, said.at(-1) ?? "unknown error"), error);
}

/**
 * The stored data can't be trusted, and only its operator can decide what may be forgotten.
 *
 * @param consequence of going on with what is there
 */
export function damaged(path: string, said: string, consequence = CONSEQUENCE): StorageError {
  return new StorageError("damaged", `${path} is damaged (${said}); ${adviceWith(consequence)}`);
}

const CONSEQUENCE = "what it held may be lost or forgotten";

/** Advice about damaged stored state. */
export const adviceWith = (consequence: string): string =>
  "restore the whole data folder from a backup, or run mailonce data accept --yes to go on with what is there: " +
  consequence;

function explain(code: StorageErrorCode, path: string, said: string): string {
  switch (code) {
    case "locked":
      return `${path} is in use by another mailonce`;
    case "damaged":
      return damaged(path, said).message;
    case "full":
      return `no space left for ${path}`;
    case "unavailable":
      return `can't use ${path}: ${said}`;
  }
}

/** Code and message of the error and of each cause, outermost first. */
function causesOf(error: unknown): string[] {
  const said: string[] = [];
  let next = error;
  for (let depth = 0; depth < CAUSES_MAX && next instanceof Error; depth++) {
    if ("code" in next) said.push(String(next.code));
    said.push(next.message);
    next = next.cause;
  }
  return said;
}
