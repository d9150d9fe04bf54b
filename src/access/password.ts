// Hashes of passwords: scrypt in the PHC string format for our own, bcrypt for those that migrants bring.
// No message of this file holds a hash or a password.
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { verifyBcrypt } from "./bcrypt.ts";

/** Costs of scrypt (RFC 7914 §2). */
interface Costs {
  /** N, a power of two. */
  readonly cost: number;
  /** r */
  readonly blockSize: number;
  /** p */
  readonly parallelization: number;
}

/** A hash that has been understood. `text` tells two hashes apart; it is as secret as the file it is from. */
export type PasswordHash =
  | ({ readonly kind: "scrypt"; readonly text: string; readonly salt: Buffer; readonly key: Buffer } & Costs)
  | { readonly kind: "bcrypt"; readonly text: string };

export type HashResult =
  | { readonly ok: true; readonly hash: PasswordHash }
  | { readonly ok: false; readonly fault: string };

/**
 * N=2^15, r=8, p=3: one of the settings that OWASP's Password Storage Cheat Sheet counts as equally strong,
 * the first being N=2^17, r=8, p=1. RFC 7914 §2 gives r=8 and leaves N to the memory at hand: this one takes
 * 32 MiB for each password that is verified where the first takes 128, and an SMTP server verifies passwords
 * for any client. About 0.15 s.
 */
const LOG2_COST = 15;
const COSTS: Costs = { cost: 2 ** LOG2_COST, blockSize: 8, parallelization: 3 };

/** RFC 8018 §4.1 asks for a salt of 8 octets at least, NIST SP 800-132 §5.1 for 16. */
const SALT_OCTETS = 16;
/** As long as the SHA-256 that scrypt is built of. */
const KEY_OCTETS = 32;

/** A salt or key of others: enough to be unique, or not to be hit by chance, and no more than is of use. */
const SALT_RANGE = [8, 64] as const;
const KEY_RANGE = [16, 64] as const;

/** What the first of OWASP's settings takes, 128 · N · r octets. A users file can't ask for more. */
const MEMORY_MAX = 128 * 1024 * 1024;
/** N · r · p: twice that of OWASP's settings, about half a second. */
const WORK_MAX = 2 ** 21;
/** A minute's worth in JavaScript lies at 20; 2^14 rounds take a second. bcrypt begins at 4. */
const BCRYPT_LOG2_ROUNDS = [4, 14] as const;

const SCRYPT =
  /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d{0,4}),p=([1-9]\d{0,4})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
/** $2a$ and $2b$ of OpenBSD, $2y$ of crypt_blowfish and htpasswd: the same for all but broken old hashes. */
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;

/** @returns a PHC string: `$scrypt$ln=15,r=8,p=3$SALT$KEY`, base64 without padding */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_OCTETS);
  return phc(salt, await derive(password, salt, KEY_OCTETS, COSTS));
}

/** A hash of no known password, which costs as much to verify as one of `hashPassword`. */
export function decoyHash(): PasswordHash {
  const [salt, key] = [randomBytes(SALT_OCTETS), randomBytes(KEY_OCTETS)];
  return { kind: "scrypt", text: phc(salt, key), salt, key, ...COSTS };
}

/** The hash, or its fault as a predicate of the hash, without its text. */
export function parseHash(text: string): HashResult {
  const bcrypt = BCRYPT.exec(text);
  if (bcrypt !== null) {
    const [least, most] = BCRYPT_LOG2_ROUNDS;
    if (within(Number(bcrypt[1]), BCRYPT_LOG2_ROUNDS)) return { ok: true, hash: { kind: "bcrypt", text } };
    return { ok: false, fault: `has a bcrypt cost that is not from ${least} to ${most}` };
  }
  const match = SCRYPT.exec(text);
  if (match === null) {
    return { ok: false, fault: "is no scrypt hash ($scrypt$ln=…) and no bcrypt hash ($2a$, $2b$, $2y$)" };
  }
  const [, logCost, blockSize, parallelization, saltText = "", keyText = ""] = match;
  const log2 = Number(logCost);
  const costs = { cost: 2 ** log2, blockSize: Number(blockSize), parallelization: Number(parallelization) };
  const salt = Buffer.from(saltText, "base64");
  const key = Buffer.from(keyText, "base64");
  const fault = costsFault(costs, log2) ?? octetsFault(salt, saltText, key, keyText);
  return fault === undefined
    ? { ok: true, hash: { kind: "scrypt", text, salt, key, ...costs } }
    : { ok: false, fault };
}

/** Takes as long for a wrong password as for the right one. Rejects when there is no memory for it. */
export async function verifyPassword(password: string, hash: PasswordHash): Promise<boolean> {
  if (hash.kind === "bcrypt") return await verifyBcrypt(password, hash.text);
  return timingSafeEqual(await derive(password, hash.salt, hash.key.length, hash), hash.key);
}

function costsFault({ cost, blockSize, parallelization }: Costs, log2: number): string | undefined {
  // RFC 7914 §2: N is less than 2^(128 · r / 8).
  if (log2 >= 16 * blockSize) return `has an ln that is too large for r=${blockSize}`;
  if (128 * cost * blockSize > MEMORY_MAX) {
    return `takes more than ${MEMORY_MAX / 1024 / 1024} MiB to verify: ln or r is too large`;
  }
  if (cost * blockSize * parallelization > WORK_MAX)
    return "takes too long to verify: ln, r or p is too large";
  return undefined;
}

function octetsFault(salt: Buffer, saltText: string, key: Buffer, keyText: string): string | undefined {
  if (!within(salt.length, SALT_RANGE)) return `has a salt that is not of ${SALT_RANGE.join(" to ")} octets`;
  if (!within(key.length, KEY_RANGE)) return `has a key that is not of ${KEY_RANGE.join(" to ")} octets`;
  const isCut = toBase64(salt) !== saltText || toBase64(key) !== keyText;
  return isCut ? "has a salt or key that is not whole base64: was it cut?" : undefined;
}

function derive(password: string, salt: Buffer, octets: number, costs: Costs): Promise<Buffer> {
  const { cost, blockSize, parallelization } = costs;
  // RFC 7914 §5 and §6: V and B, and two blocks to work with.
  const maxmem = 128 * blockSize * (cost + parallelization + 2);
  // RFC 8265 §4.2.2: the same characters typed on another machine may come as other octets.
  const text = password.normalize("NFC");
  return new Promise((resolve, reject) => {
    scrypt(text, salt, octets, { cost, blockSize, parallelization, maxmem }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

const phc = (salt: Buffer, key: Buffer): string =>
  `$scrypt$ln=${LOG2_COST},r=${COSTS.blockSize},p=${COSTS.parallelization}$${toBase64(salt)}$${toBase64(key)}`;

const toBase64 = (octets: Buffer): string => octets.toString("base64").replace(/=+$/, "");

const within = (value: number, [least, most]: readonly [number, number]): boolean =>
  value >= least && value <= most;
