import { scryptSync } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import { type Authenticator, createAuthenticator, type Verdict } from "../../src/access/authenticator.ts";
import { createFailures } from "../../src/access/failures.ts";
import { type PasswordHash, parseHash } from "../../src/access/password.ts";
import { createManualClock, type ManualClock } from "../support/manual-clock.ts";

const ADDRESS = "192.0.2.1";
const MINUTE_MS = 60_000;

const parsed = (text: string): PasswordHash => {
  const result = parseHash(text);
  if (!result.ok) throw new Error(result.fault);
  return result.hash;
};

/** Unless told otherwise a hash that costs next to nothing, for tests with many of them. */
function cheapHash(password: string, ln = 1): PasswordHash {
  const key = scryptSync(password, "saltsalt", 32, { cost: 2 ** ln, blockSize: 8, parallelization: 1 });
  const base64 = (octets: Buffer): string => octets.toString("base64").replace(/=+$/, "");
  return parsed(`$scrypt$ln=${ln},r=8,p=1$${base64(Buffer.from("saltsalt"))}$${base64(key)}`);
}

let clock: ManualClock;
let users: Map<string, PasswordHash>;
let errors: string[];
let authenticator: Authenticator;

function setUp(max: number): void {
  clock = createManualClock();
  users = new Map();
  errors = [];
  const failures = createFailures({ max, windowMs: 600_000, blockMs: 3_600_000 }, clock, { warn() {} });
  const log = { error: (event: string) => void errors.push(event) };
  authenticator = createAuthenticator({ users, failures, clock, log });
}
beforeEach(() => setUp(1_000));

const turn = (): Promise<"not yet"> => new Promise((resolve) => setImmediate(resolve, "not yet"));

/** The verdicts, with time passing as long as one is out. */
async function verdictsOf(asked: Promise<Verdict>[]): Promise<Verdict[]> {
  let out = asked.length;
  for (const one of asked) void one.finally(() => out--);
  while (out > 0) {
    await turn();
    clock.advance(clock.untilNext() ?? 0);
  }
  return await Promise.all(asked);
}

async function verify(name: string, password: string, address = ADDRESS): Promise<Verdict> {
  const [verdict] = await verdictsOf([authenticator.verify(name, password, address)]);
  return verdict as Verdict;
}

const kindsOf = (verdicts: Verdict[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { kind } of verdicts) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
};

/** Some 30 ms, which is no answer within one turn of the event loop. */
const SLOW = 14;

const answeredAtOnce = async (name: string, password: string): Promise<boolean> =>
  (await Promise.race([authenticator.verify(name, password, ADDRESS), turn()])) !== "not yet";

test("the right password of a user, and nothing else", async () => {
  users.set("app", cheapHash("secret"));
  expect(await verify("app", "secret")).toMatchObject({ kind: "accepted", user: "app" });
  for (const [name, password] of [
    ["app", "Secret"],
    ["app", ""],
    ["APP", "secret"],
    ["nobody", "secret"],
    ["", ""],
    ["__proto__", "secret"],
  ] as const) {
    expect(await verify(name, password)).toEqual({ kind: "wrong" });
  }
});

test("a wrong password is answered late, the right one is not", async () => {
  users.set("app", cheapHash("secret"));
  const startedAt = clock.now();
  await verify("app", "secret");
  expect(clock.now()).toBe(startedAt);
  await verify("app", "wrong");
  expect(clock.now()).toBe(startedAt + 2_000);
  await verify("nobody", "wrong");
  expect(clock.now()).toBe(startedAt + 6_000);
});

test("an unknown name costs a verification", async () => {
  expect(await answeredAtOnce("nobody", "secret")).toBe(false);
});

