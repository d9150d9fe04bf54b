// What is right in a configuration and may not be what was meant: said at each start, and by check-config.
import type { EnvidPolicy } from "../identity/identify.ts";
import type { Config } from "./schema.ts";

export interface ConfigWarning {
  /** A dotted path. */
  readonly key: string;
  readonly warning: string;
}

/** The policy that `envid` names; `true` and `false` are what it could be before it had three. */
export function envidOf({ identity: { envid } }: Pick<Config, "identity">): EnvidPolicy {
  if (typeof envid === "string") return envid;
  return envid ? "uuid" : "off";
}

export function warningsOf(config: Config): ConfigWarning[] {
  return [...envidWarnings(config)];
}

function envidWarnings(config: Config): ConfigWarning[] {
  const { envid } = config.identity;
  if (typeof envid === "string") return [];
  const policy = envidOf(config);
  const change = envid ? "; before, any ENVID counted as a task, now only a UUID does" : "";
  return [{ key: "identity.envid", warning: `${envid} is read as "${policy}"${change}` }];
}
