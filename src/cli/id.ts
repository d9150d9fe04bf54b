// `mailonce id`: the identity of one mail, for mailers that want to check theirs. Namespace and secret
// come from the configuration, as they do in the gateway.
import { createPolicy } from "../access/policy.ts";
import { ConfigError, loadConfig } from "../config/config.ts";
import { messageId } from "../index.ts";
import { exitCodes, reportFaults } from "./exit.ts";

export interface IdOptions {
  readonly task: string;
  readonly to: string;
  readonly from?: string;
  readonly part?: string;
  readonly user?: string;
  readonly config?: string;
}

export function id({ task, to, from, part, user, config: file }: IdOptions): number {
  try {
    const config = loadConfig({ file, environment: process.env });
    const { identity, hostname } = config;
    const text = messageId({
      task,
      to,
      ...(from === undefined ? {} : { from }),
      ...(part === undefined ? {} : { part }),
      namespace: createPolicy(config).namespaceOf(user),
      secret: identity.secret,
      hostname,
    });
    process.stdout.write(`${text}\n`);
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof ConfigError) return reportFaults(error.faults, exitCodes.badConfiguration);
    if (error instanceof RangeError || error instanceof TypeError) {
      return reportFaults([error.message], exitCodes.badConfiguration);
    }
    throw error;
  }
}
