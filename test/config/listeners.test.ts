// Listeners that would be an open relay, a way round TLS, or a door that nobody can come through don't open;
// secrets come from files that only their owner can read.
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigError, loadConfig } from "../../src/config/config.ts";
import { listenersOf } from "../../src/config/listeners.ts";
import { temporaryFolder } from "../support/storage.ts";

async function load(text: string, mode = 0o600, environment: Record<string, string> = {}) {
  const folder = await temporaryFolder();
  const file = join(folder, "mailonce.toml");
  writeFileSync(file, text.replaceAll("FOLDER", folder));
  chmodSync(file, mode);
  writeFileSync(join(folder, "secret"), "from a file\n", { mode: 0o600 });
  writeFileSync(join(folder, "open"), "for all to read\n");
  chmodSync(join(folder, "open"), 0o644);
  try {
    return { config: loadConfig({ file, environment }), faults: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { config: undefined, faults: error.faults.map((fault) => fault.replaceAll(file, "FILE")) };
  }
}

const certificate = '[tls]\ncert_file = "cert.pem"\nkey_file = "key.pem"\n';
const users = '[access]\nusers_file = "users"\n';

test.each([
  ["nothing demanded", '[smtp]\nhost = "0.0.0.0"\n', "smtp.host: 0.0.0.0 can be reached"],
  ["nothing demanded, IPv6", '[smtp]\nhost = "::"\n', "smtp.host: :: can be reached"],
  ["TLS and nobody", `[smtp]\nhost = "0.0.0.0"\ntls = "required"\n${certificate}`, "smtp.host: 0.0.0.0 can"],
  [
    "users and no TLS",
    `[smtp]\nhost = "192.0.2.1"\n${users}`,
    "access.users_file: a password is asked for under TLS only",
  ],
  [
    "the whole internet",
    '[access]\ntrusted_networks = ["0.0.0.0/0"]\n',
    "trusted_networks.0: 0.0.0.0/0 is as wide",
  ],
  [
    "its halves",
    '[access]\ntrusted_networks = ["::/1", "8000::/1"]\n',
    "trusted_networks.1: 8000::/1 is as wide",
  ],
  ["proxies anywhere", '[access]\nproxies = ["0.0.0.0/0"]\n', "access.proxies.0: 0.0.0.0/0 is as wide"],
  ["XCLIENT from anywhere", '[access]\nxclient = ["::/0"]\n', "access.xclient.0: ::/0 is as wide"],
  [
    "no network",
    '[access]\ntrusted_networks = ["10.0.0.1/8"]\n',
    'trusted_networks.0: "10.0.0.1/8" has bits set',
  ],
  ["TLS without a certificate", '[smtp]\ntls = "required"\n', 'smtp.tls: "required" needs tls.cert_file'],
  [
    "half a certificate",
    '[tls]\ncert_file = "cert.pem"\n',
    "tls.key_file: cert_file and key_file go together",
  ],
  ["AUTH without TLS", `[smtp]\nauth = "everyone"\n${users}`, 'smtp.auth: "everyone" needs TLS and'],
  [
    "AUTH without users",
    `[smtp]\nauth = "everyone"\ntls = "required"\n${certificate}`,
    'smtp.auth: "everyone" needs TLS and',
  ],
  ["rules of nobody", "[users.shop]\nrecipients_max = 1\n", "users.shop: nobody can authenticate"],
  [
    "a pattern that is none",
    '[policy]\nreverse_paths = ["a b"]\n',
    'policy.reverse_paths.0: "a b" is no address',
  ],
  [
    "an address as domain",
    '[policy]\nfrom_domains = ["a@b.example"]\n',
    "policy.from_domains.0: expected a domain",
  ],
  [
    "two places for the port",
    "[smtp]\nport = 25\n[[listeners]]\nport = 26\n",
    "smtp.port: belongs into [[listeners]]",
  ],
  [
    "one port twice",
    "[[listeners]]\nport = 25\n[[listeners]]\nport = 25\n",
    "listeners.1.port: another listener has",
  ],
  [
    "a revocation list of nobody",
    `${certificate}client_crl_file = "crl"\n`,
    "tls.client_crl_file: needs tls.client_ca",
  ],
  [
    "time-outs upside down",
    '[smtp.timeouts]\ndata = "1m"\n',
    "smtp.timeouts.data: must not be shorter than smtp.timeouts.data_idle",
  ],
])("%s", async (_, text, fault) => {
  const { faults } = await load(text);
  expect(faults.join("\n")).toContain(`FILE: ${fault}`.replace(/^FILE: (trusted)/, "FILE: access.$1"));
});

test("the same listeners with somebody who may submit", async () => {
  const open = async (text: string) => (await load(text)).faults;
  expect(await open(`[smtp]\nhost = "0.0.0.0"\ntls = "required"\n${certificate}${users}`)).toEqual([]);
  expect(await open('[smtp]\nhost = "0.0.0.0"\n[access]\ntrusted_networks = ["10.0.0.0/8"]\n')).toEqual([]);
  expect(
    await open(`[smtp]\nhost = "0.0.0.0"\ntls = "implicit"\n${certificate}client_ca_file = "ca.pem"\n`),
  ).toEqual([]);
});

test("several listeners, each with defaults of its own", async () => {
  const { config } = await load(
    `[[listeners]]\n[[listeners]]\nhost = "0.0.0.0"\nport = 465\ntls = "implicit"\nauth = "everyone"\n${certificate}${users}`,
  );
  expect(config && listenersOf(config)).toEqual([
    { protocol: "smtp", host: "127.0.0.1", port: 2525, tls: "none", auth: "untrusted" },
    { protocol: "smtp", host: "0.0.0.0", port: 465, tls: "implicit", auth: "everyone" },
  ]);
});

test("secrets from files", async () => {
  const { config, faults } = await load(
    '[identity]\nsecret_file = "FOLDER/secret"\n' +
      '[upstreams.a]\nkind = "smtp"\n[upstreams.a.smtp]\nhost = "h"\nusername = "u"\npassword_file = "FOLDER/secret"\n' +
      '[[routes]]\nupstreams = ["a"]\n',
  );
  expect(faults).toEqual([]);
  expect(config?.identity.secret).toBe("from a file");
  expect(config?.upstreams.a?.smtp.password).toBe("from a file");
});

test("a secret file that others can read, one that is missing, and one secret in two places", async () => {
  const { faults } = await load(
    '[identity]\nsecret = "inline"\nsecret_file = "FOLDER/secret"\n' +
      '[upstream]\nkind = "smtp"\n[upstream.smtp]\nhost = "h"\nusername = "u"\npassword_file = "FOLDER/open"\n',
  );
  expect(faults).toHaveLength(2);
  expect(faults[0]).toContain("identity.secret_file: identity.secret is set too");
  expect(faults[1]).toMatch(/upstream\.smtp\.password_file: .*chmod 600/);
  const { faults: missing } = await load('[identity]\nsecret_file = "FOLDER/nowhere"\n');
  expect(missing.join("\n")).toMatch(/identity\.secret_file: .*nowhere/);
});

test("a configuration file with a secret in it that others can read", async () => {
  const { faults } = await load('[identity]\nsecret = "inline"\n', 0o644);
  expect(faults).toEqual([expect.stringMatching(/holds a secret.*chmod 600/)]);
  expect((await load('[identity]\nsecret = "inline"\n', 0o640)).faults).toEqual([]);
  // The environment's secret is not in the file.
  expect((await load("", 0o644, { MAILONCE_IDENTITY_SECRET: "inline" })).faults).toEqual([]);
});
