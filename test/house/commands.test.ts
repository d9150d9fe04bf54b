// What a command loads at once: one that asks a running gateway needs none of the stores, and starts without them; and
// `serve` loads what a start on the defaults needs, in few files.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const COMMANDS = "src/cli";

/** The stores' native library. */
const LEVEL = "src/storage/level-store.ts";

/** They open the folder themselves; the rest of the commands ask first. */
const OPENS = /^(data|ledger|archive|serve)/;

/** An import of values, not of types alone, that is loaded with the file. */
const IMPORTS = /^(?:import|export) (?!type )[^;]*?from "(\.[^"]+)";$/gm;

function wayTo(target: string, from: string, seen = new Set<string>()): readonly string[] | undefined {
  if (from === target) return [from];
  seen.add(from);
  for (const [, name = ""] of readFileSync(from, "utf8").matchAll(IMPORTS)) {
    const file = normalize(join(dirname(from), name));
    const way = seen.has(file) ? undefined : wayTo(target, file, seen);
    if (way !== undefined) return [from, ...way];
  }
  return undefined;
}

/** What a built part imports statically of the others. */
const BUILT = /^import (?:[^;]*? from )?"(\.[^"]+)";$/gm;

function builtWith(file: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, name = ""] of readFileSync(file, "utf8").matchAll(BUILT)) {
    builtWith(normalize(join(dirname(file), name)), found);
  }
  return found;
}

/** The files that it loads only where they are wanted: HTTP, whatever is not the default, and what reads a mail apart. */
const WANTED = [
  "src/operator/serving/listeners.ts",
  "src/metrics/exposition.ts",
  "src/upstream/smtp/smtp.ts",
  "src/upstream/ses/ses.ts",
  "src/upstream/ses/events/intake.ts",
  "src/ledger/shared/open.ts",
  "src/ledger/postgres/postgres.ts",
  "src/ledger/dynamodb/dynamodb.ts",
  "src/listeners/ses-api/listener.ts",
];

const commands = readdirSync(COMMANDS).filter((name) => name.endsWith(".ts") && !OPENS.test(name));

test("is not a store, where a gateway may be asked", () => {
  const ways = commands.flatMap((name) => wayTo(LEVEL, join(COMMANDS, name))?.join(" → ") ?? []);
  expect(ways.filter((way) => !way.startsWith(`${COMMANDS}/stopped-world.ts`))).toEqual([]);
});

test("a way to the stores is found", () => {
  expect(wayTo(LEVEL, join(COMMANDS, "data.ts"))?.at(-1)).toBe(LEVEL);
});

test.each(WANTED)("%s is not loaded with serve", (file) => {
  expect(readFileSync(file, "utf8")).not.toBe("");
  expect(wayTo(file, `${COMMANDS}/serve.ts`)?.join(" → ")).toBeUndefined();
});

test("what serve loads at once is in few files, and what every command loads in two", () => {
  const loaded = builtWith("dist/parts/gateway.js");
  expect([...loaded].sort()).toEqual(
    ["command", "common", "gateway", "rolldown-runtime", "settings"].map((name) => `dist/parts/${name}.js`),
  );
  expect([...builtWith("dist/main.js")].sort()).toEqual([
    "dist/main.js",
    "dist/parts/command.js",
    "dist/parts/rolldown-runtime.js",
  ]);
});

test("what is built is in ASCII, which V8 keeps in one octet a letter", () => {
  const files = readdirSync("dist/parts").filter((name) => name.endsWith(".js"));
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter((name) => /[^\0-\x7f]/.test(readFileSync(`dist/parts/${name}`, "latin1")))).toEqual([]);
});

test("what the first request over HTTP loads needs no other part: it may be of a newer build by then", () => {
  const part = "dist/parts/dist.js";
  expect(readFileSync(part, "utf8")).toContain("// node_modules/@hono/node-server/");
  expect([...builtWith(part)]).toEqual([part]);
});
