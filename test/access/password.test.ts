import { hashSync } from "bcryptjs";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decoyHash,
  hashPassword,
  type PasswordHash,
  parseHash,
  verifyPassword,
} from "../../src/access/password.ts";

function parsed(text: string): PasswordHash {
  const result = parseHash(text);
  if (!result.ok) throw new Error(result.fault);
  return result.hash;
}

const faultOf = (text: string): string => {
  const result = parseHash(text);
  return result.ok ? "none" : result.fault;
};

const SALT = "A".repeat(22);
const KEY = "A".repeat(43);

test("a hash is a PHC string with a salt of its own, and verifies its password only", async () => {
  const [first, second] = await Promise.all([hashPassword("Z\u00fcrich"), hashPassword("Z\u00fcrich")]);
  expect(first).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  expect(second).not.toBe(first);
  expect(await verifyPassword("Z\u00fcrich", parsed(first))).toBe(true);
  // A password is its characters, however they are composed.
  expect(await verifyPassword("Zu\u0308rich", parsed(first))).toBe(true);
  expect(await verifyPassword("Zurich", parsed(first))).toBe(false);
  expect(await verifyPassword("", parsed(first))).toBe(false);
});

test("a hash made by others: passlib's documentation, and the second vector of RFC 7914 section 12", async () => {
  const passlib = "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E";
  expect(await verifyPassword("password", parsed(passlib))).toBe(true);
  // The salt of the RFC is shorter than we take, and its costs are no obstacle.
  expect(faultOf(`$scrypt$ln=10,r=8,p=16$TmFDbA$${KEY}`)).toContain("salt");
});

test("a decoy is a hash like another", () => {
  const decoy = decoyHash();
  expect(parsed(decoy.text)).toEqual(decoy);
});

test("bcrypt hashes of every spelling", async () => {
  // From the test suite of crypt_blowfish: the password is "U*U".
  const known = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
  for (const spelling of ["$2a$", "$2b$", "$2y$"]) {
    const hash = parsed(known.replace("$2a$", spelling));
    expect(await verifyPassword("U*U", hash)).toBe(true);
    expect(await verifyPassword("U*V", hash)).toBe(false);
  }
});

test("the event loop goes on while bcrypt computes", async () => {
  const hash = parsed(hashSync("secret", 11));
  await verifyPassword("to start the thread", parsed(hashSync("x", 4)));
  const before = performance.eventLoopUtilization();
  expect(await verifyPassword("secret", hash)).toBe(true);
  const { active, idle } = performance.eventLoopUtilization(before);
  // Computed in this thread it would be active all the time.
  expect(idle).toBeGreaterThan(active);
});

test.each([
  ["", "is no scrypt hash"],
  ["hunter2", "is no scrypt hash"],
  [`$scrypt$ln=15,r=8$${SALT}$${KEY}`, "is no scrypt hash"],
  [`$scrypt$ln=015,r=8,p=1$${SALT}$${KEY}`, "is no scrypt hash"],
  [`$scrypt$ln=18,r=8,p=1$${SALT}$${KEY}`, "MiB"],
  [`$scrypt$ln=10,r=9999,p=1$${SALT}$${KEY}`, "MiB"],
  [`$scrypt$ln=99,r=8,p=1$${SALT}$${KEY}`, "MiB"],
  [`$scrypt$ln=15,r=8,p=9$${SALT}$${KEY}`, "too long"],
  [`$scrypt$ln=16,r=1,p=1$${SALT}$${KEY}`, "too large for r=1"],
  [`$scrypt$ln=15,r=8,p=3$AAAA$${KEY}`, "salt that is not of 8 to 64"],
  [`$scrypt$ln=15,r=8,p=3$${SALT}$AA`, "key that is not of 16 to 64"],
  [`$scrypt$ln=15,r=8,p=3$${SALT}$${KEY.slice(1)}B`, "whole base64"],
  [`$2a$31$${"C".repeat(53)}`, "bcrypt cost"],
  [`$2a$03$${"C".repeat(53)}`, "bcrypt cost"],
  [`$2x$10$${"C".repeat(53)}`, "is no scrypt hash"],
  [`$2a$10$${"C".repeat(52)}`, "is no scrypt hash"],
])("%s is refused", (text, fault) => {
  expect(faultOf(text)).toContain(fault);
});

test("whatever parses can be verified within the bounds, and no fault holds the text", () => {
  const number = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(8, 15, 99_999));
  fc.assert(
    fc.property(number, number, number, fc.stringMatching(/^[A-Za-z0-9+/]{1,90}$/), (ln, r, p, tail) => {
      const result = parseHash(`$scrypt$ln=${ln},r=${r},p=${p}$${SALT}$${tail}`);
      if (!result.ok) return !result.fault.includes(tail) || tail.length < 4;
      const { hash } = result;
      if (hash.kind !== "scrypt") return false;
      const octets = 128 * hash.cost * hash.blockSize;
      return octets <= 2 ** 27 && (octets / 128) * hash.parallelization <= 2 ** 21 && hash.key.length >= 16;
    }),
  );
});
