// What `user` and `token` have in common: a file with a line for each name, which the configuration or --file names.
import { AccessFileError } from "../access/access-file.ts";
import { type Config, ConfigError, loadConfig } from "../config/config.ts";
import { exitCodes, reportFaults } from "./exit.ts";

export interface FileOptions {
  /** Otherwise the one that the configuration names. */
  readonly file?: string;
  readonly config?: string;
}

/** Which file it is. */
export interface NamedFile {
  /** For people: "users file". */
  readonly called: string;
  readonly key: string;
  readonly in: (config: Config) => string | undefined;
}

/** Resolves to the exit code of `use`, or of what kept it from its work. */
export async function withFile(
  { called, key, in: pathIn }: NamedFile,
  { file, config }: FileOptions,
  use: (path: string) => Promise<number>,
): Promise<number> {
  try {
    const path = file ?? pathIn(loadConfig({ file: config, environment: process.env }));
    if (path !== undefined) return await use(path);
    const fault = `there is no ${called}: set ${key}, or name one with --file`;
    return reportFaults([fault], exitCodes.badConfiguration);
  } catch (error) {
    if (error instanceof ConfigError || error instanceof AccessFileError) {
      return reportFaults(error.faults, exitCodes.badConfiguration);
    }
    throw error;
  }
}

export function say(line: string): number {
  process.stdout.write(`${line}\n`);
  return exitCodes.ok;
}
