// `mailonce check-config`: what a start with this configuration would say, without starting. Values of
// secrets are never printed.
import { type Config, ConfigError, loadConfig } from "../config.ts";
import { readConfigFiles } from "../config-files.ts";
import { viewsOf } from "../config-routes.ts";
import { exitCodes, reportFaults } from "./exit.ts";

const SECRETS: ReadonlySet<string> = new Set(["secret", "password"]);

export function checkConfig(options: { config?: string }): number {
  try {
    const config = loadConfig({ file: options.config, environment: process.env });
    for (const view of viewsOf(config)) readConfigFiles(view.config, view.place);
    process.stdout.write(`${describe(config).join("\n")}\n`);
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof ConfigError) return reportFaults(error.faults, exitCodes.badConfiguration);
    throw error;
  }
}

/** One line a key, dotted path and value as JSON; durations in milliseconds. */
function describe(tree: Config | object, path = ""): string[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    const place = path === "" ? key : `${path}.${key}`;
    if (value === undefined) return [];
    if (typeof value === "object" && !Array.isArray(value)) return describe(value, place);
    const shown = SECRETS.has(key) && value !== "" ? '"(set)"' : JSON.stringify(value);
    return [`${place} = ${shown}`];
  });
}
