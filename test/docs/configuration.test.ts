// docs/configuration.md and the schema say the same: the same keys, the same defaults.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type Config, loadConfig } from "../../src/config/config.ts";
import { blocksOf, codeOf, read, rowsOf } from "./tables.ts";

/** Dotted paths of the keys that may be absent. */
type OptionalKey<Tree, Path extends string = ""> = {
  [Key in keyof Tree & string]-?: undefined extends Tree[Key]
    ? `${Path}${Key}`
    : Tree[Key] extends string | number | boolean | readonly unknown[]
      ? never
      : OptionalKey<Tree[Key], `${Path}${Key}.`>;
}[keyof Tree & string];

/** A value for each key without a default, as its variable would have it. The compiler keeps it complete. */
const OPTIONAL: Record<OptionalKey<Config>, string> = {
  "spool.delay_warning": "4h",
  "upstream.rate_per_second": "0.5",
  "upstream.smtp.host": "smtp.example.com",
  "upstream.smtp.username": "me",
  "upstream.smtp.password": "secret",
  "upstream.smtp.ca_file": "ca.pem",
  "upstream.smtp.keep_id_field": "X-PM-KeepID",
  "upstream.smtp.password_file": "password",
  "ledger.postgres.url": "postgres://mailonce@db.example.com/mailonce",
  "ledger.postgres.url_file": "url",
  "ledger.dynamodb.region": "eu-west-1",
  "ledger.dynamodb.endpoint": "https://dynamodb.example.com",
  "identity.secret_file": "secret",
  "tls.cert_file": "cert.pem",
  "tls.key_file": "key.pem",
  "tls.client_ca_file": "client-ca.pem",
  "tls.client_crl_file": "client-crl.pem",
  "access.users_file": "users",
  "access.keys_file": "keys",
  "http.port": "2580",
  "http.tokens_file": "tokens",
  "http.tls.cert_file": "cert.pem",
  "http.tls.key_file": "key.pem",
  "policy.reverse_paths": "bounces@example.com,<>",
  "policy.from_domains": "example.com,*.example.com",
  "policy.allowed_recipients": "example.net",
  "policy.denied_recipients": "nobody@example.net",
  "policy.ses_configuration_sets": "transactional",
  "policy.ses_tenants": "acme",
  "policy.ses_contact_lists": "news",
  "policy.ses_tags": "campaign",
  "policy.recipients_max": "500",
  "policy.messages_per_hour": "1000",
  "policy.recipients_per_hour": "2000",
  "policy.address_messages_per_hour": "3000",
  "policy.address_recipients_per_hour": "4000",
  "upstream.ses.region": "eu-west-1",
  "upstream.ses.endpoint": "https://email.example.com",
  "upstream.ses.configuration_set": "transactional",
  "upstream.ses.events.queue_url": "https://sqs.eu-west-1.amazonaws.com/111122223333/mailonce",
  "upstream.ses.workers": "2",
  "upstream.ses.from_email_address_identity_arn": "arn:aws:ses:eu-west-1:111122223333:identity/example.com",
  "upstream.maildir.path": "/tmp/outbox",
  "notices.from": "postmaster@example.com",
  "log.format": "json",
};

const doc = read("docs/configuration.md");
const example = read("examples/mailonce.toml");
const several = read("examples/several-upstreams.toml");

const documented = rowsOf(doc).map(({ heading, cells: [key, fallback, meaning, variable] }) => {
  const section = /^`\[(.+)\]`$/.exec(heading)?.[1];
  const name = codeOf(key) ?? "";
  return {
    path: section === undefined ? name : `${section}.${name}`,
    fallback: codeOf(fallback),
    meaning,
    variable: codeOf(variable) ?? "",
  };
});

function documentedPaths(): string[] {
  return documented.map(({ path }) => path).sort();
}

/** What users name themselves, which no row can show. */
const NAMED: ReadonlySet<string> = new Set(["upstreams", "routes", "listeners", "users"]);

