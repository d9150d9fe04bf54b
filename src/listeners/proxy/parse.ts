// The PROXY protocol's header, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt), as octets: pure. Why this
// is not a library's: docs/decisions/0005-proxy-protocol.md.
import { canonicalAddress } from "../../address/networks.ts";

/** The origin of the connection, by the header. */
export type ProxySource =
  /** Of a client, over TCP: its canonical address (IPv4-mapped as IPv4) and port. */
  | { readonly kind: "proxied"; readonly address: string; readonly port: number }
  /** Of the proxy itself, such as a health check: the socket's own address holds. */
  | { readonly kind: "local" };

export type ProxyParse =
  /** So far it can be a header, and more octets belong to it. */
  | { readonly kind: "incomplete" }
  /** `length`: the header's octets; what follows them is the client's. */
  | { readonly kind: "header"; readonly source: ProxySource; readonly length: number }
  /** Never repeats what was received. */
  | { readonly kind: "fault"; readonly fault: string };

/** §2.1: the longest line, with its CRLF. */
const V1_MAX = 107;

/**
 * §2 wants a header to fit a segment of 536 octets, and the address block has at most 216; what load
 * balancers add to it (TLS facts, ids) takes hundreds of octets, not thousands.
 */
const V2_MAX = 4096;

const V1_START = Buffer.from("PROXY ");
const V2_SIGNATURE = Buffer.from([13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]);

/** Signature, version and command, family and protocol, length of the rest (§2.2). */
const V2_FIXED = 16;

/** §2.2: family and protocol in one octet, and the octets of one address of it. TCP alone can carry SMTP. */
const V2_TCP = new Map([
  [0x11, 4],
  [0x21, 16],
]);

/** §2.2.3. */
const TLV_CRC32C = 0x03;
/** The type and two octets of length. */
const TLV_FIXED = 3;

const INCOMPLETE: ProxyParse = { kind: "incomplete" };
const fault = (what: string): ProxyParse => ({ kind: "fault", fault: what });

/** @param octets all that has been received, from the first */
export function parseProxyHeader(octets: Buffer): ProxyParse {
  if (octets.length === 0) return INCOMPLETE;
  for (const [start, parse] of [
    [V1_START, parseV1],
    [V2_SIGNATURE, parseV2],
  ] as const) {
    const common = Math.min(start.length, octets.length);
    if (octets.compare(start, 0, common, 0, common) !== 0) continue;
    return common < start.length ? INCOMPLETE : parse(octets);
  }
  return fault("does not begin as a PROXY header of version 1 or 2 does");
}

function parseV1(octets: Buffer): ProxyParse {
  const line = octets.subarray(0, V1_MAX);
  const end = line.findIndex((octet) => octet === 0x0d || octet === 0x0a);
  if (end < 0) return octets.length < V1_MAX ? INCOMPLETE : fault(`version 1: longer than ${V1_MAX} octets`);
  if (line[end] === 0x0a) return fault("version 1: ends in LF alone");
  if (end + 2 > V1_MAX) return fault(`version 1: longer than ${V1_MAX} octets`);
  if (end + 1 === line.length) return INCOMPLETE;
  if (line[end + 1] !== 0x0a) return fault("version 1: a CR without LF");
  const text = line.toString("latin1", 0, end);
  const length = end + 2;
  // §2.1: the rest of the line is ignored.
  if (/^PROXY UNKNOWN(?: [\x20-\x7e]*)?$/.test(text))
    return { kind: "header", source: { kind: "local" }, length };
  const [, family, source, destination, sourcePort, destinationPort] =
    /^PROXY TCP([46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})$/.exec(text) ?? [];
  if (source === undefined || destination === undefined) {
    return fault("version 1: neither UNKNOWN nor TCP4 or TCP6 with two addresses and two ports");
  }
  const ofFamily = (address: string) => address.includes(":") === (family === "6");
  const address = canonicalAddress(source);
  if (address === undefined || !ofFamily(source)) return fault("version 1: no source address of its family");
  if (canonicalAddress(destination) === undefined || !ofFamily(destination)) {
    return fault("version 1: no destination address of its family");
  }
  const port = Number(sourcePort);
  if (Math.max(port, Number(destinationPort)) > 0xffff) return fault("version 1: a port above 65535");
  return { kind: "header", source: { kind: "proxied", address, port }, length };
}

