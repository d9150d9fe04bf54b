// The listeners that a configuration names: one shape for the one of [smtp] and for several, and the faults
// that would make one an open relay, a way round TLS, or a listener that nobody can use.
import { isIPv4 } from "node:net";
import { isInternetWide, parseNetwork } from "../address/networks.ts";
import type { PlaceOf } from "./places.ts";
import type { Config, ListenerConfig } from "./schema.ts";

/** The keys that [[listeners]] take over from [smtp]. */
const OWN_KEYS = ["protocol", "host", "port", "tls", "auth"] as const;

export const listenersOf = ({ listeners, smtp }: Config): readonly ListenerConfig[] =>
  listeners.length > 0 ? listeners : [smtp];

/** Whether a client that is not trusted has a way to authenticate by a password or a certificate. */
const hasUsers = ({ access, tls }: Config): boolean =>
  access.users_file !== undefined || tls.client_ca_file !== undefined;

/** Whether a client of that listener has a way to authenticate. */
const letsIn = (config: Config, { protocol, tls }: ListenerConfig): boolean =>
  protocol === "ses-api" ? config.access.keys_file !== undefined : tls !== "none" && hasUsers(config);

/** @param given what was set in [smtp], defaults left out */
export function listenerFaults(config: Config, given: unknown, placeOf: PlaceOf): string[] {
  const several = config.listeners.length > 0;
  const inSmtp = typeof given === "object" && given !== null ? Object.keys(given) : [];
  return [
    ...OWN_KEYS.filter((key) => several && inSmtp.includes(key)).map(
      (key) => `${placeOf(["smtp", key])}: belongs into [[listeners]] where there are several`,
    ),
    ...listenersOf(config).flatMap((listener, index) =>
      faultsOf(config, listener, (key) => placeOf(several ? ["listeners", index, key] : ["smtp", key])),
    ),
    ...doubleFaults(config, placeOf),
    ...networkFaults(config, placeOf),
    ...tlsFaults(config, placeOf),
    ...userFaults(config, placeOf),
  ];
}

function faultsOf(config: Config, listener: ListenerConfig, place: (key: string) => string): string[] {
  const faults: string[] = [];
  const { protocol, host, tls, auth } = listener;
  if (protocol === "ses-api" && (tls === "opportunistic" || tls === "required")) {
    faults.push(`${place("tls")}: "${tls}" is STARTTLS, which HTTP has not; "implicit" or "none"`);
  }
  if (tls !== "none" && config.tls.cert_file === undefined) {
    faults.push(`${place("tls")}: "${tls}" needs tls.cert_file and tls.key_file`);
  }
  if (auth === "everyone" && !letsIn(config, listener)) {
    const needed =
      protocol === "ses-api" ? "access.keys_file" : "TLS and access.users_file or tls.client_ca_file";
    faults.push(`${place("auth")}: "everyone" needs ${needed}, or nobody could submit`);
  }
  const trustsOthers = config.access.trusted_networks.some((text) => !isLoopbackNetwork(text));
  if (!isLoopback(host) && !trustsOthers && !letsIn(config, listener)) {
    const needed =
      protocol === "ses-api" ? "access.keys_file" : "access.users_file (or tls.client_ca_file) and tls";
    faults.push(
      `${place("host")}: ${host} can be reached from other machines, and none of them could submit: set ` +
        `${needed}, or access.trusted_networks; or listen on 127.0.0.1`,
    );
  }
  return faults;
}

function doubleFaults({ listeners }: Config, placeOf: PlaceOf): string[] {
  const seen = new Set<string>();
  return listeners.flatMap(({ host, port }, index) => {
    const address = `${host} port ${port}`;
    if (port !== 0 && seen.has(address)) {
      return [`${placeOf(["listeners", index, "port"])}: another listener has ${address}`];
    }
    seen.add(address);
    return [];
  });
}

/** No network that trusts is as wide as the internet: that is how relays are opened by accident. */
function networkFaults({ access }: Config, placeOf: PlaceOf): string[] {
  const lists = {
    trusted_networks: "submit",
    proxies: "name any client's address",
    xclient: "name any client",
  };
  return Object.entries(lists).flatMap(([key, power]) =>
    access[key as keyof typeof lists].flatMap((text, index) => {
      const parsed = parseNetwork(text);
      if (!parsed.ok || !isInternetWide(parsed.network)) return [];
      return [
        `${placeOf(["access", key, index])}: ${text} is as wide as the internet; anyone could ${power}. ` +
          "Networks from /8 (IPv4) and /7 (IPv6) on are taken",
      ];
    }),
  );
}

function tlsFaults(config: Config, placeOf: PlaceOf): string[] {
  const { tls, access } = config;
  const faults: string[] = [];
  if ((tls.cert_file === undefined) !== (tls.key_file === undefined)) {
    const missing = tls.cert_file === undefined ? "cert_file" : "key_file";
    faults.push(`${placeOf(["tls", missing])}: cert_file and key_file go together`);
  }
  if (tls.client_crl_file !== undefined && tls.client_ca_file === undefined) {
    faults.push(`${placeOf(["tls", "client_crl_file"])}: needs tls.client_ca_file`);
  }
  if (listenersOf(config).every((listener) => listener.tls === "none")) {
    // Nobody would be asked for a password or a certificate, although its owner thinks so.
    const why = "is asked for under TLS only, and no listener has it; set tls";
    if (access.users_file !== undefined)
      faults.push(`${placeOf(["access", "users_file"])}: a password ${why}`);
    if (tls.client_ca_file !== undefined) {
      faults.push(`${placeOf(["tls", "client_ca_file"])}: a certificate ${why}`);
    }
  }
  return faults;
}

function userFaults(config: Config, placeOf: PlaceOf): string[] {
  const { keys_file: keysFile, xclient } = config.access;
  if (hasUsers(config) || keysFile !== undefined || xclient.length > 0) return [];
  return Object.keys(config.users).map(
    (name) =>
      `${placeOf(["users", name])}: nobody can authenticate; set access.users_file, access.keys_file or tls.client_ca_file`,
  );
}

export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));

const isLoopbackNetwork = (text: string): boolean => text.startsWith("127.") || /^::1(\/128)?$/.test(text);
