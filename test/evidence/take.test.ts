// What shows later that an upstream took a mail ends its doubt: before, during and after the attempt, twice, of an unknown
// id, after a re-send, and killed in between.
import { expect, test } from "vitest";
import type { Proof } from "../../src/evidence/evidence.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { openAmongOthers } from "../dispatch/among-others.ts";
import { openHeldGateway, orderOne, settled } from "../support/held-gateway.ts";
import { idOf } from "../support/ids.ts";

const DOUBTFUL: Outcome = { kind: "doubtful", cause: "the connection was lost" };
const ACCEPTED: Outcome = { kind: "accepted", upstreamId: "1" };
const RECIPIENT = "a@example.net";
const OTHER = "b@example.net";
const SENT: Proof = { from: "tag", source: "ses", upstreamId: "0100-1", at: 5 };

/** One mail, whose first attempt is under way. */
async function attempted(
  settings: Readonly<Record<string, string>> = {},
  recipients: readonly string[] = [RECIPIENT],
) {
  const one = await openHeldGateway({ MAILONCE_LEDGER_DOUBTFUL: "hold", ...settings });
  expect((await one.submit(recipients)).code).toBe(250);
  const { id } = one.call(RECIPIENT).transmission;
  const take = (proof: Partial<Proof> = {}) =>
    one.relay.evidence.take(id, { ...SENT, at: one.time.now(), ...proof });
  return { ...one, id, take };
}

/** Mails in the spool: without one there is its format alone. */
const spooled = ({ storage }: Pick<Awaited<ReturnType<typeof attempted>>, "storage">): number =>
  (storage.view("spool/queue")?.visible.size ?? 0) - 1;

test("after the attempt: the mail is relayed and out, once, and the history says by what", async () => {
  const one = await attempted();
  await one.call(RECIPIENT).answer(DOUBTFUL);
  expect(await one.relay.doubtful.list()).toMatchObject([{ id: one.id, standing: "held" }]);
  expect(await one.take()).toBe("settled");
  expect(await one.take()).toBe("known");
  expect(await one.relay.doubtful.list()).toEqual([]);
  expect(spooled(one)).toBe(0);
  expect(one.lines.filter(({ event }) => event === "evidence.settled")).toMatchObject([
    { id: one.id, source: "ses", upstreamId: "0100-1" },
  ]);
  const { items } = await one.relay.history.ofId(one.id, { limit: 10 });
  expect(items.filter(({ kind }) => kind === "evidence")).toMatchObject([
    { source: "ses", upstreamId: "0100-1" },
  ]);
  expect((await one.relay.history.ofUpstreamId("0100-1", { limit: 10 })).items).toMatchObject([
    { id: one.id },
  ]);
  const explained = await one.relay.explain.explain(one.id);
  expect(explained?.answer).toMatch(/^Relayed: no answer came to an attempt, and ses said later/);
  expect((await one.submit([RECIPIENT])).code).toBe(250);
  await one.pass();
  expect(one.calls).toHaveLength(1);
  await one.stop();
});

test("during the attempt nothing is taken, and after it what is left to settle is", async () => {
  const one = await attempted();
  expect(await one.take()).toBe("busy");
  await one.call(RECIPIENT).answer(DOUBTFUL);
  expect(await one.take()).toBe("settled");
  expect(one.events("transmission.second_copy")).toEqual([]);
  await one.stop();
});

test("during the attempt, which is accepted: known, and no second copy", async () => {
  const one = await attempted();
  expect(await one.take()).toBe("busy");
  await one.call(RECIPIENT).answer(ACCEPTED);
  expect(await one.take({ upstreamId: ACCEPTED.upstreamId })).toBe("known");
  expect(one.events("transmission.second_copy", "evidence.settled")).toEqual([]);
  await one.stop();
});

test("of an unknown id there is nothing to settle", async () => {
  const one = await attempted();
  expect(await one.relay.evidence.take(idOf("unknown"), SENT)).toBe("known");
  await one.call(RECIPIENT).answer(ACCEPTED);
  await one.stop();
});

