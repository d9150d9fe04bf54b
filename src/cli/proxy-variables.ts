// Proxy variables of the environment. mailonce ignores them, so a person who sets one must learn that.
import type { Config } from "../config/config.ts";

const VARIABLES = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/** Where an endpoint is called in plain text. */
const PLAIN_VARIABLES = ["HTTP_PROXY", "http_proxy"];

/** The variable that is set and not used, where something speaks HTTPS; undefined otherwise. */
export function ignoredProxy(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const endpoints = [config.upstream, ...Object.values(config.upstreams)]
    .filter(({ kind }) => kind === "ses")
    .flatMap(({ ses }) => [
      ses.endpoint,
      ...(ses.events.queue_url === undefined ? [] : [ses.events.queue_url]),
    ]);
  if (config.ledger.kind === "dynamodb") endpoints.push(config.ledger.dynamodb.endpoint);
  if (endpoints.length === 0) return undefined;
  const isPlain = endpoints.some((endpoint) => endpoint?.toLowerCase().startsWith("http:") === true);
  const names = isPlain ? [...VARIABLES, ...PLAIN_VARIABLES] : VARIABLES;
  return names.find((name) => (environment[name] ?? "") !== "");
}

export const proxyRemark = (variable: string): string =>
  `${variable} is set and not used: SES, SQS and DynamoDB are called directly; see "Proxies" in docs/upstreams.md`;
