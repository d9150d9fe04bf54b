// examples/mailonce.schema.json: the configuration as a JSON Schema (2020-12), with which editors complete and check the TOML.
// The keys are the schema's own; what they mean is from docs/configuration.md.
import { z } from "zod";
import { schema } from "../../src/config/schema.ts";
import { codeOf, read, rowsOf } from "./tables.ts";

interface Node {
  type?: string;
  default?: unknown;
  description?: string;
  properties?: Record<string, Node>;
  additionalProperties?: Node | false;
  items?: Node;
  [more: string]: unknown;
}

/** What users name themselves or number has the keys of another table. */
const LIKE: Readonly<Record<string, string>> = { listeners: "smtp", users: "policy", upstreams: "upstream" };

/** Of the machine that makes the file. */
const NO_DEFAULT: ReadonlySet<string> = new Set(["hostname"]);

const meanings = new Map([
  ["users.namespace", "The namespace of this user's ids, instead of the user's name."],
  ["routes.domains", "Domains of senders whose mail goes this way; left out in the route of all other mail."],
  ["routes.by", "Where the sender's domain is read: in From, or in the reverse-path."],
  ["routes.upstreams", "Names of upstreams, the first one first."],
  ...rowsOf(read("docs/configuration.md")).flatMap(({ heading, cells: [key, , meaning = ""] }) => {
    const section = /^`\[(.+)\]`$/.exec(heading)?.[1];
    const name = codeOf(key);
    return name === undefined
      ? []
      : [[section === undefined ? name : `${section}.${name}`, plain(meaning)] as const];
  }),
] as const);

/** Without links and marks, which editors show as they are. */
function plain(markdown: string): string {
  return markdown.replace(/\[([^\]]+)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "");
}

export function jsonSchema(): Node {
  const root = z.toJSONSchema(schema, { io: "input" }) as Node;
  describe(root, []);
  return { $schema: root.$schema, title: "The configuration of mailonce", ...root };
}

function describe(node: Node, path: readonly string[]): void {
  const [table = "", ...rest] = path;
  const key = [LIKE[table] ?? table, ...rest].join(".");
  const meaning = meanings.get(path.join(".")) ?? meanings.get(key);
  if (meaning !== undefined) node.description = meaning;
  const isTable = node.properties !== undefined || typeof node.additionalProperties === "object";
  if (isTable || NO_DEFAULT.has(key)) delete node.default;
  for (const [name, child] of Object.entries(node.properties ?? {})) describe(child, [...path, name]);
  if (typeof node.additionalProperties === "object") describe(node.additionalProperties, path);
  if (node.items?.properties !== undefined) describe(node.items, path);
}