test("before a mail is sent again it is not; during that it waits for the end", async () => {
  const one = await attempted({ MAILONCE_LEDGER_DOUBTFUL: "resend" });
  await one.call(RECIPIENT).answer(DOUBTFUL);
  await one.pass();
  expect(one.calls).toHaveLength(2);
  expect(await one.take()).toBe("busy");
  await one.call(RECIPIENT).answer(DOUBTFUL);
  expect(await one.take()).toBe("settled");
  await one.pass();
  expect(one.calls).toHaveLength(2);
  expect(spooled(one)).toBe(0);
  await one.stop();
});

test("a failure that waits for its report is none when the mail turns out to be taken", async () => {
  const one = await attempted({ MAILONCE_LEDGER_DOUBTFUL: "resend", MAILONCE_SPOOL_RETRY_MIN: "30s" }, [
    RECIPIENT,
    OTHER,
  ]);
  await one.call(RECIPIENT).answer(DOUBTFUL);
  await one.pass();
  expect(one.calls).toHaveLength(3);
  await one.call(RECIPIENT).answer({ kind: "refused", reply: "550 5.1.1 no such user" });
  // The other one of its submission is still on its way, so the report waits for it.
  expect(one.relay.reportsWaiting()).toBe(1);
  expect(await one.take()).toBe("settled");
  expect(one.relay.reportsWaiting()).toBe(0);
  expect(spooled(one)).toBe(2);
  await one.call(OTHER).answer(ACCEPTED);
  await one.pass();
  expect(one.events("transmission.reported")).toEqual([]);
  expect(one.calls).toHaveLength(3);
  expect(one.relay.isEmpty()).toBe(true);
  await one.stop();
});

test("it is reported all the same where the disk keeps it in the spool", async () => {
  const one = await attempted({ MAILONCE_LEDGER_DOUBTFUL: "resend", MAILONCE_SPOOL_RETRY_MIN: "30s" }, [
    RECIPIENT,
    OTHER,
  ]);
  await one.call(RECIPIENT).answer(DOUBTFUL);
  await one.pass();
  await one.call(RECIPIENT).answer({ kind: "refused", reply: "550 5.1.1 no such user" });
  one.storage.fail({ call: "write", name: "spool/queue", times: 1 });
  expect(await one.take()).toBe("settled");
  await one.call(OTHER).answer(ACCEPTED);
  await one.pass();
  expect(one.events("transmission.reported")).toHaveLength(1);
  expect(one.lines.find(({ event }) => event === "spool.unavailable")?.error).toMatch(
    /^the failure of [a-z2-7]{32} is reported, though it was relayed, since it can't be taken out: /,
  );
  await one.call("sender@example.org").answer(ACCEPTED);
  await one.pass();
  expect(one.relay.isEmpty()).toBe(true);
  await one.stop();
});

test("a header field says nothing about a mail without a task, a tag does", async () => {
  const one = await openHeldGateway({ MAILONCE_LEDGER_DOUBTFUL: "hold" });
  expect((await one.submit([RECIPIENT], "")).code).toBe(250);
  await one.call(RECIPIENT).answer(DOUBTFUL);
  const { id } = one.call(RECIPIENT).transmission;
  const proof = { ...SENT, at: one.time.now() };
  expect(await one.relay.evidence.take(id, { ...proof, from: "header" })).toBe("known");
  expect(await one.relay.evidence.take(id, proof)).toBe("settled");
  await one.stop();
});

test("a header field counts for a mail with a task, in the spool or remembered", async () => {
  const one = await attempted();
  await one.call(RECIPIENT).answer(DOUBTFUL);
  expect(await one.take({ from: "header" })).toBe("settled");
  await one.stop();

  const relayed = await openHeldGateway({ MAILONCE_SMTP_REPLY: "relayed" });
  const reply = relayed.submit([RECIPIENT]);
  await settled();
  await relayed.call(RECIPIENT).answer(DOUBTFUL);
  expect((await reply).code).toBe(451);
  const { id } = relayed.call(RECIPIENT).transmission;
  const proof: Proof = { ...SENT, from: "header", at: relayed.time.now() };
  expect(await relayed.relay.evidence.take(id, proof)).toBe("settled");
  expect((await relayed.submit([RECIPIENT])).code).toBe(250);
  expect(relayed.calls).toHaveLength(1);
  await relayed.stop();
});

