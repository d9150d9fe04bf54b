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
import { silentLog } from "../runtime/log.ts";
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
    return options.online === true ? await checkOnline(config) : exitCodes.ok;
  } catch (error) {
    if (error instanceof ConfigError) return reportFaults(error.faults, exitCodes.badConfiguration);
    throw error;
  }
}

/** No upstream is waited for longer. */
const ONLINE_MS = 30_000;

/** One line an upstream: on standard output when it could be used, on standard error when not. */
async function checkOnline(config: Config): Promise<number> {
  const { createUpstreams } = await import("../upstream/open.ts");
  const { reportsFrom } = await import("../world.ts");
  const { from } = reportsFrom(config);
  const upstreams = await createUpstreams(config, systemClock, silentLog);
  const checks = [...upstreams].map(async ([name, upstream]) => {
    const late = AbortSignal.timeout(ONLINE_MS);
    const check = await upstream.check?.(late);
    if (check === undefined) return { line: `${name}: can't be tested`, isUsable: true };
    const fault = check.isUsable ? await upstream.senderFault?.(from, late) : undefined;
    const line = `${name}: ${upstream.name}: ${check.finding}`;
    return fault === undefined
      ? { line, isUsable: check.isUsable }
      : { line: `${line}; ${fault}`, isUsable: false };
  });
  const results = await Promise.all(checks);
  for (const upstream of upstreams.values()) await upstream.close();
  for (const { line, isUsable } of results) if (isUsable) process.stdout.write(`online: ${line}\n`);
  const faults = results.filter(({ isUsable }) => !isUsable).map(({ line }) => line);
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
