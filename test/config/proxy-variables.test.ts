// A proxy that nothing goes by is said, in whatever way its variable is written.
import { expect, test } from "vitest";
import { ignoredProxy } from "../../src/cli/proxy-variables.ts";
import { loadConfig } from "../../src/config/config.ts";

const configOf = (settings: Readonly<Record<string, string>>) =>
  loadConfig({
    environment: Object.fromEntries(
      Object.entries(settings).map(([key, value]) => [`MAILONCE_${key}`, value]),
    ),
  });
const ses = configOf({ UPSTREAM_KIND: "ses" });
const plain = configOf({ UPSTREAM_KIND: "ses", UPSTREAM_SES_ENDPOINT: "HTTP://ses.example" });
const dynamodb = configOf({ LEDGER_KIND: "dynamodb" });

test.each(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])("%s", (variable) => {
  const environment = { [variable]: "http://proxy.example:3128" };
  for (const config of [ses, plain, dynamodb]) expect(ignoredProxy(config, environment)).toBe(variable);
  expect(ignoredProxy(configOf({}), environment)).toBeUndefined();
  expect(ignoredProxy(ses, { [variable]: "" })).toBeUndefined();
});

test.each(["HTTP_PROXY", "http_proxy"])("%s, where an endpoint is called in plain text", (variable) => {
  const environment = { [variable]: "http://proxy.example:3128" };
  expect(ignoredProxy(plain, environment)).toBe(variable);
  expect(ignoredProxy(ses, environment)).toBeUndefined();
});
