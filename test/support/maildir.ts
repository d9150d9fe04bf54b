// Reads what the Maildir upstream delivered.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The contents of all messages, as latin1, so that every octet is one character. */
export function readMaildir(path: string): string[] {
  const folder = join(path, "new");
  try {
    return readdirSync(folder).map((name) => readFileSync(join(folder, name), "latin1"));
  } catch {
    return [];
  }
}

/** The value of a header field of each message, unfolded; undefined where it is missing. */
export function valuesOf(messages: readonly string[], field: string): (string | undefined)[] {
  const pattern = new RegExp(`^${field}:[ \\t]*([^\\r\\n]*(?:\\r\\n[ \\t][^\\r\\n]*)*)`, "im");
  return messages.map((message) => {
    const header = message.split("\r\n\r\n")[0] ?? "";
    return pattern.exec(header)?.[1]?.replace(/\r\n/g, "");
  });
}
