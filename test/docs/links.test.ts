// What the documents point at is there: relative links, and the files of src that they name.
import { existsSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { read } from "./tables.ts";

const root = new URL("../../", import.meta.url);
const isThere = (path: string): boolean => existsSync(new URL(path, root));

const docs = readdirSync(new URL("docs", root), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`);

/** GitHub's anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

const anchorsOf = (path: string): string[] =>
  [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading));

describe.each([
  "README.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "HACKING.md",
  "examples/README.md",
  "integrations/README.md",
  ...docs,
])("%s", (path) => {
  const markdown = read(path);

  test("relative links lead somewhere", () => {
    const missing: string[] = [];
    for (const [, link = ""] of markdown.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [target = "", anchor] = link.split("#");
      const found =
        target === "" ? path : new URL(target, new URL(path, root)).pathname.slice(root.pathname.length);
      if (!isThere(found) || (anchor !== undefined && !anchorsOf(found).includes(anchor))) missing.push(link);
    }
    expect(missing).toEqual([]);
  });

  test("the files of src that it names are there", () => {
    const named = [...markdown.matchAll(/`(src\/[\w/.-]+)`/g)].map(([, name = ""]) => name);
    expect(named.filter((name) => !isThere(name))).toEqual([]);
  });
});
