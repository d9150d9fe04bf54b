// IP addresses and networks: which address is in which network, and the unit by which limits count it.
// IPv4-mapped IPv6 addresses (RFC 4291 §2.5.5.2) count as IPv4 everywhere, since a dual-stack listener writes
// IPv4 clients that way. ipaddr.js is imported here and nowhere else.
import { SocketAddress } from "node:net";
import ipaddr from "ipaddr.js";

/** A CIDR network (RFC 4632, RFC 4291 §2.3). */
export interface Network {
  readonly family: 4 | 6;
  /** Leading bits that an address must share: 0 to 32 or 0 to 128. */
  readonly prefix: number;
  /** Those bits, as a number. */
  readonly bits: bigint;
  /** Canonical: "10.0.0.0/8", "2001:db8::/32"; the prefix is there for a single address too. */
  readonly text: string;
}

export interface Networks {
  /** Is the address in one of them? What is no IP address is in none. */
  has(address: string): boolean;
}

interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
  readonly text: string;
}

const BITS = { 4: 32, 6: 128 } as const;

/** Longest text of an address with a prefix; longer ones aren't looked at. */
const TEXT_MAX = 64;

/** The bits of an IPv4-mapped IPv6 address in front of the IPv4 address. */
const MAPPED_BITS = 96;

function addressOf(octets: readonly number[]): Address {
  const parsed = ipaddr.fromByteArray([...octets]);
  const value = octets.reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n);
  return { family: octets.length === 4 ? 4 : 6, value, text: parsed.toString() };
}

const textOf = (family: 4 | 6, value: bigint): string => {
  const octets = Array.from({ length: BITS[family] / 8 }, (_, i) =>
    Number((value >> BigInt(BITS[family] - 8 * (i + 1))) & 0xffn),
  );
  return ipaddr.fromByteArray(octets).toString();
};

/** The last 32 bits of an IPv6 address may be written as an IPv4 address (RFC 4291 §2.2, form 3). */
const DOTTED_END = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/;
const inHexadecimal = (text: string): string =>
  text.replace(DOTTED_END, (_, ...octets: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = octets.map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });

/**
 * Only what every other program reads the same way: ipaddr.js takes "0x7f.1" and "010.0.0.1" too, which
 * others take for another address or for none, and "::10.0.0.1" for the IPv4 address, which it is not.
 */
function readAddress(text: string): ParsedAddress | undefined {
  if (text.length > TEXT_MAX || !/^[\da-f:.]+$/i.test(text)) return undefined;
  const family = familyOf(text);
  if (family === undefined) return undefined;
  const parsed = ipaddr.parse(family === 6 ? inHexadecimal(text) : text);
  const mapped = parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress();
  const plain = mapped ? parsed.toIPv4Address() : parsed;
  return { ...addressOf(plain.toByteArray()), mapped };
}

/**
 * By libuv's reader, for which a NUL ends the text. `isIP` compiles an expression at its first call, which takes some 25 ms of
 * each start.
 */
function familyOf(text: string): 4 | 6 | undefined {
  const family = text.includes(":") ? 6 : 4;
  try {
    new SocketAddress({ address: text, family: `ipv${family}` });
    return family;
  } catch {
    return undefined;
  }
}

type ParsedAddress = Address & { readonly mapped: boolean };

/** A client is asked about several times for each connection, and the same few hundred come again. */
const READ_MAX = 1024;
const read = new Map<string, ParsedAddress | undefined>();

function parseAddress(text: string): ParsedAddress | undefined {
  if (read.has(text)) return read.get(text);
  const address = readAddress(text);
  if (read.size >= READ_MAX) read.clear();
  read.set(text, address);
  return address;
}

/** A socket says which interface a link-local address (fe80::/10) was reached over: "fe80::1%eth0". */
const withoutZone = (address: string): string => {
  const zone = address.indexOf("%");
  return zone < 0 ? address : address.slice(0, zone);
};

/**
 * The one way to write an address: IPv4 dotted, IPv6 as RFC 5952 has it, IPv4-mapped as IPv4.
 *
 * @returns undefined for what is no address, or has a zone id
 */
