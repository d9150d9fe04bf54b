// Proxy variables of the environment, which nothing here goes by: whoever sets one must know.
import type { Config } from "../config/config.ts";

const VARIABLES = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/** The variable that is set and not used, where something speaks HTTPS; undefined otherwise. */
export function ignoredProxy(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const kinds = [config.upstream, ...Object.values(config.upstreams)].map(({ kind }) => kind);
  if (!kinds.includes("ses") && config.ledger.kind !== "dynamodb") return undefined;
  return VARIABLES.find((name) => (environment[name] ?? "") !== "");
}

export const proxyRemark = (variable: string): string =>
  `${variable} is set and not used: SES and DynamoDB are called directly; see "Proxies" in docs/upstreams.md`;
