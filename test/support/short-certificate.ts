// A certificate that ends when a test wants it to; those in fixtures/tls last for a century.
import { execFileSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "./peers.ts";

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

const openssl = findProgram("openssl");

/** Writes both files, in place of earlier ones. Undefined where openssl is missing. @param days until it ends */
export function writeCertificate(folder: string, days: number): CertificateFiles | undefined {
  if (openssl === undefined) return undefined;
  const files = { cert: join(folder, "short.pem"), key: join(folder, "short-key.pem") };
  const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const names = ["-subj", "/CN=localhost", "-days", String(days)];
  execFileSync(openssl, [...kind, ...names, "-out", files.cert, "-keyout", files.key], { stdio: "ignore" });
  chmodSync(files.key, 0o600);
  return files;
}
