// Imports run one way: a reader who goes from a file to what it imports never comes back. Held from the sources.
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const SOURCE = "src";

/** What a file imports of ours, types too, at once or later. */
const IMPORTS = /\b(?:from|import\()\s*"(\.[^"]+)"/g;

/** Puts parts together, and so imports from folders that import its own; it counts as a place of its own. */
const ASSEMBLY = "open.ts";

const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => join(SOURCE, name));

const importsOf = (file: string): string[] =>
  [...readFileSync(file, "utf8").matchAll(IMPORTS)].map(([, name = ""]) =>
    normalize(join(dirname(file), name)),
  );

/** A folder; files of the root, and those that assemble, stand for themselves. */
const placeOf = (file: string): string =>
  dirname(file) === SOURCE || basename(file) === ASSEMBLY ? file : dirname(file);

type Graph = ReadonlyMap<string, ReadonlySet<string>>;

function graphOf(nodeOf: (file: string) => string): Graph {
  const graph = new Map<string, Set<string>>();
  for (const file of files) {
    const from = nodeOf(file);
    const to = graph.get(from) ?? new Set();
    graph.set(from, to);
    for (const imported of importsOf(file)) if (nodeOf(imported) !== from) to.add(nodeOf(imported));
  }
  return graph;
}

/** A way that comes back to where it began, if there is one. */
function circleOf(graph: Graph): readonly string[] | undefined {
  const done = new Set<string>();
  const follow = (node: string, way: readonly string[]): readonly string[] | undefined => {
    if (way.includes(node)) return [...way.slice(way.indexOf(node)), node];
    if (done.has(node)) return undefined;
    for (const next of graph.get(node) ?? []) {
      const circle = follow(next, [...way, node]);
      if (circle !== undefined) return circle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const circle = follow(node, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

test("every import is of a file that is there", () => {
  const known = new Set(files);
  expect(files.flatMap(importsOf).filter((file) => !known.has(file))).toEqual([]);
});

test("no folder imports one that leads back to it", () => {
  expect(circleOf(graphOf(placeOf))).toBeUndefined();
});

test("no file stands in a circle", () => {
  expect(circleOf(graphOf((file) => file))).toBeUndefined();
});

test("a circle is found", () => {
  const graph = new Map([
    ["a", new Set(["b"])],
    ["b", new Set(["c"])],
    ["c", new Set(["b"])],
  ]);
  expect(circleOf(graph)).toEqual(["b", "c", "b"]);
});
