// Is this the user's password? This file bounds the cost: an SMTP server verifies passwords for any client,
// and each verification is slow on purpose.
import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Failures } from "./failures.ts";
import { decoyHash, type PasswordHash, verifyPassword } from "./password.ts";
import type { Users } from "./users-file.ts";

export type Verdict =
  | {
      readonly kind: "accepted";
      readonly user: string;
      /** Not any more once the user is removed or has another hash: a session must not outlive that. */
      valid(): boolean;
    }
  /** No such user, or a wrong password; the client can't tell which. Answered late (failures.ts). */
  | { readonly kind: "wrong" }
  /** Not verified: the address is blocked, too many wait, or it could not be. */
  | { readonly kind: "later" };

export interface Authenticator {
  /** @param address the client's, whose failures count. Never rejects. */
  verify(name: string, password: string, address: string): Promise<Verdict>;
}

export interface AuthenticatorParts {
  /** The users as they are now. */
  readonly users: Users;
  readonly failures: Failures;
  readonly clock: Clock;
  readonly log: Pick<Log, "error">;
}

/**
 * Verifications at once. scrypt runs in libuv's pool of four threads, which the disk needs too: of a thousand
 * syncs a second of one file nothing was lost with two at once, and with eight one was left in two seconds.
 * Two take 64 MiB.
 */
const RUNNING_MAX = 2;

/** Verifications that wait: 8 to 16 seconds' worth. Clients wait for minutes (RFC 5321 §4.5.3.2). */
const WAITING_MAX = 100;

/**
 * A password that was right is remembered so long: Django's and PHP's mailers authenticate for each message.
 * Counted from the verification, so that one that can't be verified any more does not live on.
 */
const REMEMBERED_MS = 5 * 60_000;

/** Users at work within five minutes; beyond it the one verified first is forgotten. 150 octets each. */
const REMEMBERED_MAX = 4_096;

export function createAuthenticator({ users, failures, clock, log }: AuthenticatorParts): Authenticator {
  /** Unknown names cost as much as known ones. */
  const decoy = decoyHash();
  /** Of this process only, so that what is remembered is of no use outside it. */
  const key = randomBytes(32);
  /** When what was right was verified, by its fingerprint. The hash is in it: a new one is not remembered. */
  const remembered = new Map<string, number>();
  /** Verifications under way, so that fifty connections of a mailer that starts cost one. */
  const underway = new Map<string, Promise<boolean>>();
  const gate = createGate(RUNNING_MAX, WAITING_MAX);

  const fingerprintOf = (name: string, password: string, hash: PasswordHash): string =>
    createHmac("sha256", key)
      .update(JSON.stringify([name, password, hash.text]))
      .digest("base64");

  const isRemembered = (fingerprint: string): boolean => {
    const verifiedAt = remembered.get(fingerprint);
    if (verifiedAt === undefined) return false;
    const age = clock.now() - verifiedAt;
    // A clock that was set back must not make it last.
    if (age >= 0 && age < REMEMBERED_MS) return true;
    remembered.delete(fingerprint);
    return false;
  };

  const remember = (fingerprint: string): void => {
    remembered.set(fingerprint, clock.now());
    const [oldest] = remembered.keys();
    if (remembered.size > REMEMBERED_MAX && oldest !== undefined) remembered.delete(oldest);
  };

  /** Whether the password is right; undefined when too many wait. */
  const verifyOnce = async (fingerprint: string, password: string, hash: PasswordHash) => {
    let verification = underway.get(fingerprint);
    if (verification === undefined) {
      verification = gate.run(() => verifyPassword(password, hash));
      if (verification === undefined) return undefined;
      underway.set(fingerprint, verification);
      verification.finally(() => underway.delete(fingerprint)).catch(() => {});
    }
    return await verification;
  };

  return {
    async verify(name, password, address) {
      if (failures.blocked(address)) return { kind: "later" };
      const askedAt = clock.now();
      const hash = users.get(name);
      const fingerprint = fingerprintOf(name, password, hash ?? decoy);
      const valid = (): boolean => hash !== undefined && users.get(name)?.text === hash.text;
      if (!isRemembered(fingerprint)) {
        let isRight: boolean | undefined;
        try {
          isRight = await verifyOnce(fingerprint, password, hash ?? decoy);
        } catch (error) {
          log.error("auth.failed", { error: error instanceof Error ? error.message : String(error) });
        }
        // Many guesses at once: those beyond the limit get the same answer, right or wrong.
        if (isRight === undefined || failures.blocked(address)) return { kind: "later" };
        if (!isRight || !valid()) {
          await failures.failed(address, askedAt);
          return { kind: "wrong" };
        }
        remember(fingerprint);
      }
      return { kind: "accepted", user: name, valid };
    },
  };
}

interface Gate {
  /** Does the work when it is its turn; undefined when too many wait for theirs. */
  run<T>(work: () => Promise<T>): Promise<T> | undefined;
}

function createGate(runningMax: number, waitingMax: number): Gate {
  let running = 0;
  const waiting: (() => void)[] = [];
  const admitted = (): Promise<void> => {
    if (running < runningMax) {
      running++;
      return Promise.resolve();
    }
    return new Promise((resolve) => waiting.push(resolve));
  };
  return {
    run(work) {
      if (running >= runningMax && waiting.length >= waitingMax) return undefined;
      return admitted()
        .then(work)
        .finally(() => {
          const next = waiting.shift();
          // The next one takes the place of this one.
          if (next === undefined) running--;
          else next();
        });
    },
  };
}
