// The PROXY header over real sockets: whole, split at every octet, damaged, slow, and in front of a pipe or
// a TLS handshake.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Writable } from "node:stream";
import { connect as connectTls, createSecureContext, TLSSocket } from "node:tls";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readProxyHeader } from "../../src/listeners/proxy/header.ts";
import { parseProxyHeader } from "../../src/listeners/proxy/parse.ts";
import { createManualClock } from "../support/manual-clock.ts";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const V1 = Buffer.from("PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n");

/** A header of version 2; `length` in place of the true one. */
function v2(start: [number, number], rest: readonly number[], length = rest.length): Buffer {
  return Buffer.from([...Buffer.from(SIGNATURE, "latin1"), ...start, length >> 8, length & 255, ...rest]);
}
const FOUR = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0, 25];
const SIX = [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 7, ...Array(15).fill(0), 1, 0xdc, 0x04, 0, 25];
const MAPPED = [...Array(10).fill(0), 255, 255, 192, 0, 2, 7, ...Array(16).fill(1), 0xdc, 0x04, 0, 25];
const tlv = (type: number, ...value: number[]) => [type, value.length >> 8, value.length & 255, ...value];
const proxied = (address: string, port: number) => ({ kind: "proxied", address, port });
const client = (address: string) => proxied(address, 56324);

const SIGNED = "0d0a0d0a000d0a515549540a";

/**
 * What proxies send. Those of HAProxy were recorded from version 2.6.12: "send-proxy", "send-proxy-v2" with
 * "proxy-v2-options crc32c,unique-id,authority,ssl,cert-cn,ssl-cipher", and its health check.
 */
const GOOD: Record<string, [Buffer, object]> = {
  "v1 TCP4": [V1, client("192.0.2.7")],
  "v1 TCP6": [Buffer.from("PROXY TCP6 2001:DB8:0::7 ::1 56324 25\r\n"), client("2001:db8::7")],
  "v1 TCP6 of an IPv4 client": [
    Buffer.from("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 56324 25\r\n"),
    client("192.0.2.7"),
  ],
  "v1 UNKNOWN": [Buffer.from("PROXY UNKNOWN\r\n"), { kind: "local" }],
  "v1 UNKNOWN, as long as it may be": [Buffer.from(`PROXY UNKNOWN ${"f".repeat(91)}\r\n`), { kind: "local" }],
  "v2 IPv4": [v2([0x21, 0x11], FOUR), client("192.0.2.7")],
  "v2 IPv6": [v2([0x21, 0x21], SIX), client("2001:db8::7")],
  "v2 IPv6 of an IPv4 client": [v2([0x21, 0x21], MAPPED), client("192.0.2.7")],
  "v2 with TLVs": [
    v2([0x21, 0x11], [...FOUR, ...tlv(4), ...tlv(0xea, ...Array(300).fill(65)), ...tlv(5, 1, 2, 3)]),
    client("192.0.2.7"),
  ],
  "v1 of HAProxy": [Buffer.from("PROXY TCP6 ::1 ::1 38500 9201\r\n"), proxied("::1", 38500)],
  "v2 of HAProxy, checksum": [
    Buffer.from(`${SIGNED}211100167f0000017f000001dc6423f20300046fa4b9ed050000`, "hex"),
    proxied("127.0.0.1", 56420),
  ],
  "v2 of HAProxy, IPv6, checksum": [
    Buffer.from(`${SIGNED}2121002e${"0".repeat(31)}1${"0".repeat(31)}1c71423f2030004ba1912be050000`, "hex"),
    proxied("::1", 50964),
  ],
  "v2 of HAProxy, TLS facts, checksum": [
    Buffer.from(
      `${SIGNED}2111007b7f0000017f000001922423f30300043a84e7e00200096c6f63616c686f737405002e374630303030` +
        "30313a393232345f37463030303030313a323346335f36423032423345315f303030343a344338362000280100000000" +
        "210007544c5376312e33230016544c535f4145535f3235365f47434d5f534841333834",
      "hex",
    ),
    proxied("127.0.0.1", 37412),
  ],
  "v2 of HAProxy's health check": [Buffer.from(`${SIGNED}20000000`, "hex"), { kind: "local" }],
  "v2 LOCAL": [v2([0x20, 0x00], []), { kind: "local" }],
  "v2 LOCAL with what is to be ignored": [v2([0x20, 0x31], [1, 2, 3]), { kind: "local" }],
};