function parseV2(octets: Buffer): ProxyParse {
  // Each octet is checked as soon as it arrives, so that nobody waits for the rest of a header that can't be
  // right.
  const versionAndCommand = octets[12];
  if (versionAndCommand === undefined) return INCOMPLETE;
  if (versionAndCommand >> 4 !== 2) return fault("version 2: another version");
  const command = versionAndCommand & 0x0f;
  if (command > 1) return fault("version 2: neither LOCAL nor PROXY");
  const familyAndProtocol = octets[13];
  if (familyAndProtocol === undefined) return INCOMPLETE;
  const addressOctets = V2_TCP.get(familyAndProtocol);
  if (command === 1 && addressOctets === undefined) return fault("version 2: not TCP over IPv4 or IPv6");
  if (octets.length < V2_FIXED) return INCOMPLETE;
  const length = V2_FIXED + octets.readUInt16BE(14);
  if (length > V2_MAX) return fault(`version 2: longer than ${V2_MAX} octets`);
  // Two addresses and two ports.
  const tlvsAt = V2_FIXED + 2 * (addressOctets ?? 0) + 4;
  if (command === 1 && length < tlvsAt) return fault("version 2: too short for its addresses");
  if (octets.length < length) return INCOMPLETE;
  // §2.2: the rest of a LOCAL header is discarded, its family included.
  if (command === 0 || addressOctets === undefined)
    return { kind: "header", source: { kind: "local" }, length };
  const header = octets.subarray(0, length);
  const wrong = faultOfTlvs(header, tlvsAt);
  if (wrong !== undefined) return fault(`version 2: ${wrong}`);
  const source = header.subarray(V2_FIXED, V2_FIXED + addressOctets);
  const address = canonicalAddress(addressOctets === 4 ? source.join(".") : groupsOf(source)) as string;
  const port = header.readUInt16BE(V2_FIXED + 2 * addressOctets);
  return { kind: "header", source: { kind: "proxied", address, port }, length };
}

/** The full form of an IPv6 address. */
const groupsOf = (address: Buffer): string =>
  Array.from({ length: 8 }, (_, i) => address.readUInt16BE(2 * i).toString(16)).join(":");

/** Walks the fields after the addresses. It skips all but the checksum, which must be right. */
function faultOfTlvs(header: Buffer, start: number): string | undefined {
  let checksumAt: number | undefined;
  for (let at = start; at < header.length; ) {
    if (at + TLV_FIXED > header.length) return "octets left over behind the last TLV";
    const valueAt = at + TLV_FIXED;
    const valueOctets = header.readUInt16BE(at + 1);
    if (valueAt + valueOctets > header.length) return "a TLV that ends behind the header";
    if (header[at] === TLV_CRC32C) {
      if (valueOctets !== 4 || checksumAt !== undefined) return "not one checksum of four octets";
      checksumAt = valueAt;
    }
    at = valueAt + valueOctets;
  }
  if (checksumAt === undefined) return undefined;
  const blank = Buffer.from(header).fill(0, checksumAt, checksumAt + 4);
  return crc32c(blank) === header.readUInt32BE(checksumAt) ? undefined : "a wrong checksum";
}

/** Castagnoli's polynomial, reflected (RFC 4960 appendix B, RFC 3720 §12.1). */
const CRC32C = 0x82f63b78;

/** Bit by bit: it runs once a connection, over hundreds of octets. */
function crc32c(octets: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const octet of octets) {
    remainder ^= octet;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? CRC32C : 0);
  }
  return (remainder ^ 0xffffffff) >>> 0;
}