export const canonicalAddress = (text: string): string | undefined => parseAddress(text)?.text;

/**
 * Reads "10.0.0.0/8", "2001:db8::/32", or a single address.
 * @returns the network, or the fault, as the end of a sentence that begins with the text's place
 */
export function parseNetwork(text: string): { ok: true; network: Network } | { ok: false; fault: string } {
  const fault = (what: string) => ({ ok: false as const, fault: `${JSON.stringify(text)} ${what}` });
  const [addressText = "", prefixText, more] = text.split("/");
  if (text.includes("%"))
    return fault("has a zone id, which names an interface of one machine: leave it out");
  const address = parseAddress(addressText);
  if (address === undefined || more !== undefined) {
    return fault('is neither a network such as "10.0.0.0/8" or "2001:db8::/32" nor an address');
  }
  const { family, mapped } = address;
  const written = mapped ? 128 : BITS[family];
  if (prefixText !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(prefixText)) {
    return fault(`has no prefix length after its "/": a number from 0 to ${written}`);
  }
  const writtenPrefix = prefixText === undefined ? written : Number(prefixText);
  if (writtenPrefix > written) return fault(`has a prefix that is too long: a number from 0 to ${written}`);
  const prefix = mapped ? writtenPrefix - MAPPED_BITS : writtenPrefix;
  if (prefix < 0) return fault("cuts into the bits that mark an IPv4-mapped address: write the IPv4 network");
  const hostBits = BigInt(BITS[family] - prefix);
  const bits = address.value >> hostBits;
  const base = textOf(family, bits << hostBits);
  if (base !== address.text) {
    return fault(
      `has bits set beyond its prefix: "${base}/${prefix}" is the network, "${address.text}" the one address`,
    );
  }
  return { ok: true, network: { family, prefix, bits, text: `${base}/${prefix}` } };
}

/**
 * Is the network so wide that naming it opens the gateway to the internet, whole or in its two halves? The
 * widest that belong to somebody are 10.0.0.0/8 (RFC 1918) and fc00::/7 (RFC 4193).
 */
export const isInternetWide = ({ family, prefix }: Network): boolean => prefix < (family === 4 ? 8 : 7);

/**
 * @param texts as `parseNetwork` takes them
 * @throws Error with the first fault; a configuration has reported all of them before
 */
export function networksOf(texts: readonly string[]): Networks {
  // A look-up for each prefix length in use, however many networks there are.
  const byPrefix = { 4: new Map<number, Set<bigint>>(), 6: new Map<number, Set<bigint>>() };
  for (const text of texts) {
    const parsed = parseNetwork(text);
    if (!parsed.ok) throw new Error(parsed.fault);
    const { family, prefix, bits } = parsed.network;
    const known = byPrefix[family].get(prefix);
    if (known === undefined) byPrefix[family].set(prefix, new Set([bits]));
    else known.add(bits);
  }
  return {
    has(text) {
      const address = parseAddress(withoutZone(text));
      if (address === undefined) return false;
      for (const [prefix, known] of byPrefix[address.family]) {
        if (known.has(address.value >> BigInt(BITS[address.family] - prefix))) return true;
      }
      return false;
    },
  };
}

/**
 * A client with one IPv6 address has the whole of its /64 (RFC 6177, RFC 7421) and could take a fresh
 * address for each connection, so limits count by the /64.
 */
const COUNTED_PREFIX = 64;

/**
 * The unit that limits count by: an IPv4 address ("192.0.2.1"), the /64 of an IPv6 one ("2001:db8::/64"). One
 * unit has one text, however its address was written. What is no address comes back as it is.
 */
export function addressKey(text: string): string {
  const address = parseAddress(withoutZone(text));
  if (address === undefined) return text;
  if (address.family === 4) return address.text;
  const hostBits = BigInt(BITS[6] - COUNTED_PREFIX);
  return `${textOf(6, (address.value >> hostBits) << hostBits)}/${COUNTED_PREFIX}`;
}