let server: Server;
let accept: (socket: Socket) => void = () => {};
beforeAll(async () => {
  server = createServer((socket) => accept(socket)).listen(0, "127.0.0.1");
  server.maxConnections = 1000;
  await once(server, "listening");
});
afterAll(() => server.close());

/** A connection, both ends. */
async function pair(): Promise<{ far: Socket; near: Socket }> {
  const accepted = new Promise<Socket>((resolve) => {
    accept = resolve;
  });
  const far = connect((server.address() as { port: number }).port, "127.0.0.1");
  far.setNoDelay(true);
  far.on("error", () => {});
  const near = await accepted;
  return { far, near };
}

/** Pipes what the socket has left into a string, to its end. */
async function rest(socket: Socket | TLSSocket): Promise<string> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  socket.pipe(sink);
  await once(sink, "finish");
  return Buffer.concat(chunks).toString("latin1");
}

const DIALOGUE = "EHLO client.example\r\nMAIL FROM:<>\r\n";
const SECOND = 1000;

describe.each(Object.entries(GOOD))("%s", (_, [header, source]) => {
  test("alone, and what follows it stays for the next reader", async () => {
    const { far, near } = await pair();
    far.end(Buffer.concat([header, Buffer.from(DIALOGUE)]));
    expect(await readProxyHeader(near, SECOND)).toEqual(source);
    expect(near.isPaused() || near.readableFlowing === null).toBe(true);
    for (const event of ["readable", "data", "error"])
      expect([event, near.listenerCount(event)]).toEqual([event, 0]);
    expect(await rest(near)).toBe(DIALOGUE);
  });

  test("split at every octet", async () => {
    for (let at = 1; at < header.length; at++) {
      expect([at, parseProxyHeader(header.subarray(0, at))]).toEqual([at, { kind: "incomplete" }]);
    }
    // One write each for the octets: each has reached the socket before the next one leaves.
    const { far, near } = await pair();
    const read = readProxyHeader(near, 60 * SECOND);
    for (const octet of header) {
      const before = near.bytesRead;
      far.write(Uint8Array.of(octet));
      while (near.bytesRead === before) await new Promise(setImmediate);
    }
    expect(await read).toEqual(source);
    far.end(DIALOGUE);
    expect(await rest(near)).toBe(DIALOGUE);
  });
});

test("two pieces, cut anywhere, with the dialogue behind them", async () => {
  for (const [header, source] of Object.values(GOOD)) {
    const whole = Buffer.concat([header, Buffer.from(DIALOGUE)]);
    for (const at of [1, 5, 12, 13, 14, 15, 16, header.length - 1, header.length, header.length + 1]) {
      const { far, near } = await pair();
      const read = readProxyHeader(near, 60 * SECOND);
      far.write(whole.subarray(0, at));
      while (near.bytesRead < at) await new Promise(setImmediate);
      far.end(whole.subarray(at));
      expect(await read).toEqual(source);
      expect(await rest(near)).toBe(DIALOGUE);
    }
  }
});

test.each(["TLSv1.2", "TLSv1.3"] as const)(
  "a %s handshake follows it, in the same segment",
  async (version) => {
    const read = (name: string) => readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url));
    const { far, near } = await pair();
    // The header and the beginning of the handshake leave in one write.
    far.cork();
    far.write(V1);
    const secure = connectTls({
      socket: far,
      ca: read("cert.pem"),
      servername: "localhost",
      maxVersion: version,
    });
    process.nextTick(() => far.uncork());
    expect(await readProxyHeader(near, SECOND)).toEqual(client("192.0.2.7"));
    const context = createSecureContext({ key: read("key.pem"), cert: read("cert.pem") });
    const wrapped = new TLSSocket(near, { isServer: true, secureContext: context });
    secure.end(DIALOGUE);
    expect(await rest(wrapped)).toBe(DIALOGUE);
    wrapped.destroy();
  },
);

