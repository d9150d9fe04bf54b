// The values that nobody else may see: which keys they are, and reading them from files of their own.

import { readSecretFile } from "../runtime/secret-file.ts";
import type { PlaceOf } from "./places.ts";
import type { Config } from "./schema.ts";

/** Keys whose values are never printed. Each also exists with "_file" behind it. */
export const SECRET_KEYS: ReadonlySet<string> = new Set(["secret", "password", "url"]);

/** A URL is one only with a password in it. */
const isSecret = (key: string, value: string): boolean =>
  SECRET_KEYS.has(key) && (key === "url" ? /:\/\/[^/]*:[^/]*@|password=/.test(value) : value !== "");

/** Whether it contains a secret, at any depth. */
export const holdsSecret = (tree: unknown): boolean =>
  typeof tree === "object" &&
  tree !== null &&
  Object.entries(tree).some(([key, value]) =>
    typeof value === "string" ? isSecret(key, value) : holdsSecret(value),
  );

/** Reads the files of the *_file keys into the secrets. Returns the faults of those that it can't read. */
export function readSecrets(config: Config, placeOf: PlaceOf): string[] {
  const faults: string[] = [];
  const read = (holder: object, key: string, path: readonly string[]): void => {
    const values = holder as Record<string, string | undefined>;
    const file = values[`${key}_file`];
    if (file === undefined) return;
    const place = placeOf([...path, `${key}_file`]);
    if (values[key] !== undefined && values[key] !== "") {
      faults.push(`${place}: ${[...path, key].join(".")} is set too; one of both is needed`);
      return;
    }
    try {
      values[key] = readSecretFile(file);
    } catch (error) {
      faults.push(`${place}: ${(error as Error).message}`);
    }
  };
  read(config.identity, "secret", ["identity"]);
  read(config.ledger.postgres, "url", ["ledger", "postgres"]);
  read(config.upstream.smtp, "password", ["upstream", "smtp"]);
  for (const [name, { smtp }] of Object.entries(config.upstreams)) {
    read(smtp, "password", ["upstreams", name, "smtp"]);
  }
  return faults;
}
