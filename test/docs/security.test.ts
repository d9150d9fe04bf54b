// docs/security.md: every attack has what was tried, what happens and a test that is there. SECURITY.md and
// the documents of packaging lead somewhere.
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { read, rowsOf } from "./tables.ts";

const root = new URL("../../", import.meta.url);
const rows = rowsOf(read("docs/security.md"));

const linksIn = (markdown: string): string[] =>
  [...markdown.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);

test("every row has an attack, what was tried and what happens", () => {
  expect(rows.length).toBeGreaterThan(0);
  for (const { cells } of rows) {
    expect(cells).toHaveLength(4);
    expect(cells).not.toContain("");
  }
  const attacks = rows.map(({ cells }) => cells[0]);
  expect(new Set(attacks).size).toBe(attacks.length);
});

test("every row names tests that are there, and links nothing else", () => {
  for (const { cells } of rows) {
    const links = linksIn(cells[3] ?? "");
    expect(links, cells[0]).not.toEqual([]);
    for (const link of links) {
      expect(link).toMatch(/^\.\.\/test\/[\w./-]+\.test\.ts$/);
      expect(existsSync(new URL(link, new URL("docs/", root))), link).toBe(true);
    }
  }
});

test("the links of SECURITY.md lead somewhere", () => {
  const links = linksIn(read("SECURITY.md")).filter((link) => !/^[a-z]+:/.test(link));
  expect(links).not.toEqual([]);
  expect(links.filter((link) => !existsSync(new URL(link.split("#")[0] ?? "", root)))).toEqual([]);
});

test("what docs/deployment.md says of the unit is in the unit", () => {
  const unit = read("packaging/mailonce.service");
  for (const path of ["/opt/mailonce", "/etc/mailonce/mailonce.toml", "/var/lib/mailonce"]) {
    expect(unit).toContain(path);
  }
  expect(read("packaging/Dockerfile")).toMatch(/^USER 1000:1000$/m);
});
