// What another gateway settles by evidence leaves the spool of its holder, which nobody has to ask, to attempt or to start.
import { expect, test } from "vitest";
import { gatewayAmongOthers, settled } from "../dispatch/among-others.ts";

const LOOK_UP_MS = 30_000;

test.each(["hold", "resend"] as const)(
  "in doubt under %s: it is looked up, and taken out",
  async (doubtful) => {
    const one = await gatewayAmongOthers({
      ...{
        MAILONCE_LEDGER_DOUBTFUL: doubtful,
        MAILONCE_SPOOL_RETRY_MIN: "1h",
        MAILONCE_SPOOL_RETRY_MAX: "2h",
      },
    });
    one.first.answer({ kind: "doubtful", cause: "the connection was lost" });
    await settled();
    const other = await one.openOther();
    expect(await other.prove(one.id, one.time.now())).toBe("relayed");
    expect(one.relay.isEmpty()).toBe(false);
    one.clock.advance(LOOK_UP_MS);
    await settled();
    expect(one.relay.isEmpty()).toBe(true);
    expect(one.events.filter((event) => event === "evidence.settled")).toHaveLength(1);
    expect(one.events).not.toContain("transmission.stale");
    expect(one.relay.readings.ledger()).toMatchObject({ claims: 0, doubtful: 0 });
    const { items } = await one.relay.history.ofId(one.id, { limit: 10 });
    expect(items).toContainEqual(expect.objectContaining({ kind: "evidence", source: "another gateway" }));
    expect(one.calls).toHaveLength(1);
    await one.relay.drain();
    await one.relay.close();
  },
);

test("what is not settled stays, and goes on", async () => {
  const one = await gatewayAmongOthers({ MAILONCE_LEDGER_DOUBTFUL: "hold" });
  one.first.answer({ kind: "doubtful", cause: "the connection was lost" });
  await settled();
  one.clock.advance(LOOK_UP_MS);
  await settled();
  expect(one.relay.isEmpty()).toBe(false);
  expect(await one.relay.doubtful.resolve(one.id, "not-relayed")).toMatchObject({ ok: true, next: "queued" });
  await settled();
  expect(one.calls).toHaveLength(2);
  one.calls[1]?.answer({ kind: "accepted", upstreamId: "2" });
  await settled();
  expect(one.relay.isEmpty()).toBe(true);
  await one.relay.drain();
  await one.relay.close();
});
