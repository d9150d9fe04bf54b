// `npm run build`: dist/ as it is published. The gateway and the library are bundled with the packages that they need, so that
// an installation is small, starts fast, and runs what was tested. What can't be bundled stays a dependency: an addon, and
// what a thread loads by its path.
//
//   dist/main.js                the command
//   dist/index.js, index.cjs    the library, its types in dist/types and dist/types-cjs
//   dist/licenses.txt           of what is bundled
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
/** pg looks for its native twin, and goes on without. */
const external = [...Object.keys(dependencies), "pg-native", "cloudflare:sockets"];

rmSync("dist", { recursive: true, force: true });
const packages = new Set();

async function bundle(input, output) {
  const built = await rolldown({ input, external, platform: "node", logLevel: "silent" });
  const { output: chunks } = await built.write({ dir: "dist", ...output });
  await built.close();
  for (const { moduleIds } of chunks) for (const id of moduleIds ?? []) addPackage(id);
  return chunks;
}

/** @param id of a module: its path, maybe with a mark of the bundler in front */
function addPackage(id) {
  const [, path] = /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id) ?? [];
  if (path !== undefined) packages.add(path);
}

// Names without a hash: a running gateway whose files are replaced still finds what it loads late.
const chunks = await bundle(
  { main: "src/main.ts", index: "src/index.ts" },
  {
    ...{ format: "esm", chunkFileNames: "parts/[name].js", minifyInternalExports: false },
  },
);
// The command ends within its own evaluation: who imported it would wait for that for ever.
const waiting = chunks.filter(({ imports = [], dynamicImports = [] }) =>
  [...imports, ...dynamicImports].includes("main.js"),
);
if (waiting.length > 0)
  throw new Error(`import main.js: ${waiting.map(({ fileName }) => fileName).join(", ")}`);
await bundle({ index: "src/index.ts" }, { format: "cjs", entryFileNames: "[name].cjs" });

execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  stdio: "inherit",
});
// The same types again where `require` finds them.
cpSync("dist/types", "dist/types-cjs", { recursive: true });
writeFileSync("dist/types-cjs/package.json", '{ "type": "commonjs" }\n');
cpSync("src/operator/pages/assets", "dist/parts/assets", { recursive: true });
writeFileSync("dist/licenses.txt", licenses());
chmodSync("dist/main.js", 0o755);

function licenses() {
  return [...packages]
    .map((path) => {
      const { name, version, license } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
      const file = readdirSync(path).find((one) => /^(licen[cs]e|copying)(\.\w+)?$/i.test(one));
      const text = file === undefined ? "" : `\n${readFileSync(join(path, file), "utf8").trim()}\n`;
      return `${name} ${version}: ${license}\n${text}`;
    })
    .sort()
    .join(`\n${"-".repeat(80)}\n`);
}
