// The JSON Schema that editors check a configuration with: it is the gateway's own, takes what the docs show, and names what is
// wrong. `npm run schema` writes the file anew.
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import { jsonSchema } from "./json-schema.ts";
import { blocksOf, read } from "./tables.ts";

const FILE = "../../examples/mailonce.schema.json";

test("the file is made from the gateway's schema", async () => {
  await expect(`${JSON.stringify(jsonSchema(), undefined, 2)}\n`).toMatchFileSnapshot(FILE);
});

const validate = new Ajv2020({ allErrors: true, formats: { uri: true } }).compile(jsonSchema());

const faultsIn = (toml: string): ErrorObject[] => (validate(parse(toml)) ? [] : (validate.errors ?? []));

test.each([
  ["examples/mailonce.toml", [read("examples/mailonce.toml")]],
  ["examples/several-upstreams.toml", [read("examples/several-upstreams.toml")]],
  ["the README", blocksOf(read("README.md"), "toml")],
  ["docs/configuration.md", blocksOf(read("docs/configuration.md"), "toml")],
  ["docs/ses-api.md", blocksOf(read("docs/ses-api.md"), "toml")],
])("%s is right by it", (_, blocks) => {
  expect(blocks.length).toBeGreaterThan(0);
  for (const block of blocks) expect([block, faultsIn(block)]).toEqual([block, []]);
});

test("the example names it, as editors read it", () => {
  expect(read("examples/mailonce.toml")).toMatch(/^#:schema \.\/mailonce\.schema\.json\n/);
});

describe("an editor underlines", () => {
  test.each([
    ["a wrong key", "[identity]\nunkyed = 'reject'\n", "/identity", "additionalProperties"],
    ["a wrong table", "[upsteam]\nkind = 'ses'\n", "", "additionalProperties"],
    ["a wrong word", "[ledger]\ndoubtful = 'keep'\n", "/ledger/doubtful", "enum"],
    ["a number without its unit", "[spool]\nlifetime = 2\n", "/spool/lifetime", "type"],
    ["a duration without its unit", "[spool]\nlifetime = '2'\n", "/spool/lifetime", "pattern"],
    ["a port that can't be", "[smtp]\nport = 70000\n", "/smtp/port", "maximum"],
    ["a key of a listener", "[[listeners]]\nprot = 25\n", "/listeners/0", "additionalProperties"],
    ["a key of an upstream", "[upstreams.a]\nkin = 'ses'\n", "/upstreams/a", "additionalProperties"],
    ["a key of a user", "[users.shop]\nfrom = ['a']\n", "/users/shop", "additionalProperties"],
  ])("%s", (_, toml, instancePath, keyword) => {
    expect(faultsIn(toml)).toEqual([expect.objectContaining({ instancePath, keyword })]);
  });
});

test("each key says what it means", () => {
  const without: string[] = [];
  const visit = (node: ReturnType<typeof jsonSchema>, path: string): void => {
    for (const [name, child] of Object.entries(node.properties ?? {})) visit(child, `${path}.${name}`);
    if (typeof node.additionalProperties === "object") visit(node.additionalProperties, `${path}.*`);
    if (node.items?.properties !== undefined) visit(node.items, `${path}[]`);
    const isLeaf = node.properties === undefined && typeof node.additionalProperties !== "object";
    if (isLeaf && node.items?.properties === undefined && node.description === undefined) without.push(path);
  };
  visit(jsonSchema(), "");
  expect(without).toEqual([]);
});