describe("refused", () => {
  const bad: [string, Buffer | string, string][] = [
    ["SMTP", "EHLO client.example\r\n", "does not begin"],
    ["nothing like it", "\0", "does not begin"],
    ["lower case", "proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n", "does not begin"],
    ["a TLS handshake", Buffer.from([22, 3, 1, 0, 200]), "does not begin"],
    ["v1, LF alone", "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n", "LF alone"],
    ["v1, CR alone", "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\rX", "CR without LF"],
    ["v1, LF in it", "PROXY UNKNOWN a\nb\r\n", "LF alone"],
    ["v1, two spaces", "PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n", "neither UNKNOWN"],
    ["v1, space at the end", "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n", "neither UNKNOWN"],
    ["v1, UDP", "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n", "neither UNKNOWN"],
    ["v1, UNKNOWNS", "PROXY UNKNOWNS\r\n", "neither UNKNOWN"],
    ["v1, no ports", "PROXY TCP4 192.0.2.7 198.51.100.1\r\n", "neither UNKNOWN"],
    ["v1, port with a zero in front", "PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n", "neither UNKNOWN"],
    ["v1, port too large", "PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n", "port above"],
    ["v1, other port too large", "PROXY TCP4 192.0.2.7 198.51.100.1 1 99999\r\n", "port above"],
    ["v1, a name", "PROXY TCP4 localhost 198.51.100.1 1 2\r\n", "neither UNKNOWN"],
    ["v1, octal", "PROXY TCP4 192.0.02.7 198.51.100.1 1 2\r\n", "no source address"],
    ["v1, short form", "PROXY TCP4 192.7 198.51.100.1 1 2\r\n", "no source address"],
    ["v1, other family", "PROXY TCP4 ::1 ::2 1 2\r\n", "no source address"],
    ["v1, families mixed", "PROXY TCP6 ::1 198.51.100.1 1 2\r\n", "no destination address"],
    ["v1, zone", "PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n", "neither UNKNOWN"],
    ["v1, injection", "PROXY TCP4 192.0.2.7\t250 198.51.100.1 1 2\r\n", "neither UNKNOWN"],
    ["v1, 108 octets", `PROXY UNKNOWN ${"f".repeat(92)}\r\n`, "longer than 107"],
    ["v1 without an end", `PROXY UNKNOWN ${"f".repeat(93)}`, "longer than 107"],
    ["v2, version 1", v2([0x11, 0x11], FOUR), "another version"],
    ["v2, version 3", v2([0x31, 0x11], FOUR), "another version"],
    ["v2, command 2", v2([0x22, 0x11], FOUR), "neither LOCAL nor PROXY"],
    ["v2, UDP over IPv4", v2([0x21, 0x12], FOUR), "not TCP"],
    ["v2, UDP over IPv6", v2([0x21, 0x22], SIX), "not TCP"],
    ["v2, UNIX stream", v2([0x21, 0x31], Array(216).fill(65)), "not TCP"],
    ["v2, unspecified", v2([0x21, 0x00], []), "not TCP"],
    ["v2, family without protocol", v2([0x21, 0x10], FOUR), "not TCP"],
    ["v2, too short", v2([0x21, 0x11], FOUR.slice(1)), "too short"],
    ["v2, IPv4 addresses called IPv6", v2([0x21, 0x21], FOUR), "too short"],
    ["v2, 64 KB announced", v2([0x21, 0x11], FOUR, 0xffff), "longer than 4096"],
    ["v2 LOCAL, 64 KB announced", v2([0x20, 0x00], [], 0xffff), "longer than 4096"],
    ["v2, TLV cut short", v2([0x21, 0x11], [...FOUR, 4, 0]), "left over"],
    ["v2, TLV behind the end", v2([0x21, 0x11], [...FOUR, 4, 0, 9, 1]), "behind the header"],
    ["v2, wrong checksum", v2([0x21, 0x11], [...FOUR, ...tlv(3, 1, 2, 3, 4)]), "wrong checksum"],
    ["v2, short checksum", v2([0x21, 0x11], [...FOUR, ...tlv(3, 1, 2, 3)]), "not one checksum"],
    ["v2, signature damaged", Buffer.from("\r\n\r\n\0\r\nQUIX\n", "latin1"), "does not begin"],
  ];

  test.each(bad)("%s", async (_, octets, message) => {
    const { far, near } = await pair();
    const closed = once(far, "close");
    far.write(octets);
    await expect(readProxyHeader(near, 60 * SECOND)).rejects.toThrow(message);
    expect(near.destroyed).toBe(true);
    far.resume();
    await closed;
  });

  test("as soon as it can't be right any more", () => {
    const kinds = (octets: Buffer) =>
      octets.map((_, at) => (parseProxyHeader(octets.subarray(0, at + 1)).kind === "fault" ? 1 : 0));
    expect(kinds(Buffer.from("PROXI")).indexOf(1)).toBe(4);
    expect(kinds(v2([0x31, 0x11], FOUR)).indexOf(1)).toBe(12);
    expect(kinds(v2([0x21, 0x12], FOUR)).indexOf(1)).toBe(13);
    expect(kinds(v2([0x21, 0x11], FOUR, 5000)).indexOf(1)).toBe(15);
  });

  test("too slow, however steadily octets come", async () => {
    const clock = createManualClock();
    const { far, near } = await pair();
    const read = readProxyHeader(near, 3_000, clock);
    const refused = expect(read).rejects.toThrow("not complete within 3000 ms");
    for (const octet of V1.subarray(0, 3)) {
      const before = near.bytesRead;
      far.write(Uint8Array.of(octet));
      while (near.bytesRead === before) await new Promise(setImmediate);
      clock.advance(1_000);
    }
    await refused;
    expect(near.destroyed).toBe(true);
  });

  test.each(["end", "resetAndDestroy"] as const)("the client's %s before it is complete", async (how) => {
    const { far, near } = await pair();
    const read = readProxyHeader(near, 60 * SECOND);
    const refused = expect(read).rejects.toThrow(/the connection (?:ended|broke) before/);
    far.write(V1.subarray(0, 20));
    while (near.bytesRead < 20) await new Promise(setImmediate);
    far[how]();
    await refused;
    expect(near.destroyed).toBe(true);
  });

  test("a connection that was gone before anybody read", async () => {
    const { far, near } = await pair();
    near.resume();
    far.end();
    await once(near, "close");
    await expect(readProxyHeader(near, 60 * SECOND)).rejects.toThrow("ended before");
  });
});

