// Assembles the checks that all listeners share: who gets a connection, who may submit, and what. There is
// one for all listeners, since their limits are common.

import { AccessFileError } from "../access/access-file.ts";
import { type Authenticator, createAuthenticator } from "../access/authenticator.ts";
import { createFailures, type Failures } from "../access/failures.ts";
import { type Keys, openKeysFile, readKeys } from "../access/keys-file.ts";
import type { Policy } from "../access/policy.ts";
import { openUsersFile, readUsers } from "../access/users-file.ts";
import { type Networks, networksOf } from "../address/networks.ts";
import { type Config, ConfigError } from "../config/config.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { FreeSpace } from "../storage/free-space.ts";
import { type Reply, replies } from "../submission/reply.ts";
import { type Admission, createAdmission } from "./admission.ts";
import { loadTls, TlsError, type TlsFiles, type TlsOptions } from "./tls/certificates.ts";
import { type CertificateFacts, watchTls } from "./tls/watch.ts";

/** Who and what is let in, the same for all listeners. */
export interface Gate {
  readonly admission: Admission;
  /** Of callers, who are refused with each call while the gateway drains, and not with their connection. */
  readonly callerAdmission: Admission;
  readonly policy: Policy;
  /** Absent where there is no users file. */
  readonly authenticator: Authenticator | undefined;
  /** Absent where there is no keys file. */
  readonly keys: Keys | undefined;
  /** Wrong passwords and signatures, by address. */
  readonly failures: Pick<Failures, "blocked" | "count">;
  readonly trusted: Networks;
  readonly proxies: Networks;
  readonly xclient: Networks;
  /** Absent where no listener has TLS. */
  readonly tls: TlsOptions | undefined;
  /** The reply when no mail is taken: the disk has too little room for so many octets more, or the gateway drains. */
  room(octets: number): Promise<Reply | undefined>;
  now(): number;
}

export interface OpenGate extends Gate {
  /** From now on no connection and no mail is taken; mail whose MAIL was taken is. */
  drain(): void;
  /** Calls back with each new certificate. */
  onTls(apply: (options: TlsOptions) => void): void;
  /** In force at the listeners that have TLS; undefined where none has. */
  certificate(): CertificateFacts | undefined;
  /** Reads users, keys and certificates again. Faults are logged, and then the old ones stay. */
  reload(): Promise<void>;
  close(): void;
}

/**
 * Reads the users file, the keys file and the certificates as a start would.
 *
 * @returns the names of those who may authenticate
 * @throws ConfigError with all that is wrong with them
 */
export async function checkGateFiles({ access, tls }: Config, clock: Clock): Promise<readonly string[]> {
  const { users_file, keys_file } = access;
  const files = tlsFilesOf(tls);
  const faults: string[] = [];
  const users = new Set<string>();
  const check = async (place: string, read: () => unknown): Promise<void> => {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof AccessFileError || error instanceof TlsError)) throw error;
      faults.push(...error.faults.map((fault) => `${place}: ${fault}`));
    }
  };
  if (users_file !== undefined) {
    await check("access.users_file", async () => {
      for (const name of (await readUsers(users_file)).keys()) users.add(name);
    });
  }
  if (keys_file !== undefined) {
    await check("access.keys_file", async () => {
      for (const { name } of (await readKeys(keys_file)).values()) users.add(name);
    });
  }
  if (files !== undefined) await check("tls", () => loadTls(files, clock));
  if (faults.length > 0) throw new ConfigError(faults);
  return [...users];
}

/** To be called when the files have been checked. */
export async function openGate(
  config: Config,
  policy: Policy,
  freeSpace: FreeSpace,
  clock: Clock,
  log: Log,
): Promise<OpenGate> {
  const { access, tls, smtp } = config;
  const now = (): number => clock.now();
  const users =
    access.users_file === undefined ? undefined : await openUsersFile(access.users_file, clock, log);
  const keys = access.keys_file === undefined ? undefined : await openKeysFile(access.keys_file, clock, log);
  const failures = createFailures(
    { max: access.auth_failures_max, windowMs: access.auth_failures_window, blockMs: access.auth_block },
    clock,
    log,
  );
  const authenticator =
    users === undefined ? undefined : createAuthenticator({ users, failures, clock, log });
  const trusted = networksOf(access.trusted_networks);
  const admission = createAdmission(
    {
      connectionsMax: smtp.connections_max,
      connectionsPerAddressMax: smtp.connections_per_address_max,
      allowed: networksOf(access.allowed_networks),
      trusted,
      blocked: failures.blocked,
    },
    now,
    log,
  );
  const files = tlsFilesOf(tls);
  let apply: (options: TlsOptions) => void = () => {};
  const loaded = files === undefined ? undefined : await loadTls(files, clock);
  const watch =
    files === undefined || loaded === undefined
      ? undefined
      : watchTls(files, loaded, ({ options }) => apply(options), log, clock);

  let isDraining = false;

  return {
    admission: {
      ...admission,
      enter: (guest, address) => (isDraining ? replies.draining : admission.enter(guest, address)),
    },
    callerAdmission: admission,
    policy,
    authenticator,
    keys,
    failures,
    trusted,
    proxies: networksOf(access.proxies),
    xclient: networksOf(access.xclient),
    tls: loaded?.options,
    now,
    async room(octets) {
      if (isDraining) return replies.draining;
      return (await freeSpace.hasRoomFor(octets)) ? undefined : replies.full;
    },
    drain() {
      isDraining = true;
    },
    onTls(callback) {
      apply = callback;
    },
    certificate: () => watch?.certificate(),
    async reload() {
      await Promise.all([users?.reload(), keys?.reload(), watch?.reload()]);
    },
    close() {
      users?.close();
      keys?.close();
      watch?.close();
    },
  };
}

function tlsFilesOf(tls: Config["tls"]): TlsFiles | undefined {
  const { cert_file, key_file, min_version, client_ca_file, client_crl_file } = tls;
  if (cert_file === undefined || key_file === undefined) return undefined;
  return {
    certFile: cert_file,
    keyFile: key_file,
    minVersion: min_version,
    clientCaFile: client_ca_file,
    clientCrlFile: client_crl_file,
  };
}
