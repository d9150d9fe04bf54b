// The manifests of packaging/kubernetes as data. Read as Kubernetes reads them, by YAML 1.1, where 0440 is an octal number.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";

const FOLDER = "packaging/kubernetes";

export interface Manifest {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

const read = (path: string): string => readFileSync(path, "utf8");

/** @throws where it is not YAML, or a key comes twice */
export const readYaml = (path: string): unknown => parse(read(path), { version: "1.1" });

export const manifests: readonly Manifest[] = readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".yaml"))
  .sort()
  .flatMap((name) =>
    [parseAllDocuments(read(join(FOLDER, name)), { version: "1.1" })].flat().map((document) => {
      const [fault] = document.errors ?? [];
      if (fault !== undefined) throw fault;
      return document.toJS() as Manifest;
    }),
  );

/** What is there, by a path such as "spec.ports.0.name"; undefined where nothing is. */
export function at(tree: unknown, path: string): unknown {
  let node = tree;
  for (const key of path.split(".")) node = (node as Record<string, unknown> | undefined)?.[key];
  return node;
}

/** The list at the path; empty where nothing is. */
export const listAt = (tree: unknown, path: string): readonly unknown[] =>
  (at(tree, path) ?? []) as readonly unknown[];

/** The one of that kind and name. */
export function manifestOf(kind: string, name = "mailonce"): Manifest {
  const found = manifests.filter((one) => one.kind === kind && one.metadata.name === name);
  if (found[0] === undefined || found.length > 1) throw new Error(`${found.length} of ${kind} ${name}`);
  return found[0];
}
