// The steps that the ledger's checks are written in. An answer that never comes is a failure.
import { expect } from "vitest";
import type { Id } from "../../src/identity/message-id.ts";
import {
  type Claim,
  type ClaimRequest,
  type ClaimResult,
  DIGEST_OCTETS,
  type Doubt,
  type Ledger,
  type Looked,
} from "../../src/ledger/ledger.ts";
import { idOf } from "../support/ids.ts";
import type { LedgerHarness } from "./ledger.ts";

/** A digest that is told from another by its octets. */
export function digestOf(octet: number): Uint8Array {
  return new Uint8Array(DIGEST_OCTETS).fill(octet);
}

export const request = (label: string, more: Partial<ClaimRequest> = {}): ClaimRequest => ({
  id: idOf(label),
  digest: digestOf(1),
  ...more,
});

/** Two requests in the order of their ids, in which a batch claims them. */
export const inOrder = (one: ClaimRequest, other: ClaimRequest): readonly [ClaimRequest, ClaimRequest] =>
  one.id < other.id ? [one, other] : [other, one];

/** Octets compared as values: an implementation may answer with a Buffer. */
export function plain(result: ClaimResult | undefined) {
  if (result === undefined) return undefined;
  return "digest" in result ? { ...result, digest: [...result.digest] } : result;
}

/** What is in doubt about an id, by what the ledger says of it: as its list of doubts should. */
export function doubtOf(id: Id, looked: Looked): Doubt | undefined {
  if (!("firstDate" in looked) || looked.state === "attempted") return undefined;
  const { firstDate, digest, changedAt, holder } = looked;
  return { id, firstDate, digest, changedAt, claimed: holder !== "nobody" };
}

export async function soon<T>(harness: LedgerHarness, answer: Promise<T>): Promise<T> {
  let timeout: NodeJS.Timeout | undefined;
  const never = new Promise<never>((_, reject) => {
    timeout = setTimeout(() => reject(new Error("no answer came")), harness.patienceMs);
  });
  return await Promise.race([answer, never]).finally(() => clearTimeout(timeout));
}

export async function one(harness: LedgerHarness, ledger: Ledger, asked: ClaimRequest): Promise<ClaimResult> {
  const [result] = await soon(harness, ledger.claim([asked]));
  if (result === undefined) throw new Error("a claim without a result");
  return result;
}

export async function claimed(harness: LedgerHarness, ledger: Ledger, asked: ClaimRequest): Promise<Claim> {
  const result = await one(harness, ledger, asked);
  expect(result.kind).toBe("claimed");
  return (result as { claim: Claim }).claim;
}

export async function relay(harness: LedgerHarness, ledger: Ledger, asked: ClaimRequest): Promise<Claim> {
  const claim = await claimed(harness, ledger, asked);
  ledger.accepted([claim]);
  expect(await soon(harness, ledger.attempt(claim, String(harness.now())))).toBe("attempted");
  expect(await soon(harness, ledger.settle(claim, "relayed"))).toBe("settled");
  return claim;
}

export async function expectRelayed(
  harness: LedgerHarness,
  ledger: Ledger,
  asked: ClaimRequest,
  digest = asked.digest,
): Promise<void> {
  expect(plain(await one(harness, ledger, asked))).toEqual({
    kind: "repeat",
    standing: "relayed",
    digest: [...digest],
    at: expect.any(Number),
  });
}

export async function expectDoubtful(
  harness: LedgerHarness,
  ledger: Ledger,
  asked: ClaimRequest,
  firstDate: string,
): Promise<Claim> {
  const result = await one(harness, ledger, asked);
  expect(plain(result)).toMatchObject({ kind: "doubtful", firstDate });
  return (result as { claim: Claim }).claim;
}

/** Many turns of the event loop and of the ledger: what has not come by then waits for something else. */
export async function settleDown(harness: LedgerHarness, ledger: Ledger): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    const claim = await claimed(harness, ledger, request(`unrelated ${turn}`));
    await soon(harness, ledger.attempt(claim, String(harness.now())));
    await soon(harness, ledger.settle(claim, "refused"));
    await soon(harness, ledger.release([claim]));
    await new Promise(setImmediate);
  }
}

/** The kinds of those that have answered by now. */
export function watch(answers: readonly Promise<readonly ClaimResult[]>[]): ClaimResult[] {
  const come: ClaimResult[] = [];
  for (const answer of answers) {
    answer.then(
      (results) => come.push(...results),
      () => {},
    );
  }
  return come;
}

export async function atMostOneHolder(
  harness: LedgerHarness,
  ledger: Ledger,
  asked: ClaimRequest,
): Promise<void> {
  const rivals = 12;
  const answers = Array.from({ length: rivals }, () => ledger.claim([asked]));
  const come = watch(answers);
  await soon(harness, Promise.race(answers));
  const ended = new Set<number>();
  for (let round = 0; round < rivals; round++) {
    await settleDown(harness, ledger);
    const holders = come.flatMap((result) =>
      "claim" in result && !ended.has(result.claim.fence) ? [result.claim] : [],
    );
    expect(holders.length).toBeLessThanOrEqual(1);
    if (round === 0) expect(holders.length).toBe(1);
    const fences = come.flatMap((result) => ("claim" in result ? [result.claim.fence] : []));
    expect(new Set(fences).size).toBe(fences.length);
    for (const holder of holders) ended.add(holder.fence);
    await soon(harness, ledger.release(holders));
  }
}