/** Each names a file that is read at once and stands in place of another key; test/config has them. */
const SECRET_FILES: ReadonlySet<string> = new Set([
  "upstream.smtp.password_file",
  "identity.secret_file",
  "ledger.postgres.url_file",
]);
/** Read for one more version, and in no example. */
const GONE: ReadonlySet<string> = new Set(["upstream.ses.workers"]);
const besidesSecretFiles = documentedPaths().filter((path) => !SECRET_FILES.has(path));
const shown = besidesSecretFiles.filter((path) => !GONE.has(path));

/** Dotted paths of all that is no table. */
function keysOf(tree: object, path = ""): string[] {
  const entries = Object.entries(tree).filter(([key]) => path !== "" || !NAMED.has(key));
  return entries.flatMap(([key, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? keysOf(value, `${path}${key}.`)
      : [`${path}${key}`],
  );
}

test("every key is documented once, and no other", () => {
  const keys = [...keysOf(loadConfig({ environment: {} })), ...Object.keys(OPTIONAL)];
  expect(documented.map(({ path }) => path).sort()).toEqual(keys.sort());
});

test("each has a meaning and the variable that sets it", () => {
  for (const { path, meaning, variable } of documented) {
    expect(meaning).not.toBe("");
    expect(variable).toBe(`MAILONCE_${path.replaceAll(".", "_").toUpperCase()}`);
  }
});

test("the defaults that it says are those in use", () => {
  const defaults = documented.filter(({ fallback }) => fallback !== undefined);
  const without = documented.filter(({ fallback }) => fallback === undefined).map(({ path }) => path);
  expect(without.sort()).toEqual(["hostname", ...Object.keys(OPTIONAL)].sort());
  const environment: Record<string, string> = { MAILONCE_HOSTNAME: "gateway.example" };
  const plain = loadConfig({ environment });
  for (const { variable, fallback } of defaults) environment[variable] = textOf(fallback ?? "");
  expect(loadConfig({ environment })).toEqual(plain);
});

/** A TOML value of the doc as its variable would have it. All of them are JSON too. */
function textOf(fallback: string): string {
  const value: unknown = JSON.parse(fallback);
  return Array.isArray(value) ? value.join(",") : String(value);
}

test("the keys without a default are taken", () => {
  const environment = Object.fromEntries(
    Object.entries({ ...OPTIONAL, "smtp.tls": "required" })
      .filter(([path]) => !SECRET_FILES.has(path))
      .map(([path, value]) => [`MAILONCE_${path.replaceAll(".", "_").toUpperCase()}`, value]),
  );
  expect(keysOf(loadConfig({ environment })).sort()).toEqual(besidesSecretFiles);
});

test("the example is the one in the doc, loads, and shows every key", () => {
  const blocks = blocksOf(doc, "toml");
  expect(blocks).toContain(several);
  expect(blocks.at(-1)).toBe(example);
  const file = fileURLToPath(new URL("../../examples/mailonce.toml", import.meta.url));
  const config = loadConfig({ file, environment: { MAILONCE_UPSTREAM_SMTP_PASSWORD: "secret" } });
  expect(keysOf(config).sort()).toEqual(shown);
});

test("the example with several upstreams loads", () => {
  const file = fileURLToPath(new URL("../../examples/several-upstreams.toml", import.meta.url));
  const config = loadConfig({ file, environment: {} });
  expect(Object.keys(config.upstreams)).toEqual(["europe", "america", "relay"]);
  expect(config.routes.map(({ upstreams }) => upstreams.length)).toEqual([2, 1, 2]);
});

test("the README's settings and those of the doc load", () => {
  const folder = mkdtempSync(join(tmpdir(), "mailonce-docs-"));
  try {
    const blocks = blocksOf(read("README.md"), "toml");
    expect(blocks.length).toBeGreaterThan(0);
    const withUsers =
      '[smtp]\ntls = "required"\n[tls]\ncert_file = "c"\nkey_file = "k"\n[access]\nusers_file = "u"\n';
    const ofDoc = blocksOf(doc, "toml").slice(0, -1);
    for (const block of [...blocks, ...ofDoc]) {
      const file = join(folder, "mailonce.toml");
      writeFileSync(file, block.startsWith("[users.") ? withUsers + block : block, { mode: 0o600 });
      expect(() => loadConfig({ file, environment: {} })).not.toThrow();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
