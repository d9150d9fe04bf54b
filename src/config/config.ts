// Loads the configuration: a TOML file and the environment through one schema. All faults are reported at
// once, each with its place. An unknown key or value is refused, never ignored.
import { readFileSync } from "node:fs";
import { parse, TomlError } from "smol-toml";
import { z } from "zod";
import { tooOpen } from "../runtime/secret-file.ts";
import { contradictions } from "./contradictions.ts";
import { type Config, schema } from "./schema.ts";
import { holdsSecret, readSecrets } from "./secrets.ts";

export type { Config, ListenerConfig, UpstreamConfig, UserConfig } from "./schema.ts";

/** All faults of a configuration; `faults` are whole lines, each with its place. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

type Tree = { [key: string]: unknown };

/** Every key of the schema: its path, and how a string from the environment becomes its value. */
interface Leaf {
  readonly path: readonly string[];
  readonly fromText: (text: string) => unknown;
}

const isTree = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function leavesOf(type: z.ZodType, path: readonly string[] = []): Leaf[] {
  if (type instanceof z.ZodObject) {
    return Object.entries(type.shape).flatMap(([key, child]) => leavesOf(child as z.ZodType, [...path, key]));
  }
  if (type instanceof z.ZodPrefault || type instanceof z.ZodDefault || type instanceof z.ZodOptional) {
    return leavesOf(type.unwrap() as z.ZodType, path);
  }
  // What has names or positions of its own has no variable.
  if (type instanceof z.ZodRecord) return [];
  if (type instanceof z.ZodArray && type.element instanceof z.ZodObject) return [];
  return [{ path, fromText: readerFor(type) }];
}

function readerFor(type: z.ZodType): Leaf["fromText"] {
  if (type instanceof z.ZodNumber) return (value) => (/^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value);
  if (type instanceof z.ZodBoolean) return (value) => ({ true: true, false: false })[value] ?? value;
  if (type instanceof z.ZodArray) return (value) => value.split(",").flatMap((item) => item.trim() || []);
  return (value) => value;
}

const variableOf = (path: readonly string[]): string => `MAILONCE_${path.join("_").toUpperCase()}`;
const LEAVES: ReadonlyMap<string, Leaf> = new Map(
  leavesOf(schema).map((leaf) => [variableOf(leaf.path), leaf]),
);

/** Names the file; not a key of the file itself. */
const FILE_VARIABLE = "MAILONCE_CONFIG";

function readFile(file: string): Tree {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError([`${file}: can't be read: ${(error as Error).message}`]);
  }
  try {
    return parse(source) as Tree;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "");
    throw new ConfigError([`${file}:${error.line}:${error.column}: not TOML: ${reason}`]);
  }
}

/** Sets a value in the tree; a key of the file that is no table stays, for the schema to complain about. */
function setAt(tree: Tree, path: readonly string[], value: unknown): void {
  let node = tree;
  for (const key of path.slice(0, -1)) {
    node[key] ??= {};
    const child = node[key];
    if (!isTree(child)) return;
    node = child;
  }
  node[path.at(-1) as string] = value;
}

export interface ConfigSources {
  /** The TOML file; MAILONCE_CONFIG names one when this is left out. */
  readonly file?: string | undefined;
  /** A variable of it wins over the file. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads and checks the configuration.
 *
 * @throws ConfigError with every fault
 */
export function loadConfig({ file, environment }: ConfigSources): Config {
  const source = file ?? environment[FILE_VARIABLE];
  const faults: string[] = [];
  let tree: Tree = {};
  try {
    if (source !== undefined) tree = readFile(source);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    faults.push(...error.faults);
  }
  // A tree of its own: what the environment sets is not in the file.
  const fileTree = structuredClone(tree);
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith("MAILONCE_") || name === FILE_VARIABLE || value === undefined) continue;
    const leaf = LEAVES.get(name);
    if (leaf === undefined) faults.push(`${name}: no such key`);
    else setAt(tree, leaf.path, leaf.fromText(value));
  }
  const placeOf = (path: readonly PropertyKey[]): string => {
    const keys = path.map(String);
    const variable = variableOf(keys);
    if (LEAVES.has(variable) && environment[variable] !== undefined) return variable;
    return `${source ?? "configuration"}: ${keys.join(".")}`;
  };
  // Compiling a parser for the one time that it is used takes longer than that use.
  const parsed = schema.safeParse(tree, { jitless: true });
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      if (issue.code === "unrecognized_keys") {
        faults.push(...issue.keys.map((key) => `${placeOf([...issue.path, key])}: no such key`));
      } else {
        faults.push(`${placeOf(issue.path)}: ${issue.message}`);
      }
    }
  } else {
    faults.push(...contradictions(parsed.data, tree, placeOf), ...readSecrets(parsed.data, placeOf));
  }
  if (source !== undefined && holdsSecret(fileTree) && tooOpen(source)) {
    faults.push(`${source}: holds a secret and others can read it: chmod 600 ${source}, or name a *_file`);
  }
  if (faults.length > 0 || !parsed.success) throw new ConfigError(faults);
  return parsed.data;
}
