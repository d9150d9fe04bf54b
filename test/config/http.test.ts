// [http] opens nothing that strangers could use.
import { expect, test } from "vitest";
import { ConfigError, loadConfig } from "../../src/config/config.ts";

function faultsOf(settings: Readonly<Record<string, string>>): readonly string[] {
  const environment = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [`MAILONCE_${name}`, value]),
  );
  try {
    loadConfig({ environment });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults;
  }
}

const TLS = { HTTP_TLS_CERT_FILE: "cert.pem", HTTP_TLS_KEY_FILE: "key.pem" };
const TOKENS = { HTTP_TOKENS_FILE: "tokens" };

test.each(["0.0.0.0", "::", "192.0.2.1", "gateway.example", "128.0.0.1"])(
  "%s needs tokens and TLS, and the fault says how to get them",
  (host) => {
    const HTTP_HOST = host;
    const [fault = ""] = faultsOf({ HTTP_HOST });
    expect(fault).toBe(
      `MAILONCE_HTTP_HOST: ${host} can be reached from other machines: set http.tokens_file (mailonce token add NAME ` +
        "--role read --file FILE makes a line) and http.tls.cert_file and http.tls.key_file; or listen on 127.0.0.1",
    );
    expect(faultsOf({ HTTP_HOST, ...TOKENS })[0]).toContain(
      "set http.tls.cert_file and http.tls.key_file; or",
    );
    expect(faultsOf({ HTTP_HOST, ...TLS })[0]).toContain("set http.tokens_file (");
    expect(faultsOf({ HTTP_HOST, ...TLS, ...TOKENS })).toEqual([]);
    expect(faultsOf({ HTTP_HOST, HTTP_ENABLED: "false" })).toEqual([]);
  },
);

test.each(["127.0.0.1", "::1", "localhost", "127.8.8.8"])("%s needs nothing", (host) => {
  expect(faultsOf({ HTTP_HOST: host })).toEqual([]);
});

test("certificate and key go together", () => {
  expect(faultsOf({ HTTP_TLS_CERT_FILE: "cert.pem" })[0]).toContain("cert_file and key_file go together");
});

test("mail and HTTP don't share a port", () => {
  expect(faultsOf({ HTTP_PORT: "2525" })[0]).toContain("clients submit on 127.0.0.1 port 2525");
});

test.each(["gateway.example:2580", "https://gateway.example", "*", "a b", ""])(
  "%j is no host name",
  (name) => {
    const [fault] = faultsOf({ HTTP_HOSTS: `good.example,${name}` });
    if (name === "") expect(fault).toBeUndefined();
    else expect(fault).toContain("expected a host name, without a port");
  },
);
