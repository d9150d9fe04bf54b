// The TLS files of a listener: certificate, key and the authorities of client certificates. They are read and
// checked so that a start reports every fault at once, before the first handshake. watch.ts follows changes
// on the disk.
import { constants, createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { open } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { type Clock, systemClock } from "../../runtime/clock.ts";

export interface TlsFiles {
  /** PEM: the server's certificate, then the intermediate ones. */
  readonly certFile: string;
  /** PEM, not encrypted, and of no business to others. */
  readonly keyFile: string;
  readonly minVersion: "1.2" | "1.3";
  /** PEM: the authorities that vouch for clients. Absent: no client is asked for a certificate. */
  readonly clientCaFile?: string | undefined;
  /**
   * PEM: the certificates they have revoked, a list for each authority, intermediate ones too. One that is
   * missing, or is past its next update, refuses every client certificate.
   */
  readonly clientCrlFile?: string | undefined;
}

/**
 * For smtp-server's constructor and `updateSecureContext`. Each key is always there: the library merges, and
 * what is left out would stay as it was, or be its own default (TLS 1.0, a certificate everybody has the key of).
 */
export interface TlsOptions {
  readonly key: string;
  readonly cert: string;
  /** None: no client is vouched for. Left out, it would be all authorities that Node brings: 35 ms, and for nothing. */
  readonly ca: string[];
  readonly crl: string[] | undefined;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly ciphers: string;
  readonly honorCipherOrder: boolean;
  readonly secureOptions: number;
  readonly requestCert: boolean;
  /** False: who has no good certificate may still be let in otherwise; `clientUser` tells them apart. */
  readonly rejectUnauthorized: false;
}

export interface LoadedTls {
  readonly options: TlsOptions;
  /** What the server's certificate is for: its alternative names, or else its common name. */
  readonly names: readonly string[];
  /** Milliseconds since 1970, of the server's certificate. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Expired or not valid yet: clients will refuse it, but the gateway's other listeners needn't stop. */
  readonly warnings: readonly string[];
  /** Of all that was read. */
  readonly digest: string;
}

/** All that is wrong with the files. `message` has a line for each fault. */
export class TlsError extends Error {
  override readonly name = "TlsError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

/**
 * TLS 1.2 with forward secrecy and authenticated encryption only: Mozilla's "intermediate" without its DHE
 * suites, which need parameters of their own and which nothing needs that has TLS 1.2. Node.js offers no
 * TLS 1.3 at all when the list names no suite of it.
 */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/**
 * No renegotiation: it costs the server more than the client, and mixes two handshakes in one session.
 *
 * No tickets, and without a session cache (Node.js has none unless it is built) no resumption at all: a
 * resumed session is not asked for its certificate again, so it would outlive its revocation; and Node.js
 * takes a resumed TLS 1.3 session without any client certificate for an authorized one. Mailers hardly resume.
 */
const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET;

type FileKind = "certFile" | "keyFile" | "clientCaFile" | "clientCrlFile";
const KINDS: readonly FileKind[] = ["certFile", "keyFile", "clientCaFile", "clientCrlFile"];

interface FileRead {
  readonly file: string;
  readonly text: string;
  readonly mode: number;
  /** Why it can't be read. */
  readonly error?: string;
}

/** What the files hold at one time, readable or not. */
export interface TlsContents {
  readonly read: Readonly<Partial<Record<FileKind, FileRead>>>;
  /** Changes with anything that `checkTls` looks at, but the time. */
  readonly digest: string;
}

async function readOne(file: string): Promise<FileRead> {
  try {
    const handle = await open(file);
    try {
      const { mode } = await handle.stat();
      return { file, text: await handle.readFile("latin1"), mode: mode & 0o777 };
    } finally {
      await handle.close();
    }
  } catch (error) {
    return { file, text: "", mode: 0, error: (error as Error).message };
  }
}

/** Never rejects. */
export async function readTlsFiles(files: TlsFiles): Promise<TlsContents> {
  const read: Partial<Record<FileKind, FileRead>> = {};
  for (const kind of KINDS) {
    const file = files[kind];
    if (file !== undefined) read[kind] = await readOne(file);
  }
  return { read, digest: createHash("sha256").update(JSON.stringify(read)).digest("hex") };
}

/**
 * @param now milliseconds since 1970
 * @throws TlsError
 */
export function checkTls(files: TlsFiles, { read, digest }: TlsContents, now: number): LoadedTls {
  const faults: string[] = [];
  const unread = KINDS.flatMap((kind) => read[kind] ?? []).filter(({ error }) => error !== undefined);
  for (const { file, error } of unread) faults.push(`${file}: can't be read: ${error}`);
  const readable = (kind: FileKind): FileRead | undefined =>
    read[kind]?.error === undefined ? read[kind] : undefined;

  const certificates = blocksOf(readable("certFile"), "CERTIFICATE", faults);
  const key = keyOf(readable("keyFile"), faults);
  const leaf = certificates?.[0] === undefined ? undefined : new X509Certificate(certificates[0]);
  if (leaf !== undefined && key !== undefined && !leaf.checkPrivateKey(key)) {
    const other = certificates?.some((pem) => new X509Certificate(pem).checkPrivateKey(key));
    faults.push(
      other
        ? `${files.certFile}: the server's own certificate must be the first`
        : `${files.keyFile}: does not belong to the certificate in ${files.certFile}`,
    );
  }
  const ca = blocksOf(readable("clientCaFile"), "CERTIFICATE", faults);
  const crl = blocksOf(readable("clientCrlFile"), "X509 CRL", faults);
  if (read.clientCrlFile !== undefined && read.clientCaFile === undefined) {
    faults.push(`${files.clientCrlFile}: revokes certificates of clients, but no authority vouches for any`);
  }
  if (faults.length > 0 || leaf === undefined) throw new TlsError(faults);

  const options: TlsOptions = {
    key: readable("keyFile")?.text ?? "",
    cert: (certificates ?? []).join("\n"),
    ca: ca ?? [],
    crl,
    minVersion: files.minVersion === "1.3" ? "TLSv1.3" : "TLSv1.2",
    ciphers: CIPHERS,
    // All of them are good: the client knows which is fastest for it.
    honorCipherOrder: false,
    secureOptions: SECURE_OPTIONS,
    requestCert: ca !== undefined,
    rejectUnauthorized: false,
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw new TlsError([`${files.certFile}: can't be used: ${(error as Error).message}`]);
  }
  const notBefore = Date.parse(leaf.validFrom);
  const notAfter = Date.parse(leaf.validTo);
  const warnings: string[] = [];
  if (now < notBefore) warnings.push(`${files.certFile}: is not valid before ${dayOf(notBefore)}`);
  if (now > notAfter) warnings.push(`${files.certFile}: expired on ${dayOf(notAfter)}`);
  return { options, names: namesOf(leaf), notBefore, notAfter, warnings, digest };
}

/** @throws TlsError with everything that is wrong */
export const loadTls = async (files: TlsFiles, clock: Clock = systemClock): Promise<LoadedTls> =>
  checkTls(files, await readTlsFiles(files), clock.now());

const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** Every block of the kind, each one understood: OpenSSL would end at the first that is not, and say nothing. */
function blocksOf(
  file: FileRead | undefined,
  kind: "CERTIFICATE" | "X509 CRL",
  faults: string[],
): string[] | undefined {
  if (file === undefined) return undefined;
  const what = kind === "CERTIFICATE" ? "certificate" : "revocation list";
  const begun = file.text.split(`-----BEGIN ${kind}-----`).length - 1;
  const blocks = file.text.match(new RegExp(`-----BEGIN ${kind}-----[^-]*-----END ${kind}-----`, "g")) ?? [];
  if (begun === 0) faults.push(`${file.file}: no ${what} in it (PEM)`);
  else if (blocks.length < begun) faults.push(`${file.file}: a ${what} in it has no end`);
  for (const [index, block] of blocks.entries()) {
    try {
      if (kind === "CERTIFICATE") new X509Certificate(block);
      else createSecureContext({ crl: block });
    } catch {
      faults.push(`${file.file}: ${what} ${index + 1} is damaged`);
      return undefined;
    }
  }
  return blocks;
}

function keyOf(file: FileRead | undefined, faults: string[]): KeyObject | undefined {
  if (file === undefined) return undefined;
  // A Windows file has no such mode.
  if ((file.mode & 0o007) !== 0 && process.platform !== "win32") {
    faults.push(`${file.file}: others can read this key (mode ${file.mode.toString(8)}): chmod 600`);
  }
  try {
    return createPrivateKey(file.text);
  } catch {
    faults.push(
      /^-----BEGIN ENCRYPTED |^Proc-Type:.*ENCRYPTED/m.test(file.text)
        ? `${file.file}: is encrypted, and nobody is there to type its passphrase`
        : `${file.file}: no private key in it (PEM)`,
    );
    return undefined;
  }
}

function namesOf(leaf: X509Certificate): string[] {
  const names = (leaf.subjectAltName ?? "").match(/(?<=(?:DNS|IP Address):)[^,"]+/g) ?? [];
  const common = /^CN=(.+)$/m.exec(leaf.subject)?.[1];
  return names.length > 0 || common === undefined ? [...names] : [common];
}