test("what was right is remembered for five minutes, and only that", async () => {
  users.set("app", cheapHash("secret", SLOW));
  users.set("shop", cheapHash("secret", SLOW));
  expect(await answeredAtOnce("app", "secret")).toBe(false);
  await verify("app", "secret");
  expect(await answeredAtOnce("app", "secret")).toBe(true);
  expect(await answeredAtOnce("shop", "secret")).toBe(false);
  expect(await answeredAtOnce("app", "secret2")).toBe(false);
  clock.advance(5 * MINUTE_MS - 1);
  expect(await answeredAtOnce("app", "secret")).toBe(true);
  clock.advance(1);
  expect(await answeredAtOnce("app", "secret")).toBe(false);
});

test("a clock that is set back does not make it last", async () => {
  users.set("app", cheapHash("secret", SLOW));
  await verify("app", "secret");
  clock.set(clock.now() - 60 * MINUTE_MS);
  expect(await answeredAtOnce("app", "secret")).toBe(false);
});

test("a user who is removed or has another hash is accepted no more, nor are his sessions", async () => {
  users.set("app", cheapHash("secret"));
  const verdict = await verify("app", "secret");
  const valid = (): boolean => verdict.kind === "accepted" && verdict.valid();
  expect(valid()).toBe(true);
  users.set("app", cheapHash("new"));
  expect(valid()).toBe(false);
  expect((await verify("app", "secret")).kind).toBe("wrong");
  expect((await verify("app", "new")).kind).toBe("accepted");
  users.delete("app");
  expect((await verify("app", "new")).kind).toBe("wrong");
});

test("a user who is removed while the password is verified is not accepted", async () => {
  users.set("app", cheapHash("secret"));
  const asked = authenticator.verify("app", "secret", ADDRESS);
  users.delete("app");
  expect(kindsOf(await verdictsOf([asked]))).toEqual({ wrong: 1 });
});

test("two are verified at once, a hundred wait, more are told to come later", async () => {
  users.set("app", cheapHash("secret"));
  const guesses = Array.from({ length: 300 }, (_, n) => authenticator.verify("app", `guess ${n}`, ADDRESS));
  expect(kindsOf(await verdictsOf(guesses))).toEqual({ wrong: 102, later: 198 });
  expect((await verify("app", "secret")).kind).toBe("accepted");
});

test("a mailer that starts with many connections costs one verification", async () => {
  users.set("app", cheapHash("secret"));
  const asked = Array.from({ length: 300 }, () => authenticator.verify("app", "secret", ADDRESS));
  expect(kindsOf(await verdictsOf(asked))).toEqual({ accepted: 300 });
});

test("a blocked address learns nothing, not even of passwords that are remembered", async () => {
  setUp(3);
  users.set("app", cheapHash("secret"));
  await verify("app", "secret");
  for (const _ of [1, 2, 3]) expect((await verify("app", "wrong")).kind).toBe("wrong");
  expect((await verify("app", "secret")).kind).toBe("later");
  expect((await verify("app", "wrong")).kind).toBe("later");
  expect((await verify("app", "secret", "192.0.2.2")).kind).toBe("accepted");
});

test("of guesses at once no more than the limit are answered", async () => {
  setUp(3);
  users.set("app", cheapHash("50"));
  const guesses = Array.from({ length: 51 }, (_, n) => authenticator.verify("app", `${n}`, ADDRESS));
  const { accepted = 0, wrong = 0, later = 0 } = kindsOf(await verdictsOf(guesses));
  expect(accepted).toBe(0);
  // Those that two threads had finished before the third was counted.
  expect(wrong).toBeLessThanOrEqual(3 + 2);
  expect(wrong + later).toBe(51);
});

test("what can't be verified is said so, and nobody is accepted", async () => {
  // No power of two: crypto refuses it.
  users.set("app", { ...cheapHash("secret"), cost: 3 } as PasswordHash);
  expect(await verify("app", "secret")).toEqual({ kind: "later" });
  expect(errors).toEqual(["auth.failed"]);
  users.set("app", cheapHash("secret"));
  expect((await verify("app", "secret")).kind).toBe("accepted");
});
