// Changes of the users file, for `mailonce user`.
import { dropLine, putLine } from "./access-edit.ts";
import { parseUsers } from "./users-lines.ts";

/** @param hash as `hashPassword` gives it. See putLine. */
export const putUser = (
  path: string,
  name: string,
  hash: string,
  replace: boolean,
): Promise<"added" | "replaced" | "exists"> => putLine(path, parseUsers, name, hash, replace);

/** See dropLine. */
export const dropUser = (path: string, name: string): Promise<boolean> => dropLine(path, parseUsers, name);
