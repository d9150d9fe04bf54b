// The checks of the rules S1 to S19, see sharing.ts.
import { expect } from "vitest";
import type { Claim, ClaimRequest, ClaimResult, Decision, Ledger } from "../../src/ledger/ledger.ts";
import type { EngineLimits } from "../../src/ledger/shared/engine.ts";
import { changedTo, parseSettings, storedSettings } from "../../src/ledger/shared/settings.ts";
import { idOf } from "../support/ids.ts";
import { digestOf, doubtOf, plain, request } from "./ledger-steps.ts";
import type { SharingCheck, SharingHarness, TestGateway } from "./sharing.ts";

export const two = async (harness: SharingHarness): Promise<[TestGateway, TestGateway]> => [
  await harness.start("a"),
  await harness.start("b"),
];

export const three = (harness: SharingHarness): Promise<TestGateway[]> =>
  Promise.all(["a", "b", "c"].map((name) => harness.start(name)));

export async function claim(
  harness: SharingHarness,
  ledger: Ledger,
  asked: ClaimRequest,
): Promise<ClaimResult> {
  const [result] = await harness.during(ledger.claim([asked]));
  if (result === undefined) throw new Error("a claim without a result");
  return result;
}

export async function claimed(
  harness: SharingHarness,
  { ledger }: TestGateway,
  asked: ClaimRequest,
): Promise<Claim> {
  const result = await claim(harness, ledger, asked);
  expect(result.kind).toBe("claimed");
  return (result as { claim: Claim }).claim;
}

/** Accepted, and the others know. */
export async function accepted(
  harness: SharingHarness,
  gateway: TestGateway,
  asked: ClaimRequest,
): Promise<Claim> {
  const own = await claimed(harness, gateway, asked);
  gateway.ledger.accepted([own]);
  await harness.pass(100);
  return own;
}

/** As `mailonce ledger set` does. */
async function agreeOn({ engine: { engine } }: TestGateway, limits: Partial<EngineLimits>): Promise<void> {
  const stored = await engine.settings();
  if (stored === undefined) throw new Error("no gateway has written its settings");
  const settings = parseSettings(stored);
  const next = changedTo(settings, { ...settings, ...limits });
  expect(await engine.putSettings(settings.version, storedSettings(next))).toBe(true);
}

const UNDERWAY = { kind: "repeat", standing: "underway" } as const;
const AWAITED = { kind: "repeat", standing: "awaited" } as const;
export const RELAYED = { kind: "repeat", standing: "relayed" } as const;
const LABELS = Array.from({ length: 20 }, (_, i) => `id ${i}`);

