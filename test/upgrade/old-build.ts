// The gateway of version 0.1.0 as it was built, before any stored format changed: for what an older build says to
// a newer folder, and for gateways of both builds on one ledger. It uses the present node_modules;
// what it imports and nothing of now does is among the development dependencies (piscina, rate-limiter-flexible).
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Program } from "../support/process.ts";

const ARCHIVE = resolve("test/fixtures/mailonce-0.1.0.tar.gz");

export interface OldBuild extends Program {
  /** The folder of package.json and dist. */
  readonly folder: string;
  remove(): void;
}

/** Unpacks it into a folder of its own. */
export function unpackOldBuild(): OldBuild {
  const parent = mkdtempSync(join(tmpdir(), "mailonce-0.1.0-"));
  execFileSync("tar", ["-xzf", ARCHIVE, "-C", parent]);
  symlinkSync(resolve("node_modules"), join(parent, "node_modules"));
  const folder = join(parent, "mailonce-0.1.0");
  return {
    folder,
    main: join(folder, "dist/main.js"),
    remove: () => rmSync(parent, { recursive: true, force: true }),
  };
}
