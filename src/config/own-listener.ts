// An upstream that is one of this gateway's own listeners: each mail would come back, and go out again. Both
// sides are looked up, so any name and any spelling of either is recognised.
import { lookup } from "node:dns/promises";
import { hostname as machineName, networkInterfaces } from "node:os";
import { canonicalAddress } from "../address/networks.ts";
import { type Config, ConfigError } from "./config.ts";
import { listenersOf } from "./listeners.ts";
import { viewsOf } from "./routes.ts";

/** A name server that does not answer must not hold up a start: the first mail that comes back is noticed too. */
const LOOK_UP_MS = 3_000;

/**
 * Looks up the name of an upstream only where its port is that of a listener, so as a rule none.
 *
 * @throws ConfigError with each upstream that leads back here
 */
export async function refuseOwnListener(config: Config): Promise<void> {
  const faults: string[] = [];
  for (const { place, config: view } of viewsOf(config)) {
    const target = targetOf(view.upstream);
    if (target === undefined) continue;
    const near = listenersOf(config).filter(({ port }) => port === target.port);
    if (near.length === 0) continue;
    const addresses = await addressesOf(target.host, config.hostname);
    const listening = await Promise.all(near.map(({ host }) => addressesOf(host, config.hostname)));
    if (listening.flat().some((host) => addresses.some((address) => reaches(address, host)))) {
      faults.push(
        `${place}.${target.key}: ${target.host} port ${target.port} is this gateway's own listener; each mail would come back`,
      );
    }
  }
  if (faults.length > 0) throw new ConfigError(faults);
}

/** Where the upstream is, when the configuration says so, and the key that says it. */
function targetOf({ kind, smtp, ses }: Config["upstream"]) {
  if (kind === "smtp" && smtp.host !== undefined) {
    return { key: "smtp.host", host: smtp.host, port: smtp.port };
  }
  // The SDK reads them too, and who runs mailers on the same machine may set them for those.
  const { AWS_ENDPOINT_URL_SESV2, AWS_ENDPOINT_URL } = process.env;
  const endpoint = ses.endpoint ?? AWS_ENDPOINT_URL_SESV2 ?? AWS_ENDPOINT_URL;
  if (kind !== "ses" || endpoint === undefined || !URL.canParse(endpoint)) return undefined;
  const { hostname: host, port, protocol } = new URL(endpoint);
  return { key: "ses.endpoint", host, port: Number(port) || (protocol === "https:" ? 443 : 80) };
}

/** The addresses that mean "here" to a client, and "everywhere" to a listener. */
const ANY: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);
const LOOPBACK = ["127.0.0.1", "::1"] as const;

/** Whether a connection to the address is one to a listener on that one; both canonical. */
function reaches(address: string, listening: string): boolean {
  if (ANY.has(listening)) return isOwn(address);
  return address === listening || (ANY.has(address) && isLoopback(listening));
}

const isLoopback = (address: string): boolean => address === "::1" || address.startsWith("127.");

const isOwn = (address: string): boolean =>
  isLoopback(address) || ANY.has(address) || ownAddresses().includes(address);

const ownAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => plain(address)));

/** As canonicalAddress, without brackets and zone; a name in lower case, without the dot that may end it. */
function plain(host: string): string {
  const text = host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/%.*$/, "");
  return canonicalAddress(text) ?? text.replace(/\.$/, "");
}

/** Canonical. A name that can't be looked up has none. */
async function addressesOf(host: string, hostname: string): Promise<string[]> {
  const name = plain(host);
  if (canonicalAddress(name) !== undefined) return [name];
  if (name === "localhost" || name.endsWith(".localhost")) return [...LOOPBACK];
  const own = [hostname, machineName()].some((one) => plain(one) === name) ? ownAddresses() : [];
  return [...own, ...(await lookedUp(name))];
}

async function lookedUp(name: string): Promise<string[]> {
  let late: NodeJS.Timeout | undefined;
  const nothing = new Promise<[]>((resolve) => {
    late = setTimeout(resolve, LOOK_UP_MS, []);
  });
  const found = lookup(name, { all: true }).then(
    (all) => all.map(({ address }) => plain(address)),
    () => [],
  );
  return await Promise.race([found, nothing]).finally(() => clearTimeout(late));
}
