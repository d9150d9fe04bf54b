// Who is in which network, held against a model of bits and against what sockets say.
import { once } from "node:events";
import { BlockList, connect, createServer, isIP, isIPv6, SocketAddress } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addressKey,
  canonicalAddress,
  isInternetWide,
  networksOf,
  parseNetwork,
} from "../../src/address/networks.ts";

const networkOf = (text: string) => {
  const parsed = parseNetwork(text);
  if (!parsed.ok) throw new Error(parsed.fault);
  return parsed.network;
};
const faultOf = (text: string): string => {
  const parsed = parseNetwork(text);
  return parsed.ok ? `none: ${parsed.network.text}` : parsed.fault;
};

describe("parseNetwork", () => {
  test.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["192.0.2.1", "192.0.2.1/32"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:DB8:0:0::/32", "2001:db8::/32"],
    ["::1", "::1/128"],
    ["::10.0.0.1", "::a00:1/128"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201/128"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["::ffff:192.0.2.1", "192.0.2.1/32"],
    ["::/0", "::/0"],
  ])("%s is %s", (text, canonical) => {
    expect(networkOf(text).text).toBe(canonical);
  });

  test("host bits: says what was probably meant", () => {
    expect(faultOf("10.1.2.3/8")).toBe(
      '"10.1.2.3/8" has bits set beyond its prefix: "10.0.0.0/8" is the network, "10.1.2.3" the one address',
    );
    expect(faultOf("2001:db8::1/32")).toContain(
      '"2001:db8::/32" is the network, "2001:db8::1" the one address',
    );
  });

  test.each([
    ["fe80::1%eth0", "zone id"],
    ["fe80::%eth0/10", "zone id"],
    ["10.0.0.0/33", "too long: a number from 0 to 32"],
    ["::/129", "too long: a number from 0 to 128"],
    ["10.0.0.0/08", "no prefix length"],
    ["10.0.0.0/", "no prefix length"],
    ["10.0.0.0/-1", "no prefix length"],
    ["10.0.0.0/255.0.0.0", "no prefix length"],
    ["10.0.0.0/8/8", "neither"],
    ["::ffff:0:0/95", "IPv4-mapped"],
    ["", "neither"],
    [" 10.0.0.0/8", "neither"],
    ["10.0.0.0/8\r\n", "no prefix length"],
    ["localhost", "neither"],
    // Some read these as octal, hexadecimal or short forms: another address, or none.
    ["010.0.0.1", "neither"],
    ["0x7f.0.0.1", "neither"],
    ["127.1", "neither"],
    ["2130706433", "neither"],
    ["1::2::3", "neither"],
    [`${"0:".repeat(1000)}1`, "neither"],
  ])("%j is a fault", (text, fault) => {
    expect(faultOf(text)).toContain(fault);
  });

  test("an address is what Node.js takes for one, without a zone", () => {
    const part = fc.constantFrom(
      ..."0123456789abcdefABCDEF:.::g%/ -\u0000",
      "::",
      "00",
      "256",
      "255",
      "1.2.3.4",
      "ffff:",
    );
    const text = fc.oneof(
      fc.array(part, { maxLength: 24 }).map((parts) => parts.join("")),
      fc.ipV4Extended(),
      fc.ipV6(),
    );
    fc.assert(
      fc.property(text, (address) => {
        const isOne = isIP(address) !== 0 && !address.includes("%") && address.length <= 64;
        expect(canonicalAddress(address) !== undefined).toBe(isOne);
      }),
      { numRuns: 5_000 },
    );
  });

  test("any text is a network or a fault, and a network's text is itself", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom(..."0123456789abcdef.:/%x") }),
      fc.ipV4Extended(),
      fc.ipV6(),
    );
    fc.assert(
      fc.property(text, fc.option(fc.integer({ min: 0, max: 130 })), (address, prefix) => {
        const parsed = parseNetwork(prefix === null ? address : `${address}/${prefix}`);
        if (parsed.ok) expect(networkOf(parsed.network.text)).toEqual(parsed.network);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("networksOf", () => {
  test("IPv4-mapped counts as IPv4, what is no address as nobody", () => {
    const networks = networksOf(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7", "fe80::/10"]);
    const inside = ["10.255.0.1", "::ffff:10.1.1.1", "::FFFF:0a01:0101", "2001:db8:ffff::", "192.0.2.7"];
    const outside = ["11.0.0.0", "9.255.255.255", "2001:db9::", "192.0.2.8", "::ffff:11.0.0.1", "::10.0.0.1"];
    const nobody = [
      "",
      "localhost",
      "10.0.0",
      "012.0.0.1",
      "10.0.0.1 ",
      "10.0.0.1/8",
      "unix",
      "a".repeat(1e6),
    ];
    expect(inside.filter((address) => !networks.has(address))).toEqual([]);
    expect([...outside, ...nobody].filter((address) => networks.has(address))).toEqual([]);
    // What a socket's remoteAddress is for a neighbour on the link.
    expect(networks.has("fe80::1%eth0")).toBe(true);
  });

  test("::/0 is all of IPv6 and none of IPv4; no networks are nobody", () => {
    const everySix = networksOf(["::/0"]);
    expect([
      everySix.has("2001:db8::1"),
      everySix.has("::ffff:192.0.2.1"),
      everySix.has("192.0.2.1"),
    ]).toEqual([true, false, false]);
    expect(networksOf([]).has("127.0.0.1")).toBe(false);
  });

  test("a bad network is no silent nobody", () => {
    expect(() => networksOf(["10.0.0.0/8", "10.0.0.1/8"])).toThrow("bits set beyond its prefix");
  });

  test("the address that a dual-stack listener sees", async () => {
    const server = createServer().listen(0, "::");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const client = connect(port, "127.0.0.1");
    const [socket] = await once(server, "connection");
    expect(isIPv6(socket.remoteAddress)).toBe(true);
    expect(networksOf(["127.0.0.0/8"]).has(socket.remoteAddress)).toBe(true);
    expect(addressKey(socket.remoteAddress)).toBe("127.0.0.1");
    client.destroy();
    socket.destroy();
    server.close();
  });

  // Few bits vary, so that many addresses are near a network's border.
  const octet = fc.constantFrom(0, 1, 127, 128, 255);
  const address = fc
    .oneof(
      fc.array(octet, { minLength: 4, maxLength: 4 }),
      fc.array(octet, { minLength: 16, maxLength: 16 }),
      fc
        .array(octet, { minLength: 4, maxLength: 4 })
        .map((four) => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...four]),
    )
    .map((octets) =>
      octets.length === 4
        ? octets.join(".")
        : Array.from({ length: 8 }, (_, i) =>
            (((octets[2 * i] as number) << 8) | (octets[2 * i + 1] as number)).toString(16),
          ).join(":"),
    );

  test("says what Node's own BlockList says", () => {
    const family = (text: string) => (text.includes(":") ? "ipv6" : "ipv4");
    const plain = (text: string) => canonicalAddress(text) as string;
    const network = fc.tuple(address, fc.integer({ min: 0, max: 128 })).map(([text, bits]) => {
      const base = plain(text);
      return { base, prefix: base.includes(":") ? bits : bits % 33 };
    });
    fc.assert(
      fc.property(fc.array(network, { maxLength: 4 }), fc.array(address, { maxLength: 8 }), (list, asked) => {
        // One for each family: to BlockList every IPv4 address is in ::/0.
        const blocks = { ipv4: new BlockList(), ipv6: new BlockList() };
        const texts = list.flatMap(({ base, prefix }) => {
          const parsed = parseNetwork(`${base}/${prefix}`);
          // With host bits set, the fault names the network.
          const text = parsed.ok ? parsed.network.text : (/: "([^"]+)" is/.exec(parsed.fault)?.[1] as string);
          const [start = ""] = text.split("/");
          blocks[family(start)].addSubnet(start, prefix, family(start));
          return [text];
        });
        const networks = networksOf(texts);
        for (const text of [...asked, ...list.map(({ base }) => base)]) {
          const kind = family(plain(text));
          expect([text, networks.has(text)]).toEqual([text, blocks[kind].check(plain(text), kind)]);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("an address has one text and one key, however it is written", () => {
    fc.assert(
      fc.property(address, (text) => {
        const canonical = canonicalAddress(text) as string;
        expect(canonicalAddress(canonical)).toBe(canonical);
        expect(addressKey(text.toUpperCase())).toBe(addressKey(canonical));
        expect(networkOf(addressKey(text)).text).toBe(
          canonical.includes(":") ? addressKey(text) : `${addressKey(text)}/32`,
        );
        expect(networksOf([addressKey(text)]).has(text)).toBe(true);
        if (canonical.includes(":")) {
          const { address: other } = new SocketAddress({ address: text, family: "ipv6" });
          expect(canonicalAddress(other)).toBe(canonical);
          // Both write it alike, but for the IPv4-compatible form, which RFC 4291 deprecates.
          if (!other.includes(".")) expect(other).toBe(canonical);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

test("addressKey: neighbours in a /64 are one, in another two", () => {
  expect(addressKey("2001:db8:0:1:ffff:ffff:ffff:ffff")).toBe("2001:db8:0:1::/64");
  expect(addressKey("2001:DB8:0:1::")).toBe("2001:db8:0:1::/64");
  expect(addressKey("2001:db8:0:2::")).toBe("2001:db8:0:2::/64");
  expect(addressKey("fe80::1%eth0")).toBe("fe80::/64");
  expect(addressKey("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(addressKey("192.0.2.2")).toBe("192.0.2.2");
  expect(addressKey("")).toBe("");
});

test("isInternetWide: everything, its halves, and nothing that belongs to somebody", () => {
  const wide = (text: string) => isInternetWide(networkOf(text));
  const open = [
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "10.0.0.0/7",
    "::/0",
    "8000::/1",
    "2000::/3",
    "fc00::/6",
  ];
  const closed = [
    "10.0.0.0/8",
    "127.0.0.0/8",
    "fc00::/7",
    "2001:db8::/32",
    "::1",
    "192.0.2.1",
    "::ffff:10.0.0.0/104",
  ];
  expect([...open, "::ffff:0.0.0.0/96"].filter((text) => !wide(text))).toEqual([]);
  expect(closed.filter(wide)).toEqual([]);
});
