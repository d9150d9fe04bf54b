// Files that the configuration names and that are read once, at the start: a file that is missing or
// wrong refuses the start, as a bad value does, instead of failing the first message.
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Config, ConfigError } from "./config.ts";

export interface ConfigFiles {
  /** PEM: the only authorities that vouch for the SMTP upstream; absent, those that Node.js knows do. */
  readonly smtpAuthorities?: string;
}

/**
 * Reads what the configuration names and its upstream uses.
 *
 * @param place the key of the upstream's table, for faults
 * @throws ConfigError
 */
export function readConfigFiles({ upstream }: Config, place = "upstream"): ConfigFiles {
  const { ca_file: file } = upstream.smtp;
  if (upstream.kind !== "smtp" || file === undefined) return {};
  const fault = (what: string) => new ConfigError([`${place}.smtp.ca_file: ${file}: ${what}`]);
  let pem: string;
  try {
    pem = readFileSync(file, "utf8");
  } catch (error) {
    throw fault(`can't be read: ${(error as Error).message}`);
  }
  const certificates = pem.match(CERTIFICATE) ?? [];
  // TLS ignores what it does not understand, and then trusts nobody: every connection would fail.
  if (certificates.length === 0) throw fault("no certificate in it (PEM)");
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch {
      throw fault(`certificate ${index + 1} is damaged`);
    }
  }
  return { smtpAuthorities: pem };
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END (?:TRUSTED )?CERTIFICATE-----/g;
