// One ledger for each rule that breaks this rule: the proof that the suite detects. Where a defect can't
// but break another rule too, that is said, with the reason.
import type { Id } from "../../src/identity/message-id.ts";
import type { Claim, ClaimResult, Ledger } from "../../src/ledger/ledger.ts";
import type { Operation, Storage, Store } from "../../src/storage/storage.ts";
import { type Defect, HARNESS_RETENTION_MS, type LedgerRule } from "./ledger.ts";

export interface BrokenLedger {
  readonly rule: LedgerRule;
  readonly defect: string;
  /** Rules that fall with it, and why they must. */
  readonly alsoFails?: readonly { readonly rule: LedgerRule; readonly reason: string }[];
  /** A new one for each place, since some keep what a broken ledger would keep on its disk. */
  readonly create: () => Defect;
  /** Where it takes another defect to break a shared ledger. */
  readonly createShared?: () => Defect;
}

const MARK_PREFIX = "a".charCodeAt(0);
const FORGOTTEN_PREFIX = "o".charCodeAt(0);

/** A storage whose stores turn some commits into writes, which a crash undoes. */
function forgetful(isLost: (name: string, operations: readonly Operation[]) => boolean): Defect {
  return {
    storage: (storage: Storage): Storage => ({
      ...storage,
      async openStore(name) {
        const store: Store = await storage.openStore(name);
        return {
          ...store,
          commit: (operations) =>
            isLost(name, operations) ? store.write(operations) : store.commit(operations),
        };
      },
    }),
  };
}

const isMark = (type: Operation["type"]) => (name: string, operations: readonly Operation[]) =>
  name === "ledger/state" &&
  operations.some((operation) => operation.type === type && operation.key[0] === MARK_PREFIX);

function claimsIn(results: readonly ClaimResult[]): Claim[] {
  return results.flatMap((result) => ("claim" in result ? [result.claim] : []));
}

