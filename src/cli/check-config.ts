// `mailonce check-config`: what a start with this configuration would say, without starting. Values of
// secrets are never printed.
import { type Config, ConfigError, loadConfig } from "../config/config.ts";
import { readConfigFiles } from "../config/files.ts";
import { refuseOwnListener } from "../config/own-listener.ts";
import { viewsOf } from "../config/routes.ts";
import { SECRET_KEYS } from "../config/secrets.ts";
import { warningsOf } from "../config/warnings.ts";
import { systemClock } from "../runtime/clock.ts";
import { checkGateFiles } from "../submission/gate.ts";
import { exitCodes, reportFaults } from "./exit.ts";

export async function checkConfig(options: { config?: string }): Promise<number> {
  try {
    const config = loadConfig({ file: options.config, environment: process.env });
    for (const view of viewsOf(config)) readConfigFiles(view.config, view.place);
    await checkGateFiles(config, systemClock);
    await refuseOwnListener(config);
    for (const { key, warning } of warningsOf(config)) process.stderr.write(`warning: ${key}: ${warning}\n`);
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
    const shown = SECRET_KEYS.has(key) && value !== "" ? '"(set)"' : concealed(JSON.stringify(value));
    return [`${place} = ${shown}`];
  });
}

/** The user info of every URL (RFC 3986 §3.2.1): a password as a rule, whatever the key is called. */
const concealed = (text: string): string =>
  text.replace(/([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^/?#@"\s]*@/g, "$1(concealed)@");
