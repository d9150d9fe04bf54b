// Docs and comments name files, decisions, promises and rules: each of them exists. Every page is in the index.
import { readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { expect, test } from "vitest";
import { read, rowsOf } from "./tables.ts";

const FOLDERS = ["src", "test", "bench", "docs", "examples", "packaging", "fixtures"];
const root = new URL("../../", import.meta.url);

const below = (folder: string): string[] =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" }).map(
    (name) => `${folder}/${name}`,
  );

/** Files and folders. */
const paths = new Set([...readdirSync(root), ...FOLDERS, ...FOLDERS.flatMap(below)]);
const names = new Set([...paths].map((path) => basename(path)));

const isWritten = (path: string): boolean => /\.(md|ts|mjs)$/.test(path) && !path.includes("/data-");
const written = [...paths].filter(isWritten);
const pages = written.filter((path) => path.startsWith("docs/") && path.endsWith(".md"));

/** A document as it is; of code, the comments. */
const textOf = (path: string): string =>
  path.endsWith(".md")
    ? read(path)
    : [...read(path).matchAll(/\/\/.*|\/\*[\s\S]*?\*\//g)].map(([comment]) => comment).join("\n");

const wordsIn = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([word]) => word);

/** Each thing that is named and missing, with the file that names it. */
const missing = (pattern: RegExp, exists: (name: string) => boolean): string[] =>
  written.flatMap((path) =>
    wordsIn(textOf(path), pattern)
      .filter((name) => !exists(name))
      .map((name) => `${path}: ${name}`),
  );

test("the paths that docs and comments name", () => {
  const path = new RegExp(`(?<![\\w/.@-])(${FOLDERS.join("|")})/[\\w./-]*\\w(?![\\w*…])`, "g");
  const startsOne = (name: string): boolean =>
    !basename(name).includes(".") && [...paths].some((one) => one.startsWith(name));
  expect(missing(path, (name) => paths.has(name) || startsOne(name))).toEqual([]);
});

test("the documents and source files that they name without a folder", () => {
  expect(missing(/(?<![\w/.*-])[\w-]+\.(md|ts)\b(?!\()/g, (name) => names.has(name))).toEqual([]);
});

test("the decisions that they name", () => {
  const decisions = new Set(pages.map((page) => /decisions\/(\d{4})-/.exec(page)?.[1]));
  expect(decisions.size).toBeGreaterThan(1);
  expect(missing(/(?<=[Dd]ecision )\d{4}/g, (number) => decisions.has(number))).toEqual([]);
});

test("the promises and rules that they name", () => {
  const tables = [read("docs/design.md"), read("docs/protocol.md")].flatMap(rowsOf);
  const numbered = new Set(tables.map(({ cells: [first = ""] }) => first));
  for (const one of ["P1", "S1"]) expect(numbered).toContain(one);
  const ours = written.filter((path) => !path.startsWith("bench/"));
  const named = ours.flatMap((path) =>
    wordsIn(textOf(path), /(?<=[\s(,])[PS]\d+(?=[),;.:]?\s)/g).map((name) => ({ path, name })),
  );
  expect(named.filter(({ name }) => !numbered.has(name))).toEqual([]);
});

test("the index leads to every page", () => {
  const links = [...read("docs/README.md").matchAll(/\]\(([^)#\s]+)\)/g)].map(
    ([, link = ""]) => `docs/${link}`,
  );
  const reached = (page: string): boolean => links.includes(page) || links.includes(`${dirname(page)}/`);
  expect(pages.filter((page) => page !== "docs/README.md" && !reached(page))).toEqual([]);
});

test("design.md lists every decision", () => {
  const decisions = pages.filter((page) => page.startsWith("docs/decisions/"));
  const design = read("docs/design.md");
  expect(decisions.filter((page) => !design.includes(`(${page.slice("docs/".length)})`))).toEqual([]);
});
