// A folder with copies of the TLS fixtures whose keys only the owner can read, as the gateway demands: git
// keeps no such modes.
import { chmodSync, copyFileSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeFolder } from "../support/process.ts";

const FIXTURES = fileURLToPath(new URL("../../fixtures/tls/", import.meta.url));

export interface TlsPlace {
  /** The path of a file in it. */
  path(name: string): string;
  read(name: string): string;
  /** Replaces a file as a careful writer does: at once. */
  put(name: string, content: string): void;
  remove(): void;
}

export function makeTlsPlace(): TlsPlace {
  const folder = makeFolder();
  const path = (name: string) => join(folder.path, name);
  for (const name of readdirSync(FIXTURES).filter((name) => name.endsWith(".pem"))) {
    copyFileSync(join(FIXTURES, name), path(name));
    if (name.endsWith("key.pem")) chmodSync(path(name), 0o600);
  }
  return {
    path,
    read: (name) => readFileSync(path(name), "utf8"),
    put(name, content) {
      writeFileSync(path(`${name}.new`), content, { mode: 0o600 });
      renameSync(path(`${name}.new`), path(name));
    },
    remove: folder.remove,
  };
}
