// `npm run build`: dist/ as it is published. The gateway and the library are bundled with the packages that they need, so that
// an installation is small, starts fast, and runs what was tested. What can't be bundled stays a dependency: an addon, and
// what a thread loads by its path.
//
//   dist/main.js                the command
//   dist/index.js, index.cjs    the library, its types in dist/types and dist/types-cjs
//   dist/licenses.txt           of what is bundled
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
/** pg looks for its native twin, and goes on without. */
const external = [
  ...Object.keys(dependencies).filter((name) => name !== "classic-level"),
  ...["pg-native", "cloudflare:sockets"],
];

rmSync("dist", { recursive: true, force: true });
const packages = new Set();

async function bundle(input, output, plugins = []) {
  const built = await rolldown({ input, external, plugins, platform: "node", logLevel: "silent" });
  // Of the comments that a bundler keeps, licenses are in a file of their own, and the rest is in the sources.
  const { output: chunks } = await built.write({ dir: "dist", comments: false, ...output });
  await built.close();
  for (const { fileName, code } of chunks)
    if (code !== undefined) writeFileSync(join("dist", fileName), inAscii(code));
  for (const { moduleIds } of chunks) for (const id of moduleIds ?? []) addPackage(id);
  return chunks;
}

/** V8 keeps a source with a letter beyond Latin-1 in two octets a letter, as long as the process lives. */
function inAscii(code) {
  // The escape would be one itself.
  if (/\\[^\0-\x7f]/.test(code)) throw new Error("a backslash before a letter that is not ASCII");
  return code.replace(/[^\0-\x7f]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** @param id of a module: its path, maybe with a mark of the bundler in front */
function addPackage(id) {
  const [, path] = /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id) ?? [];
  if (path !== undefined) packages.add(path);
}

/** classic-level's addon finds itself by the folder of this file; the rest of the package is bundled. */
const ADDON = "classic-level/binding.js";
const addon = {
  name: "addon",
  resolveId: (id, from) =>
    id === "./binding" && from.includes("/classic-level/") ? { id: ADDON, external: true } : undefined,
};

/** What each module imports statically, a package that isn't bundled too. */
const imports = new Map();
const graph = { name: "graph", moduleParsed: ({ id, importedIds }) => void imports.set(id, importedIds) };

/** All that is loaded with a module, the bundler's own apart: that has a part by itself. */
function loadedWith(path, found = new Set()) {
  if (found.has(path) || /^node:|^\0/.test(path)) return found;
  found.add(path);
  for (const one of imports.get(path) ?? []) loadedWith(one, found);
  return found;
}
const once = (work) => {
  let result;
  return () => (result ??= work());
};
const everything = (...paths) => once(() => new Set(paths.flatMap((path) => [...loadedWith(resolve(path))])));

/** They open the stores themselves, or are a gateway. */
const OPENS = /^(data|ledger|serve)/;
const asking = readdirSync("src/cli").filter((name) => !OPENS.test(name));

const command = everything("src/main.ts");
const settings = everything("src/config/config.ts");
const gateway = everything("src/cli/serve.ts");
const others = everything(...asking.map((name) => `src/cli/${name}`));
/** It brings no package that reading the settings doesn't. */
const isLight = (id) =>
  [...loadedWith(id)].every((one) => settings().has(one) || command().has(one) || isOurs(one));
const isOurs = (id) => id.startsWith(resolve("src"));

/**
 * What is loaded together is one part, since a file costs a start more than the octets in it: left to itself the bundler
 * makes ninety of what `serve` needs. No part brings a command what is heavy, and the command doesn't need. A module is
 * in the first that takes it.
 */
const PARTS = {
  command: (id) => command().has(id) && id !== resolve("src/main.ts"),
  settings: (id) => settings().has(id),
  common: (id) => gateway().has(id) && others().has(id) && isLight(id),
  gateway: (id) => gateway().has(id) && !others().has(id),
};
const groups = Object.entries(PARTS).map(([name, test], index) => ({
  name,
  test,
  priority: Object.keys(PARTS).length - index,
}));

// Names without a hash: a running gateway whose files are replaced still finds what it loads late.
const chunks = await bundle(
  { main: "src/main.ts" },
  {
    ...{ format: "esm", chunkFileNames: "parts/[name].js", minifyInternalExports: false },
    codeSplitting: { groups },
  },
  [addon, graph],
);
// The command ends within its own evaluation: who imported it would wait for that for ever.
const waiting = chunks.filter(({ imports = [], dynamicImports = [] }) =>
  [...imports, ...dynamicImports].includes("main.js"),
);
if (waiting.length > 0)
  throw new Error(`import main.js: ${waiting.map(({ fileName }) => fileName).join(", ")}`);
await bundle({ index: "src/index.ts" }, { format: "esm" });
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
