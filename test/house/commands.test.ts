// What a command loads at once: one that asks a running gateway needs none of the stores, and starts without them.
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

const commands = readdirSync(COMMANDS).filter((name) => name.endsWith(".ts") && !OPENS.test(name));

test("is not a store, where a gateway may be asked", () => {
  const ways = commands.flatMap((name) => wayTo(LEVEL, join(COMMANDS, name))?.join(" → ") ?? []);
  expect(ways.filter((way) => !way.startsWith(`${COMMANDS}/stopped-world.ts`))).toEqual([]);
});

test("a way to the stores is found", () => {
  expect(wayTo(LEVEL, join(COMMANDS, "data.ts"))?.at(-1)).toBe(LEVEL);
});