test("a timer is not left behind by a header that came", async () => {
  const clock = createManualClock();
  const { far, near } = await pair();
  far.end(V1);
  expect(await readProxyHeader(near, 3_000, clock)).toEqual(client("192.0.2.7"));
  expect(clock.untilNext()).toBeUndefined();
  near.destroy();
});

test("a checksum notices each octet that is damaged", () => {
  const [header] = GOOD["v2 of HAProxy, TLS facts, checksum"] as [Buffer, object];
  for (let at = 0; at < header.length; at++) {
    const damaged = Buffer.from(header);
    damaged.writeUInt8(header.readUInt8(at) ^ 0x01, at);
    const parsed = parseProxyHeader(damaged);
    // These make LOCAL of PROXY, whose block is not looked at, and another TLV of the checksum.
    const undetected = at === 12 || at === 28;
    expect([at, parsed.kind === "header"]).toEqual([at, undetected]);
  }
});

describe("any octets", () => {
  const start = fc.constantFrom(
    "",
    "PROXY ",
    "PROXY TCP4 ",
    SIGNATURE,
    `${SIGNATURE}\x21\x11\0`,
    `${SIGNATURE}\x21\x21\0`,
  );
  const octets = fc
    .tuple(start, fc.uint8Array({ maxLength: 300 }))
    .map(([text, more]) => Buffer.concat([Buffer.from(text, "latin1"), more]));
  const good = fc.constantFrom(...Object.values(GOOD).map(([header]) => header));
  const mutated = fc
    .tuple(good, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
    .map(([header, changes]) => {
      const copy = Buffer.from(header);
      for (const [at, octet] of changes) copy[at % copy.length] = octet;
      return copy;
    });

  test("are a header, the beginning of one, or a fault, and more octets change no verdict", () => {
    fc.assert(
      fc.property(fc.oneof(octets, mutated), fc.uint8Array({ maxLength: 20 }), (received, more) => {
        const parsed = parseProxyHeader(received);
        if (parsed.kind === "incomplete") return;
        expect(parseProxyHeader(Buffer.concat([received, more]))).toEqual(parsed);
        if (parsed.kind === "header") {
          expect(parsed.length).toBeLessThanOrEqual(received.length);
          expect(parseProxyHeader(received.subarray(0, parsed.length))).toEqual(parsed);
          expect(parseProxyHeader(received.subarray(0, parsed.length - 1)).kind).toBe("incomplete");
        } else {
          // Control characters of the client would forge lines of a log.
          expect(parsed.fault).toMatch(/^[\x20-\x7e]+$/);
        }
      }),
      { numRuns: 20_000 },
    );
  });
});