export const SHARING_CHECKS: readonly SharingCheck[] = [
  {
    rule: "S1",
    title: "of three gateways that claim the same ids at once one has each",
    async run(harness) {
      const gateways = await three(harness);
      for (let round = 0; round < 3; round++) {
        const holders = await harness.during(
          Promise.all(
            gateways.map(async ({ ledger }) => {
              const results = await ledger.claim(LABELS.map((label) => request(`${label} ${round}`)));
              const own = results.flatMap((result) => ("claim" in result ? [result.claim] : []));
              ledger.accepted(own);
              return own.map(({ id }) => id);
            }),
          ),
        );
        expect(holders.flat().sort()).toEqual(LABELS.map((label) => idOf(`${label} ${round}`)).sort());
      }
    },
  },
  {
    rule: "S1",
    title: "so too of what a dead gateway has left, whether attempted or not",
    async run(harness) {
      const dead = await harness.start("dead");
      for (const label of LABELS) {
        const own = await claimed(harness, dead, request(label));
        dead.ledger.accepted([own]);
        if (label.length % 2 === 0) await harness.during(dead.ledger.attempt(own, label));
      }
      await harness.pass(100);
      const gateways = await three(harness);
      await dead.kill();
      await harness.pass(harness.leaseMs * 1.5);
      const holders = await harness.during(
        Promise.all(
          gateways.map(async ({ ledger }) => {
            const results = await ledger.claim(LABELS.map((label) => request(label)));
            const own = results.flatMap((result) => ("claim" in result ? [result.claim] : []));
            ledger.accepted(own);
            return own.map(({ id }) => id);
          }),
        ),
      );
      expect(holders.flat().sort()).toEqual(LABELS.map(idOf).sort());
    },
  },
  {
    rule: "S2",
    title: "a claim waits for another gateway's, and is a repeat once that is accepted",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await claimed(harness, a, request("x", { digest: digestOf(7) }));
      let result: ClaimResult | undefined;
      const waiting = b.ledger.claim([request("x")]).then(([one]) => {
        result = one;
      });
      await harness.pass(1000);
      expect(result).toBeUndefined();
      a.ledger.accepted([own]);
      await harness.during(waiting);
      expect(plain(result)).toEqual({ ...UNDERWAY, digest: [...digestOf(7)] });
    },
  },
  {
    rule: "S2",
    title: "a waiting claim succeeds once the other gateway's is released, under a greater fence",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await claimed(harness, a, request("x"));
      const waiting = b.ledger.claim([request("x")]);
      await harness.pass(100);
      await harness.during(a.ledger.release([own]));
      const [result] = await harness.during(waiting);
      expect(result?.kind).toBe("claimed");
      expect((result as { claim: Claim }).claim.fence).toBeGreaterThan(own.fence);
    },
  },
  {
    rule: "S2",
    title: "a waiting claim gives up in the end, holds nothing, and says that the ledger is unavailable",
    async run(harness) {
      const [a, b] = await two(harness);
      await claimed(harness, a, request("x"));
      const batch = b.ledger.claim([request("w"), request("x"), request("y"), request("z")]);
      await expect(harness.during(batch)).rejects.toMatchObject({ code: "unavailable" });
      expect(b.ledger.counts().claims).toBe(0);
      for (const label of ["w", "y", "z"]) await claimed(harness, a, request(label));
    },
  },
  {
    rule: "S3",
    title: "what a live gateway has accepted is a repeat, with its digest, however its attempts go",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x", { digest: digestOf(7) }));
      const underway = { ...UNDERWAY, digest: [...digestOf(7)] };
      const seen = async () => plain(await claim(harness, b.ledger, request("x")));
      expect(await seen()).toEqual(underway);
      await harness.during(a.ledger.attempt(own, "5"));
      expect(await seen()).toEqual(underway);
      await harness.during(a.ledger.settle(own, "doubtful"));
      expect(await seen()).toEqual(underway);
      await harness.during(a.ledger.settle(own, "refused"));
      await harness.pass(3 * harness.leaseMs);
      expect(await seen()).toEqual(underway);
      await harness.during(a.ledger.settle(own, "relayed"));
      expect(await seen()).toEqual({ ...RELAYED, digest: [...digestOf(7)], at: expect.any(Number) });
    },
  },
  {
    rule: "S4",
    title: "what a dead gateway never attempted is claimed after the lease, and not before",
    async run(harness) {
      const [a, b] = await two(harness);
      await accepted(harness, a, request("accepted"));
      const fence = (await claimed(harness, a, request("claimed"))).fence;
      await a.kill();
      await harness.pass(harness.leaseMs * 0.6);
      expect(await claim(harness, b.ledger, request("accepted"))).toMatchObject(UNDERWAY);
      await harness.pass(harness.leaseMs * 0.6);
      await claimed(harness, b, request("accepted"));
      expect((await claimed(harness, b, request("claimed"))).fence).toBeGreaterThan(fence);
      expect(b.events).toContain("ledger.taken_over");
    },
  },
  {
    rule: "S4",
    title: "a gateway that dies while a claim waits for it is dead for all ids of that claim",
    async run(harness) {
      const [a, b] = await two(harness);
      const [x, y] = [await accepted(harness, a, request("x")), await accepted(harness, a, request("y"))];
      expect(await harness.during(a.ledger.attempt(x, "a's date"))).toBe("attempted");
      expect(await harness.during(a.ledger.attempt(y, "a's date"))).toBe("attempted");
      // One of them on either side of it, in the order of ids.
      await claimed(harness, a, request("pending"));
      a.stop();
      await harness.pass(harness.leaseMs * 0.8);
      const batch = b.ledger.claim([request("x"), request("pending"), request("y")]);
      expect(await harness.during(batch)).toMatchObject([
        { kind: "doubtful" },
        { kind: "claimed" },
        { kind: "doubtful" },
      ]);
    },
  },
  {
    rule: "S4",
    title: "what a dead gateway attempted is doubtful after the lease, with its first date and digest",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x", { digest: digestOf(7) }));
      await harness.during(a.ledger.attempt(own, "a date"));
      await a.kill();
      await harness.pass(harness.leaseMs * 0.6);
      expect(await claim(harness, b.ledger, request("x"))).toMatchObject(UNDERWAY);
      await harness.pass(harness.leaseMs * 0.6);
      const result = await claim(harness, b.ledger, request("x"));
      expect(plain(result)).toMatchObject({
        kind: "doubtful",
        firstDate: "a date",
        digest: [...digestOf(7)],
      });
    },
  },
  {
    rule: "S4",
    title: "an attempt that is noted while the claim is being taken over is seen, and the holder is alive",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      a.stop();
      await harness.pass(harness.leaseMs * 1.5);
      const found = b.engine.holdAnswers("insert");
      const claiming = b.ledger.claim([request("x")]);
      await harness.pass(1);
      a.goOn();
      expect(await harness.during(a.ledger.attempt(own, "a date"))).toBe("attempted");
      found();
      expect((await harness.during(claiming))[0]).toMatchObject(UNDERWAY);
      expect(await harness.during(a.ledger.settle(own, "relayed"))).toBe("settled");
    },
  },
  {
    rule: "S4",
    title: "so is one of what was in doubt before, whose record stays doubtful",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      expect(await harness.during(a.ledger.attempt(own, "a date"))).toBe("attempted");
      expect(await harness.during(a.ledger.settle(own, "doubtful"))).toBe("settled");
      a.stop();
      await harness.pass(harness.leaseMs * 1.5);
      const found = b.engine.holdAnswers("insert");
      const claiming = b.ledger.claim([request("x")]);
      await harness.pass(1);
      a.goOn();
      expect(await harness.during(a.ledger.attempt(own, "a date"))).toBe("attempted");
      found();
      expect((await harness.during(claiming))[0]).toMatchObject(UNDERWAY);
      expect(await harness.during(a.ledger.settle(own, "relayed"))).toBe("settled");
    },
  },
  {
    rule: "S5",
    title: "a gateway that was stopped finds what was taken over stale, and changes nothing",
    async run(harness) {
      const [a, b] = await two(harness);
      const [queued, tried, free] = [
        await accepted(harness, a, request("queued")),
        await accepted(harness, a, request("tried")),
        await claimed(harness, a, request("free")),
      ];
      await harness.during(a.ledger.attempt(tried, "first"));
      a.stop();
      await harness.pass(harness.leaseMs * 1.5);
      const taken = await accepted(harness, b, request("queued"));
      expect(await claim(harness, b.ledger, request("tried"))).toMatchObject({ kind: "doubtful" });
      await harness.during(b.ledger.attempt(taken, "second"));
      a.goOn();
      expect(await harness.during(a.ledger.attempt(queued, "late"))).toBe("stale");
      expect(await harness.during(a.ledger.settle(tried, "relayed"))).toBe("stale");
      await harness.during(a.ledger.release([queued, tried, free]));
      expect(a.ledger.counts().claims).toBe(0);
      expect(await harness.during(b.ledger.settle(taken, "relayed"))).toBe("settled");
      expect(await claim(harness, a.ledger, request("queued"))).toMatchObject(RELAYED);
      expect(a.events).toContain("ledger.settled_stale");
    },
  },
  {
    rule: "S6",
    title: "an attempt noted before a stop is not made after the lease, when another has taken over",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      const answer = a.engine.holdAnswers("change");
      const attempt = a.ledger.attempt(own, "a date");
      await harness.pass(1);
      a.stop();
      await harness.pass(harness.leaseMs * 1.5);
      const result = await claim(harness, b.ledger, request("x"));
      expect(result).toMatchObject({ kind: "doubtful", firstDate: "a date" });
      b.ledger.accepted([(result as { claim: Claim }).claim]);
      await harness.pass(100);
      answer();
      a.goOn();
      expect(await harness.during(attempt)).toBe("stale");
    },
  },
  {
    rule: "S6",
    title: "so too when a new heartbeat is confirmed before the note is answered",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      const answer = a.engine.holdAnswers("change");
      const attempt = a.ledger.attempt(own, "a date");
      await harness.pass(1);
      a.stop();
      await harness.pass(harness.leaseMs * 1.5);
      const result = await claim(harness, b.ledger, request("x"));
      expect(result).toMatchObject({ kind: "doubtful", firstDate: "a date" });
      b.ledger.accepted([(result as { claim: Claim }).claim]);
      a.goOn();
      await harness.pass(harness.leaseMs / 3);
      answer();
      expect(await harness.during(attempt)).toBe("stale");
    },
  },
  {
    rule: "S6",
    title: "it is made all the same when nobody has taken over",
    async run(harness) {
      const a = await harness.start("a");
      const own = await accepted(harness, a, request("x"));
      const answer = a.engine.holdAnswers("change");
      const attempt = a.ledger.attempt(own, "a date");
      await harness.pass(1);
      a.stop();
      await harness.pass(harness.leaseMs * 1.5);
      answer();
      a.goOn();
      expect(await harness.during(attempt)).toBe("attempted");
      expect(await harness.during(a.ledger.settle(own, "relayed"))).toBe("settled");
    },
  },
  {
    rule: "S7",
    title: "a claim that was taken over and given up, never attempted, goes on",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      a.stop();
      await harness.pass(harness.leaseMs * 1.5);
      const taken = await claimed(harness, b, request("x"));
      await harness.during(b.ledger.release([taken]));
      a.goOn();
      expect(await harness.during(a.ledger.attempt(own, "a date"))).toBe("attempted");
      expect(await claim(harness, b.ledger, request("x"))).toMatchObject(UNDERWAY);
      expect(await harness.during(a.ledger.settle(own, "relayed"))).toBe("settled");
    },
  },
  {
    rule: "S7",
    title:
      "if it was attempted the old claim has ended, also when the engine fails in the middle of finding out",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      a.stop();
      await harness.pass(harness.leaseMs * 1.5);
      const taken = await accepted(harness, b, request("x"));
      expect(await harness.during(b.ledger.attempt(taken, "b's date"))).toBe("attempted");
      expect(await harness.during(b.ledger.settle(taken, "doubtful"))).toBe("settled");
      await harness.during(b.ledger.release([taken]));
      a.goOn();
      const answer = a.engine.holdAnswers("take");
      const attempt = a.ledger.attempt(own, "a's date");
      attempt.catch(() => {});
      await a.engine.idle();
      a.engine.delayCall("change");
      answer();
      await expect(harness.during(attempt)).rejects.toMatchObject({ code: "unavailable" });
      await harness.pass(1000);
      expect(await harness.during(a.ledger.attempt(own, "a's date"))).toBe("stale");
      const found = await claim(harness, a.ledger, request("x"));
      expect(found).toMatchObject({ kind: "doubtful", firstDate: "b's date" });
    },
  },
  {
    rule: "S8",
    title: "what an earlier life of a gateway held is free for all as soon as it starts again",
    async run(harness) {
      const [a, b] = await two(harness);
      await accepted(harness, a, request("x"));
      await accepted(harness, a, request("y"));
      const tried = await accepted(harness, a, request("z"));
      await harness.during(a.ledger.attempt(tried, "a date"));
      await a.kill();
      const again = await harness.start("a");
      await claimed(harness, again, request("x"));
      await claimed(harness, b, request("y"));
      expect(await claim(harness, b.ledger, request("z"))).toMatchObject({
        kind: "doubtful",
        firstDate: "a date",
      });
    },
  },
  {
    rule: "S9",
    title: "the first of two processes under one name is told, and claims and attempts nothing",
    async run(harness) {
      const first = await harness.start("a");
      const own = await accepted(harness, first, request("x"));
      const second = await harness.start("a");
      await harness.pass(harness.leaseMs / 2);
      expect(first.events).toContain("ledger.superseded");
      await expect(harness.during(first.ledger.claim([request("y")]))).rejects.toMatchObject({
        code: "unavailable",
      });
      await expect(harness.during(first.ledger.attempt(own, "5"))).rejects.toMatchObject({
        code: "unavailable",
      });
      const taken = await claimed(harness, second, request("x"));
      expect(await harness.during(first.ledger.settle(own, "refused"))).toBe("stale");
      expect(await harness.during(second.ledger.attempt(taken, "5"))).toBe("attempted");
    },
  },
  {
    rule: "S10",
    title: "an id whose claim was not answered is free again, for all gateways",
    async run(harness) {
      const [a, b] = await two(harness);
      for (const label of ["x", "y"]) {
        a.engine.loseAnswer("insert");
        await expect(harness.during(a.ledger.claim([request(label)]))).rejects.toMatchObject({
          code: "unavailable",
        });
      }
      await claimed(harness, a, request("x"));
      await claimed(harness, b, request("y"));
    },
  },
  {
    rule: "S10",
    title: "so is one whose claim arrives only after it was given up, and one whose release was not answered",
    async run(harness) {
      const [a, b] = await two(harness);
      const arrive = a.engine.delayCall("insert");
      await expect(harness.during(a.ledger.claim([request("x")]))).rejects.toMatchObject({
        code: "unavailable",
      });
      await harness.pass(1);
      await harness.during(arrive());
      await claimed(harness, b, request("x"));
      const own = await claimed(harness, a, request("y"));
      a.engine.delayCall("change");
      await expect(harness.during(a.ledger.release([own]))).rejects.toMatchObject({ code: "unavailable" });
      await claimed(harness, b, request("y"));
    },
  },
  {
    rule: "S10",
    title: "so is one whose claim arrives after another claim of it was released, and that was not answered",
    async run(harness) {
      const [a, b] = await two(harness);
      const arrive = a.engine.delayCall("insert");
      await expect(harness.during(a.ledger.claim([request("x")]))).rejects.toMatchObject({
        code: "unavailable",
      });
      const own = await claimed(harness, a, request("x"));
      a.engine.loseAnswer("change");
      await expect(harness.during(a.ledger.release([own]))).rejects.toMatchObject({ code: "unavailable" });
      await harness.pass(1);
      await harness.during(arrive());
      await claimed(harness, b, request("x"));
    },
  },
  {
    rule: "S11",
    title: "an attempt that arrives after the settlement does not undo it",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      const arrive = a.engine.delayCall("change");
      await expect(harness.during(a.ledger.attempt(own, "5"))).rejects.toMatchObject({ code: "unavailable" });
      expect(await harness.during(a.ledger.attempt(own, "5"))).toBe("attempted");
      expect(await harness.during(a.ledger.settle(own, "relayed"))).toBe("settled");
      await harness.during(arrive());
      expect(await claim(harness, b.ledger, request("x"))).toMatchObject(RELAYED);
    },
  },
  {
    rule: "S12",
    title: "batches of three gateways in different orders come to an end",
    async run(harness) {
      const gateways = await three(harness);
      const batches = gateways.flatMap(({ ledger }, g) =>
        Array.from({ length: 4 }, async (_, i) => {
          const labels = LABELS.map((_, at) => LABELS[(at * 7 + g * 3 + i * 5) % LABELS.length] as string);
          if ((g + i) % 2 === 0) labels.reverse();
          const results = await ledger.claim(labels.map((label) => request(label)));
          const own = results.flatMap((result) => ("claim" in result ? [result.claim] : []));
          await ledger.release(own);
        }),
      );
      await harness.during(Promise.all(batches));
      for (const { ledger } of gateways) expect(ledger.counts()).toMatchObject({ claims: 0, open: 0 });
    },
  },
  {
    rule: "S13",
    title: "every gateway knows of all doubt, and whether a live gateway has it",
    async run(harness) {
      const [a, b] = await two(harness);
      for (const label of ["held", "left", "tried"]) {
        const own = await accepted(harness, a, request(label));
        await harness.during(a.ledger.attempt(own, label));
        if (label !== "tried") await harness.during(a.ledger.settle(own, "doubtful"));
        if (label === "left") await harness.during(a.ledger.release([own]));
      }
      const seen = async ({ ledger }: TestGateway) => {
        const doubts = await harness.during(ledger.doubts());
        for (const label of ["held", "left", "tried", "unknown"]) {
          const { id } = request(label);
          const { calls, records } = ledger.calls().read;
          const looked = await harness.during(ledger.look(id));
          expect(doubtOf(id, looked)).toEqual(doubts.find((one) => one.id === id));
          expect(ledger.calls().read).toEqual({ calls: calls + 1, records: records + 1 });
        }
        return doubts.map(({ firstDate, claimed }) => ({ firstDate, claimed }));
      };
      const held = { firstDate: "held", claimed: true };
      const left = { firstDate: "left", claimed: false };
      for (const gateway of [a, b]) expect(await seen(gateway)).toEqual([held, left]);
      await a.kill();
      await harness.pass(harness.leaseMs * 1.5);
      const tried = { firstDate: "tried", claimed: false };
      expect(await seen(b)).toEqual([{ ...held, claimed: false }, left, tried]);
    },
  },
  {
    rule: "S14",
    title: "what one gateway has relayed is a repeat at all, also at one that knows nothing of it",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x", { digest: digestOf(7) }));
      await harness.during(a.ledger.attempt(own, "5"));
      await harness.during(a.ledger.settle(own, "relayed"));
      const relayed = { ...RELAYED, digest: [...digestOf(7)], at: expect.any(Number) };
      for (const { ledger } of [b, a, await harness.start("c")]) {
        expect(plain(await claim(harness, ledger, request("x")))).toEqual(relayed);
        await harness.pass(harness.leaseMs / 10);
      }
      const since = harness.now();
      const later = await claimed(harness, b, request("x", { since, digest: digestOf(8) }));
      await harness.during(b.ledger.release([later]));
      expect(plain(await claim(harness, a.ledger, request("x")))).toEqual(relayed);
    },
  },
  {
    rule: "S15",
    title: "after an outage the others are heard before anything of theirs is taken over",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      await harness.during(a.ledger.attempt(own, "a date"));
      await accepted(harness, a, request("y"));
      const back = [a, b].map(({ engine }) => engine.holdAnswers("beat"));
      await harness.pass(harness.leaseMs * 2);
      for (const reach of back) reach();
      for (const label of ["x", "y"]) {
        expect(await claim(harness, b.ledger, request(label))).toMatchObject(UNDERWAY);
      }
      await harness.pass(harness.leaseMs);
      expect(await claim(harness, b.ledger, request("x"))).toMatchObject(UNDERWAY);
      // Whoever is dead all the same is found to be.
      await a.kill();
      await harness.pass(harness.leaseMs * 1.5);
      await claimed(harness, b, request("y"));
      expect(await claim(harness, b.ledger, request("x"))).toMatchObject({
        kind: "doubtful",
        firstDate: "a date",
      });
    },
  },
  {
    rule: "S16",
    title: "what is accepted for a client that waits is awaited at another gateway, however its attempts go",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await claimed(harness, a, request("x", { digest: digestOf(7) }));
      const waiting = b.ledger.claim([request("x")]);
      a.ledger.accepted([own], true);
      const awaited = { ...AWAITED, digest: [...digestOf(7)] };
      // Before it is announced it waits, so that nobody guesses.
      const [first] = await harness.during(waiting);
      expect(plain(first)).toEqual(awaited);
      const seen = async () => plain(await claim(harness, b.ledger, request("x")));
      await harness.during(a.ledger.attempt(own, "5"));
      expect(await seen()).toEqual(awaited);
      await harness.during(a.ledger.settle(own, "doubtful"));
      expect(await seen()).toEqual(awaited);
      await harness.during(a.ledger.settle(own, "refused"));
      expect(await seen()).toEqual(awaited);
      await harness.during(a.ledger.settle(own, "relayed"));
      expect(await seen()).toMatchObject(RELAYED);
    },
  },
  {
    rule: "S16",
    title: "an attempt that comes before the announcement says it too, bound or awaited",
    async run(harness) {
      const [a, b] = await two(harness);
      for (const [label, isAwaited] of [
        ["x", true],
        ["y", false],
      ] as const) {
        const own = await claimed(harness, a, request(label));
        a.ledger.accepted([own], isAwaited);
        await harness.during(a.ledger.attempt(own, "5"));
        expect(await claim(harness, b.ledger, request(label))).toMatchObject(isAwaited ? AWAITED : UNDERWAY);
      }
    },
  },
  {
    rule: "S16",
    title: "who takes over what was bound is not bound by that",
    async run(harness) {
      const dead = await harness.start("dead");
      await accepted(harness, dead, request("x"));
      const [a, b] = await two(harness);
      await dead.kill();
      await harness.pass(harness.leaseMs * 1.5);
      const own = await claimed(harness, a, request("x"));
      a.ledger.accepted([own], true);
      await harness.pass(100);
      expect(await claim(harness, b.ledger, request("x"))).toMatchObject(AWAITED);
      await harness.during(a.ledger.release([own]));
      await claimed(harness, b, request("x"));
    },
  },
  {
    rule: "S17",
    title: "what a live gateway holds in doubt is decided there and nowhere else",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      const decide = async ({ ledger }: TestGateway, decision: Decision) =>
        await harness.during(ledger.decide(idOf("x"), decision));
      await harness.during(a.ledger.attempt(own, "5"));
      for (const decision of ["relayed", "not-relayed"] as const) {
        expect(await decide(b, decision)).toBe("elsewhere");
      }
      await harness.during(a.ledger.settle(own, "doubtful"));
      for (const decision of ["relayed", "not-relayed"] as const) {
        expect(await decide(b, decision)).toBe("elsewhere");
      }
      expect(await decide(a, "relayed")).toBe("relayed");
      expect(await decide(b, "relayed")).toBe("nothing");
      expect(await claim(harness, b.ledger, request("x"))).toMatchObject(RELAYED);
    },
  },
  ...(["relayed", "not-relayed"] as const).map(
    (decision): SharingCheck => ({
      rule: "S17",
      title: `what a dead gateway held in doubt is decided as ${decision} by another, once by all of them`,
      async run(harness) {
        const dead = await harness.start("dead");
        const own = await accepted(harness, dead, request("x", { digest: digestOf(7) }));
        await harness.during(dead.ledger.attempt(own, "5"));
        const gateways = [await harness.start("a"), await harness.start("b")];
        await dead.kill();
        await harness.pass(harness.leaseMs * 1.5);
        const said = await harness.during(
          Promise.all(gateways.map(({ ledger }) => ledger.decide(idOf("x"), decision))),
        );
        const made = decision === "relayed" ? "relayed" : "absent";
        expect(said.filter((one) => one === made)).toHaveLength(1);
        for (const one of said) expect([made, "nothing", "elsewhere"]).toContain(one);
        const [, b] = gateways as [TestGateway, TestGateway];
        expect((await claim(harness, b.ledger, request("x"))).kind).toBe(
          decision === "relayed" ? "repeat" : "claimed",
        );
        // Who was taken for dead and goes on changes nothing.
        const late = await harness.start("dead");
        expect(await harness.during(late.ledger.decide(idOf("x"), decision))).toBe("nothing");
      },
    }),
  ),
  {
    rule: "S18",
    title: "a gateway with another lease, retention or secret than the first does not start, and names it",
    async run(harness) {
      const first = await harness.start("first");
      const own = await accepted(harness, first, request("x"));
      const leaseMs = harness.leaseMs / 2;
      for (const [limits, name] of [
        [{ leaseMs }, "ledger.lease is 15s here, and 30s in the ledger"],
        [{ retentionMs: leaseMs }, "ledger.retention is 15s here"],
        [{ secret: "another" }, "identity.secret is another one"],
      ] as const) {
        await expect(harness.start("other", limits)).rejects.toMatchObject({
          name: "SettingsError",
          message: expect.stringContaining(name),
        });
      }
      // It has ended nobody's life, and whoever agrees may start.
      expect(await harness.during(first.ledger.attempt(own, "5"))).toBe("attempted");
      const other = await harness.start("other");
      expect(await claim(harness, other.ledger, request("x"))).toMatchObject(UNDERWAY);
    },
  },
  {
    rule: "S19",
    title: "a shorter lease is in force once every live gateway has confirmed it, and no earlier",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, b, request("x"));
      b.stop();
      await agreeOn(a, { leaseMs: harness.leaseMs / 3 });
      await harness.pass(harness.leaseMs / 2);
      // Silent for longer than the new lease, and it could not know of that.
      expect(await claim(harness, a.ledger, request("x"))).toMatchObject(UNDERWAY);
      b.goOn();
      await harness.pass(harness.leaseMs);
      expect(a.events).toContain("ledger.settings_changed");
      expect(b.events).toContain("ledger.settings_changed");
      expect(await harness.during(b.ledger.attempt(own, "5"))).toBe("attempted");
      b.stop();
      await harness.pass(harness.leaseMs / 2);
      expect(await claim(harness, a.ledger, request("x"))).toMatchObject({ kind: "doubtful" });
    },
  },
  {
    rule: "S19",
    title: "a longer lease is in force at once for who takes over",
    async run(harness) {
      const [a, b] = await two(harness);
      await accepted(harness, b, request("x"));
      await agreeOn(a, { leaseMs: harness.leaseMs * 2 });
      await harness.pass(harness.leaseMs);
      b.stop();
      await harness.pass(harness.leaseMs * 1.5);
      expect(await claim(harness, a.ledger, request("x"))).toMatchObject(UNDERWAY);
      await harness.pass(harness.leaseMs);
      expect(await claim(harness, a.ledger, request("x"))).toMatchObject({ kind: "claimed" });
    },
  },
  {
    rule: "S19",
    title: "a shorter retention is in force once every live gateway has confirmed it, and no earlier",
    async run(harness) {
      const [a, b] = await two(harness);
      const own = await accepted(harness, a, request("x"));
      await harness.during(a.ledger.attempt(own, "5"));
      await harness.during(a.ledger.settle(own, "relayed"));
      b.stop();
      await agreeOn(a, { retentionMs: harness.leaseMs / 3 });
      await harness.pass(harness.leaseMs / 2);
      expect(await claim(harness, a.ledger, request("x"))).toMatchObject(RELAYED);
      b.goOn();
      await harness.pass(harness.leaseMs);
      expect(await claim(harness, a.ledger, request("x"))).toMatchObject({ kind: "claimed" });
    },
  },
];
