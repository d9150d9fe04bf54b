// Installed as pnpm does it: packages are behind symbolic links. Node.js before 24 follows no link once a program has asked for
// the kind of a pipe or a socket; a package can be loaded in part then, and HTTP answers nothing.
import { spawnSync } from "node:child_process";
import { realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { build } from "../crash/gateway-process.ts";
import { temporaryFolder } from "../support/storage.ts";

const compiled = build();
afterAll(() => compiled.remove());

const built = (module: string): string =>
  pathToFileURL(join(dirname(compiled.main), "../../src", `${module}.js`)).href;

test.each([
  ["asked what its output is", "neverWaitForReader()"],
  ["asked whether its outputs are the same", "isSameFile(1, 2)"],
  ["removed the socket of a gateway that was killed", "await placeSocket(process.cwd(), {}, listenAt)"],
])("a package is found where it is after the gateway has %s", async (_, asked) => {
  const folder = await temporaryFolder();
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  // What has been imported from the folder makes Node.js know it.
  writeFileSync(join(folder, "other.mjs"), "");
  writeFileSync(
    join(folder, "program.mjs"),
    `import { createServer } from "node:net";
     import { placeSocket } from "${built("operator/http/socket-path")}";
     import { isSameFile, neverWaitForReader } from "${built("runtime/log-output")}";
     const listenAt = (path) => new Promise((done) => createServer().listen(path, done).unref());
     await listenAt("operator.sock");
     await import("./other.mjs");
     ${asked};
     process.stderr.write(import.meta.resolve("prom-client"));`,
  );
  const { stderr } = spawnSync(process.execPath, [join(folder, "program.mjs")], {
    ...{ cwd: folder, encoding: "utf8" },
  });
  expect(stderr).toBe(pathToFileURL(realpathSync("node_modules/prom-client/index.js")).href);
});
