// Every group of tests is run: by `npm test`, or in one of the two lanes of test/rest.mjs.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import config from "../../vitest.config.ts";

interface Configured {
  readonly test: { readonly projects: readonly { readonly test: { readonly name: string } }[] };
}

const groups = (config as unknown as Configured).test.projects.map((project) => project.test.name);
const rest = readFileSync(new URL("../rest.mjs", import.meta.url), "utf8");

test("each group but that of npm test is in one lane", () => {
  const lanes = [...rest.matchAll(/groups: \[([^\]]*)\]/g)].flatMap(([, names = ""]) =>
    [...names.matchAll(/"(\w+)"/g)].map(([, name]) => name),
  );
  expect([...lanes, "promises"].sort()).toEqual([...groups].sort());
});
