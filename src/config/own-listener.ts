// An upstream that is one of this gateway's own listeners: each mail would come back, and go out again.
import { lookup } from "node:dns/promises";
import { isIP, isIPv4 } from "node:net";
import { hostname as machineName, networkInterfaces } from "node:os";
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
    const { kind, smtp } = view.upstream;
    if (kind !== "smtp" || smtp.host === undefined) continue;
    const near = listenersOf(config).filter(({ port }) => port === smtp.port);
    if (near.length === 0) continue;
    const addresses = await addressesOf(smtp.host, config.hostname);
    if (near.some(({ host }) => addresses.some((address) => reaches(address, host)))) {
      faults.push(
        `${place}.smtp.host: ${smtp.host} port ${smtp.port} is this gateway's own listener; each mail would come back`,
      );
    }
  }
  if (faults.length > 0) throw new ConfigError(faults);
}

/** Whether a connection to the address is one to a listener on that host. */
function reaches(address: string, host: string): boolean {
  if (host === "localhost") return isLoopback(address);
  const listening = plain(host);
  if (listening === "0.0.0.0" || listening === "::") return isOwn(address);
  return address === listening;
}

const isLoopback = (address: string): boolean =>
  address === "::1" || (isIPv4(address) && address.startsWith("127."));

/** The address that means "here" leads to loopback. */
const isOwn = (address: string): boolean =>
  isLoopback(address) || address === "0.0.0.0" || address === "::" || ownAddresses().has(address);

const ownAddresses = (): ReadonlySet<string> =>
  new Set(
    Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => plain(address))),
  );

/** IPv4 as IPv4, without brackets and zone. */
const plain = (address: string): string =>
  address
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/^::ffff:(?=\d+\.)/, "")
    .replace(/%.*$/, "");

async function addressesOf(host: string, hostname: string): Promise<string[]> {
  const name = plain(host);
  if (name === "0.0.0.0" || name === "::") return [name, "127.0.0.1", "::1"];
  if (isIP(name) !== 0) return [name];
  if (name === "localhost") return ["127.0.0.1", "::1"];
  const own = [hostname, machineName()].some((one) => one.toLowerCase() === name) ? [...ownAddresses()] : [];
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
