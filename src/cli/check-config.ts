// `mailonce check-config`: checks a configuration as a start does, without starting; with --online it asks
// the upstreams too, without sending. Values of secrets are never printed.
import { type Config, ConfigError, loadConfig } from "../config/config.ts";
import { readConfigFiles } from "../config/files.ts";
import { refuseOwnListener } from "../config/own-listener.ts";
import { viewsOf } from "../config/routes.ts";
import { SECRET_KEYS } from "../config/secrets.ts";
import { warningsOf } from "../config/warnings.ts";
import { checkGateFiles } from "../listeners/gate.ts";
import { checkHttpFiles } from "../operator/http/open.ts";
import { systemClock } from "../runtime/clock.ts";
import { refuseUnsafeMaildirs } from "../upstream/maildir-check.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { ignoredProxy, proxyRemark } from "./proxy-variables.ts";

export interface CheckOptions {
  readonly config?: string;
  readonly online?: boolean;
}

export async function checkConfig(options: CheckOptions): Promise<number> {
  try {
    const config = loadConfig({ file: options.config, environment: process.env });
    for (const view of viewsOf(config)) readConfigFiles(view.config, view.place);
    const users = await checkGateFiles(config, systemClock);
    await checkHttpFiles(config, systemClock);
    await refuseOwnListener(config);
    await refuseUnsafeMaildirs(config, "any");
    for (const { key, warning } of warningsOf(config, users))
      process.stderr.write(`warning: ${key}: ${warning}\n`);
    process.stdout.write(`${describe(config).join("\n")}\n`);
    const proxy = ignoredProxy(config, process.env);
    if (proxy !== undefined) process.stderr.write(`mailonce: ${proxyRemark(proxy)}\n`);
    return options.online === true ? await askOthers(config) : exitCodes.ok;
  } catch (error) {
    if (error instanceof ConfigError) return reportFaults(error.faults, exitCodes.badConfiguration);
    throw error;
  }
}

/** A line for each check: on standard output when it is good, on standard error when not. */
async function askOthers(config: Config): Promise<number> {
  const { checkOnline } = await import("./online.ts");
  const checks = await checkOnline(config);
  for (const { line, isGood } of checks) if (isGood) process.stdout.write(`online: ${line}\n`);
  const faults = checks.filter(({ isGood }) => !isGood).map(({ line }) => line);
  return faults.length === 0 ? exitCodes.ok : reportFaults(faults, exitCodes.failed);
}

/** One line a key, dotted path and value as JSON; durations in milliseconds. */
function describe(tree: Config | object, path = ""): string[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    const place = path === "" ? key : `${path}.${key}`;
    if (value === undefined) return [];
    if (typeof value === "object" && !Array.isArray(value)) return describe(value, place);
    const shown =
      SECRET_KEYS.has(key) && value !== "" ? '"(set)"' : JSON.stringify(value, (_, one) => concealed(one));
    return [`${place} = ${shown}`];
  });
}

/**
 * The user info of every URL (RFC 3986 §3.2.1): a password as a rule, whatever the key is called. It ends at
 * the last "@" of the authority, as programs that read the URL take it, and may contain characters that
 * should be encoded.
 */
const concealed = (value: unknown): unknown =>
  typeof value === "string"
    ? value.replace(/([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^/?#]*@/g, "$1(concealed)@")
    : value;