test("a header field of what is in doubt, and of which no gateway knows more, is kept", async () => {
  const settings = { MAILONCE_SMTP_REPLY: "relayed", MAILONCE_HISTORY_RETENTION: "0" };
  const one = await openHeldGateway(settings);
  const reply = one.submit([RECIPIENT]);
  await settled();
  await one.call(RECIPIENT).answer(DOUBTFUL);
  expect((await reply).code).toBe(451);
  const { id } = one.call(RECIPIENT).transmission;
  const proof: Proof = { ...SENT, from: "header", at: one.time.now() };
  expect(await one.relay.evidence.take(id, proof)).toBe("busy");
  expect(await one.relay.evidence.take(idOf("unknown"), proof)).toBe("known");
  expect(await one.relay.evidence.take(id, { ...proof, from: "tag" })).toBe("settled");
  expect(await one.relay.evidence.take(id, proof)).toBe("known");
  await one.stop();
});

test("a header field of another gateway's doubt is left to that one", async () => {
  const one = await openAmongOthers();
  const other = await one.openOther();
  const [claimed] = await other.claim([{ id: one.id, digest: new Uint8Array(16) }]);
  if (claimed?.kind !== "claimed") throw new Error("it is not claimed");
  other.accepted([claimed.claim]);
  await other.attempt(claimed.claim, "Fri, 20 Dec 2013 10:13:06 +0000");
  const proof: Proof = { ...SENT, from: "header", at: one.time.now() };
  expect(await one.relay.evidence.take(one.id, proof)).toBe("busy");
  await other.settle(claimed.claim, "doubtful");
  expect(await one.relay.evidence.take(one.id, proof)).toBe("busy");
  await other.settle(claimed.claim, "relayed");
  expect(await one.relay.evidence.take(one.id, proof)).toBe("known");
  await one.relay.drain();
  await one.relay.close();
});

test("the history says that it has a task, however much has happened to it since", async () => {
  const one = await attempted({ MAILONCE_SPOOL_RETRY_MAX: "1s", MAILONCE_SPOOL_RETRY_MIN: "1s" });
  for (let tries = 0; tries < 120; tries++) {
    await one.call(RECIPIENT).answer({ kind: "later", reply: "450 4.2.1 try later" });
    await one.pass();
  }
  await one.call(RECIPIENT).answer(DOUBTFUL);
  expect(await orderOne(one, one.id, { kind: "remove" })).toMatchObject({ next: "removed" });
  expect(await one.relay.doubtful.list()).toMatchObject([{ standing: "remembered" }]);
  expect(await one.take({ from: "header" })).toBe("settled");
  await one.stop();
});

test("while the ledger is away nothing is lost", async () => {
  const one = await attempted();
  await one.call(RECIPIENT).answer(DOUBTFUL);
  one.storage.fail({ call: "commit", name: "ledger/generation-000001", times: 1 });
  expect(await one.take()).toBe("away");
  expect(await one.take()).toBe("settled");
  expect(spooled(one)).toBe(0);
  await one.stop();
});

test("killed between receipt and settlement, and between that and the spool: taken again, it is settled once", async () => {
  for (const store of ["ledger/generation-000001", "spool/queue"]) {
    const one = await attempted();
    await one.call(RECIPIENT).answer(DOUBTFUL);
    const calls = ["commit", "write"] as const;
    for (const call of calls) one.storage.fail({ call, name: store, times: Number.POSITIVE_INFINITY });
    await one.take();
    one.storage.crash((unsynced) => unsynced);
    one.storage.mend();

    const next = await openHeldGateway({ MAILONCE_LEDGER_DOUBTFUL: "hold" }, one.storage, one.time.now());
    const isSettled = store === "spool/queue";
    const said = await next.relay.evidence.take(one.id, { ...SENT, at: one.time.now() });
    expect(said).toBe(isSettled ? "known" : "settled");
    await settled();
    expect(spooled(one)).toBe(0);
    expect(await next.relay.doubtful.list()).toEqual([]);
    expect((await next.submit([RECIPIENT])).code).toBe(250);
    expect(next.calls).toEqual([]);
    await next.stop();
  }
});