export const BROKEN_LEDGERS: readonly BrokenLedger[] = [
  {
    rule: "exclusive",
    defect: "a release lets everyone who waits for the id have the claim",
    create: () => ({
      ledger(inner) {
        const waiting = new Map<Id, Set<(results: ClaimResult[]) => void>>();
        const released = new Set<Id>();
        return {
          ...inner,
          async claim(requests) {
            const [first] = requests;
            if (requests.length !== 1 || first === undefined) return await inner.claim(requests);
            const queue = waiting.get(first.id) ?? new Set();
            waiting.set(first.id, queue);
            const results = await new Promise<ClaimResult[]>((resolve, reject) => {
              queue.add(resolve);
              inner.claim(requests).then(
                (own) => {
                  const isAfterRelease = queue.delete(resolve) && released.delete(first.id);
                  resolve(own);
                  if (isAfterRelease && own[0]?.kind === "claimed") for (const other of queue) other(own);
                },
                (error) => {
                  queue.delete(resolve);
                  reject(error);
                },
              );
            });
            return results;
          },
          async release(claims) {
            for (const claim of claims) if ((waiting.get(claim.id)?.size ?? 0) > 0) released.add(claim.id);
            await inner.release(claims);
          },
        };
      },
    }),
  },
  {
    rule: "cell: waits",
    defect: "a claim of an id that is merely claimed is a repeat at once",
    create: () => ({
      ledger(inner) {
        const digests = new Map<Id, Uint8Array>();
        return {
          ...inner,
          async claim(requests) {
            const [first] = requests;
            const digest = first === undefined ? undefined : digests.get(first.id);
            if (requests.length === 1 && digest !== undefined) {
              return [{ kind: "repeat", standing: "underway", digest }];
            }
            for (const { id, digest: own } of requests) if (requests.length === 1) digests.set(id, own);
            const results = await inner.claim(requests).catch((error) => {
              for (const { id } of requests) digests.delete(id);
              throw error;
            });
            for (const [i, result] of results.entries()) {
              if (!("claim" in result)) digests.delete(requests[i]?.id ?? "");
            }
            return results;
          },
          async settle(claim, settlement) {
            const settled = await inner.settle(claim, settlement);
            if (settlement === "relayed" && settled === "settled") digests.delete(claim.id);
            return settled;
          },
          async decide(id, decision) {
            const decided = await inner.decide(id, decision);
            if (decided === "relayed") digests.delete(id);
            return decided;
          },
          async release(claims) {
            const live = inner.counts().claims;
            await inner.release(claims);
            if (inner.counts().claims < live) for (const { id } of claims) digests.delete(id);
          },
        };
      },
    }),
    alsoFails: [
      {
        rule: "stale",
        reason: "one of its checks sees by a waiting claim that a stale accepted() changed nothing",
      },
      { rule: "awaited", reason: "it says underway of all of them" },
    ],
  },
  {
    rule: "cell: repeat",
    defect: "a claim of an accepted id is told that it is relayed",
    create: () => ({
      ledger(inner) {
        const accepted = new Set<Id>();
        return {
          ...inner,
          accepted(claims, awaited) {
            for (const { id } of claims) accepted.add(id);
            inner.accepted(claims, awaited);
          },
          async claim(requests) {
            const early = requests.map(({ id }) => accepted.has(id));
            const results = await inner.claim(requests);
            return results.map((result, i) =>
              result.kind === "repeat" && early[i] ? { ...result, standing: "relayed" } : result,
            );
          },
        };
      },
    }),
    alsoFails: [{ rule: "awaited", reason: "so is what is awaited" }],
  },
  {
    rule: "durable: attempt",
    defect: "an attempt is noted without waiting for the disk",
    create: () => ({
      ...forgetful(isMark("put")),
      isForgotten: ({ to }) => ["attempted", "doubtful", "reclaimed", "remembered"].includes(to),
    }),
    alsoFails: [
      {
        rule: "durable: refused",
        reason: "one of its checks is about a doubt that survives a refusal and a crash",
      },
      { rule: "stale", reason: "the claim of a dead process is told from the next by a doubt that survived" },
      { rule: "since", reason: "one of its checks is about a doubt that survives a crash" },
      { rule: "look", reason: "it says so after a crash" },
      { rule: "evidence", reason: "it settles what a crash has left in doubt" },
    ],
  },
  {
    rule: "durable: relayed",
    defect: "the relaying is recorded without waiting for the disk",
    create: () => ({
      ...forgetful((name) => name.startsWith("ledger/generation-")),
      // What is forgotten is a relaying too, in the same record.
      isForgotten: ({ to }) => to === "relayed" || to === "forgotten",
    }),
    alsoFails: [
      { rule: "cell: forgotten", reason: "one part of its checks is a crash after an id was relayed" },
      { rule: "again", reason: "so is one part of its" },
      { rule: "retention", reason: "what a crash undoes does not stay for the retention" },
      { rule: "filter", reason: "one part of its checks is a crash after an id was relayed" },
      { rule: "cell: decided", reason: "so is one part of its checks, after a decision" },
      { rule: "evidence", reason: "one part of its checks is a crash after it was settled" },
    ],
  },
  {
    rule: "durable: refused",
    defect: "a refusal is noted without waiting for the disk",
    create: () => ({
      ...forgetful(isMark("del")),
      isForgotten: ({ to }, before) =>
        ["attempted", "doubtful", "reclaimed"].includes(before) && (to === "queued" || to === "claimed"),
    }),
    alsoFails: [
      { rule: "cell: decided", reason: "a decision that it was not relayed ends a doubt in the same way" },
      { rule: "again", reason: "so it does of the mail that got what was forgotten" },
      { rule: "evidence", reason: "one part of its checks is a crash after a refusal" },
    ],
  },
  {
    rule: "cell: crash",
    defect: "claims are kept across a crash as if they were accepted transmissions",
    alsoFails: [{ rule: "again", reason: "one of its checks is what a crash leaves" }],
    create() {
      const kept = new Map<Id, Uint8Array>();
      return {
        ledger(inner) {
          const dead = new Map(kept);
          return {
            ...inner,
            async claim(requests) {
              const [first] = requests;
              const digest = first === undefined ? undefined : dead.get(first.id);
              if (digest !== undefined) return [{ kind: "repeat", standing: "underway", digest }];
              const results = await inner.claim(requests);
              for (const [i, result] of results.entries()) {
                if (result.kind === "claimed")
                  kept.set(result.claim.id, requests[i]?.digest ?? new Uint8Array());
              }
              return results;
            },
            attempt(claim, firstDate) {
              kept.delete(claim.id);
              return inner.attempt(claim, firstDate);
            },
            release(claims) {
              for (const { id } of claims) kept.delete(id);
              return inner.release(claims);
            },
          };
        },
      };
    },
  },
  {
    rule: "cell: release",
    defect: "what was accepted can't be released",
    alsoFails: [
      { rule: "again", reason: "one of its checks is what a release leaves" },
      { rule: "evidence", reason: "one of its checks is of an id that was released in doubt" },
    ],
    create: () => ({
      ledger(inner) {
        const accepted = new Set<number>();
        return {
          ...inner,
          accepted(claims, awaited) {
            for (const { fence } of claims) accepted.add(fence);
            inner.accepted(claims, awaited);
          },
          release: (claims) => inner.release(claims.filter(({ fence }) => !accepted.has(fence))),
        };
      },
    }),
  },
  {
    rule: "stale",
    defect: "a settlement goes by the id, whatever the fence",
    create: () => ({
      ledger(inner) {
        const latest = new Map<Id, Claim>();
        return {
          ...inner,
          async claim(requests) {
            const results = await inner.claim(requests);
            for (const claim of claimsIn(results)) latest.set(claim.id, claim);
            return results;
          },
          settle: (claim, settlement) => inner.settle(latest.get(claim.id) ?? claim, settlement),
        };
      },
    }),
  },
  {
    rule: "retention",
    defect: "ids are kept for half the retention",
    create: () => ({ retentionMs: HARNESS_RETENTION_MS / 2 }),
  },
  {
    rule: "no deadlock",
    defect: "a batch is claimed in the order of its requests",
    create: () => ({
      ledger: (inner) => ({
        ...inner,
        async claim(requests) {
          const results: ClaimResult[] = [];
          try {
            for (const request of requests) results.push(...(await inner.claim([request])));
            return results;
          } catch (error) {
            await inner.release(claimsIn(results));
            throw error;
          }
        },
      }),
    }),
  },
  {
    rule: "filter",
    defect: "a filter that was lost is taken for an empty one",
    create() {
      const relayed = new Set<Id>();
      let lost = new Set<Id>();
      return {
        onSpoil() {
          lost = new Set(relayed);
        },
        ledger: (inner) => ({
          ...inner,
          claim: (requests) =>
            inner.claim(
              requests.map((request) =>
                lost.has(request.id) ? { ...request, since: Number.POSITIVE_INFINITY } : request,
              ),
            ),
          async settle(claim, settlement) {
            if (settlement === "relayed") relayed.add(claim.id);
            return await inner.settle(claim, settlement);
          },
        }),
      };
    },
  },
  {
    rule: "storage error",
    defect: "of a batch that fails, what had been claimed stays so",
    create: () => ({
      ledger: (inner) => ({
        ...inner,
        async claim(requests) {
          try {
            return await inner.claim(requests);
          } catch (error) {
            await Promise.allSettled(requests.map((request) => inner.claim([request])));
            throw error;
          }
        },
      }),
    }),
    createShared() {
      const left = new Map<Id, Uint8Array>();
      return {
        ledger: (inner) => ({
          ...inner,
          async claim(requests) {
            const results = await inner.claim(requests).catch((error) => {
              for (const { id, digest } of requests) left.set(id, digest);
              throw error;
            });
            return results.map((result, i) => {
              const digest = left.get(requests[i]?.id ?? "");
              return digest === undefined ? result : { kind: "repeat", standing: "underway", digest };
            });
          },
        }),
      };
    },
  },
  {
    rule: "since",
    defect: "`since` is not looked at",
    create: () => ({
      ledger: (inner): Ledger => ({
        ...inner,
        claim: (requests) => inner.claim(requests.map(({ since: _, ...rest }) => rest)),
      }),
    }),
    alsoFails: [
      { rule: "again", reason: "a mail that got what was forgotten gets it again by `since`" },
      {
        rule: "exclusive",
        reason: "one of its checks has a claim look into the store and succeed, which takes `since`",
      },
    ],
  },
  {
    rule: "awaited",
    defect: "who waits for the verdict is forgotten",
    create: () => ({ ledger: (inner) => ({ ...inner, accepted: (claims) => inner.accepted(claims) }) }),
  },
  {
    rule: "cell: decided",
    defect: "a decision as relayed lets the claim settle all the same",
    create: () => ({
      ledger(inner) {
        const decided = new Set<Id>();
        return {
          ...inner,
          async decide(id, decision) {
            const said = await inner.decide(id, decision);
            if (said === "relayed") decided.add(id);
            return said;
          },
          async settle(claim, settlement) {
            const said = await inner.settle(claim, settlement);
            return decided.has(claim.id) ? "settled" : said;
          },
        };
      },
    }),
  },
  {
    rule: "cell: not decided",
    defect: "what is being attempted is decided as not relayed",
    create: () => ({
      ledger(inner) {
        const latest = new Map<Id, Claim>();
        return {
          ...inner,
          async claim(requests) {
            const results = await inner.claim(requests);
            for (const claim of claimsIn(results)) latest.set(claim.id, claim);
            return results;
          },
          async decide(id, decision) {
            const said = await inner.decide(id, decision);
            const claim = latest.get(id);
            if (said !== "busy" || decision === "relayed" || claim === undefined) return said;
            await inner.settle(claim, "cleared");
            return "queued";
          },
        };
      },
    }),
  },
  {
    rule: "doubts",
    defect: "what has a claim is not in the list",
    create: () => ({
      ledger: (inner): Ledger => ({
        ...inner,
        doubts: async () => (await inner.doubts()).filter((one) => !one.claimed),
      }),
    }),
    alsoFails: [
      { rule: "durable: refused", reason: "one of its checks looks for the doubt in the list" },
      { rule: "cell: not decided", reason: "so does one of its" },
    ],
  },
  {
    rule: "cell: forgotten",
    defect: "an id is forgotten without waiting for the disk",
    create: () => ({
      ...forgetful(
        (name, operations) =>
          name === "ledger/state" && operations.some(({ key }) => key[0] === FORGOTTEN_PREFIX),
      ),
      isForgotten: ({ to }) => to === "forgotten",
    }),
  },
  {
    rule: "again",
    defect: "whose spool had the mail before is not looked at",
    create: () => ({
      ledger: (inner): Ledger => ({
        ...inner,
        claim: (requests) => inner.claim(requests.map(({ again: _, ...rest }) => rest)),
      }),
    }),
    alsoFails: [
      { rule: "cell: forgotten", reason: "one of its checks sees by such a claim how long it is forgotten" },
      { rule: "look", reason: "so does one of its, that nothing has changed" },
    ],
  },
  {
    rule: "look",
    defect: "what is forgotten looks relayed",
    create: () => ({
      ledger: (inner): Ledger => ({
        ...inner,
        async look(id) {
          const looked = await inner.look(id);
          return looked.state === "forgotten" ? { ...looked, state: "relayed" } : looked;
        },
      }),
    }),
  },
  {
    rule: "evidence",
    defect: "when the upstream took it is not looked at",
    create: () => ({
      ledger: (inner): Ledger => ({ ...inner, prove: (id) => inner.prove(id, Number.MAX_SAFE_INTEGER) }),
    }),
  },
];
