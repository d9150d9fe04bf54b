// What was said binds: `reply` changed between two starts, and different at two gateways of one ledger. A mail whose
// client heard 250 is relayed or reported, and no client hears 250 for what another one still waits for.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type Place, smtpAt } from "../support/place.ts";
import { test } from "../support/place-postgres.ts";
import { type GatewayProcess, run, type Settings } from "../support/process.ts";
import type { ScriptedSmtp } from "../support/scripted-smtp.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const SENDER = "sender@example.com";
const FIRST = "first@example.com";
const SECOND = "second@example.com";
const QUEUED = /^250 2\.0\.0 queued as/;
const REPEAT = /^250 2\.0\.0 repeat of/;
const AWAITED = "451 4.3.0 another client waits for a copy of this mail, try again later";

let place: Place;
let upstream: ScriptedSmtp;
/** What the upstream says to the second mail's recipient; undefined to take it. */
let refusal: string | undefined;

test.beforeEach(async ({ place: own }) => {
  place = own;
  refusal = undefined;
  const refuse = (recipient: string) => (recipient === SECOND ? refusal : undefined);
  upstream = await place.smtp({ refuse });
});

const start = (name: string, reply: "queued" | "relayed", more: Settings = {}): Promise<GatewayProcess> =>
  place.start({
    ...{ DATA_DIR: join(place.folder, name), SMTP_REPLY: reply },
    ...{ SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "100ms" },
    ...{ ...smtpAt(upstream.port), UPSTREAM_CONCURRENCY: 1 },
    ...more,
  });

const submit = ({ port }: GatewayProcess, task: string, recipient = SECOND): Promise<string> =>
  submitMail(port, { from: SENDER, to: [recipient], content: taskMail(task) });

/** The upstream holds its reply to a first mail, so that a second one waits in the queue. */
async function occupy(gateway: GatewayProcess): Promise<{ readonly first: Promise<string> }> {
  upstream.play((number) => (number === 0 ? "held-reply" : "accept"));
  const struck = upstream.struck();
  const first = submit(gateway, randomUUID(), FIRST).catch((error: Error) => error.message);
  await struck;
  return { first };
}

/** A second mail in the queue, whose client waits for the verdict. */
async function submitAwaited(
  gateway: GatewayProcess,
  task: string,
): Promise<{ readonly reply: Promise<string> }> {
  const reply = submit(gateway, task).catch((error: Error) => error.message);
  await gateway.logged("submission.accepted", 2);
  return { reply };
}

const taken = (recipient: string) =>
  upstream.taken.filter(({ recipients }) => recipients.includes(recipient));

describe("between two starts", () => {
  test.each([
    ["it is refused for now, and later relayed", "451 4.3.0 later"],
    ["it is relayed", undefined],
  ])("awaited, then reply = queued: the copy hears 250, and %s", async (_, said) => {
    const task = randomUUID();
    let gateway = await start("data", "relayed");
    await occupy(gateway);
    const { reply } = await submitAwaited(gateway, task);
    await gateway.kill();
    expect(await reply).toBe("connection closed");
    refusal = said;
    gateway = await start("data", "queued");
    expect(await submit(gateway, task)).toMatch(REPEAT);
    if (said !== undefined) await gateway.logged("transmission.refused");
    refusal = undefined;
    await gateway.logged("transmission.relayed", 2);
    expect(taken(SECOND)).toHaveLength(1);
  });

  test("awaited, then reply = queued: refused for good it is reported, though no copy came", async () => {
    let gateway = await start("data", "relayed");
    await occupy(gateway);
    await submitAwaited(gateway, randomUUID());
    await gateway.kill();
    refusal = "550 5.1.1 no such mailbox";
    gateway = await start("data", "queued");
    await gateway.logged("transmission.reported");
    await gateway.logged("transmission.relayed", 2);
    expect(taken(SENDER)).toHaveLength(1);
  });

  test("queued, then reply = relayed: the copy hears 250 at once, and a failure is reported", async () => {
    const task = randomUUID();
    refusal = "451 4.3.0 later";
    let gateway = await start("data", "queued");
    expect(await submit(gateway, task)).toMatch(QUEUED);
    await gateway.kill();
    gateway = await start("data", "relayed");
    await gateway.logged("transmission.refused");
    expect(await submit(gateway, task)).toMatch(REPEAT);
    refusal = "550 5.1.1 no such mailbox";
    await gateway.logged("transmission.reported");
    await gateway.logged("transmission.relayed");
    expect(taken(SENDER)).toHaveLength(1);
  });

  test("awaited, then queued, then relayed again: what a copy was told in between still binds", async () => {
    const task = randomUUID();
    let gateway = await start("data", "relayed");
    await occupy(gateway);
    await submitAwaited(gateway, task);
    await gateway.kill();
    refusal = "451 4.3.0 later";
    gateway = await start("data", "queued");
    expect(await submit(gateway, task)).toMatch(REPEAT);
    await gateway.kill();
    gateway = await start("data", "relayed");
    expect(await submit(gateway, task)).toMatch(REPEAT);
    await gateway.logged("transmission.refused");
    refusal = undefined;
    while (taken(SECOND).length === 0) await upstream.waitFor(upstream.taken.length + 1);
  });

  test("awaited, and reply = relayed again: the client's next try waits for the verdict", async () => {
    const task = randomUUID();
    let gateway = await start("data", "relayed");
    await occupy(gateway);
    await submitAwaited(gateway, task);
    await gateway.kill();
    refusal = "550 5.1.1 no such mailbox";
    gateway = await start("data", "relayed");
    const replies = [await submit(gateway, task), await submit(gateway, task)];
    // The first may come before the attempt, or after it, as a mail of its own.
    for (const reply of replies) expect(reply).toMatch(/^554 5\.0\.0 refused by the upstream/);
    expect(taken(SENDER)).toHaveLength(0);
  });
});

describe("at two gateways of one ledger", () => {
  let shared: Settings;
  test.beforeEach(async ({ schema }) => {
    shared = { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: schema.url };
    expect((await run(["ledger", "migrate"], shared)).code).toBe(0);
  });

  test.each(["queued", "relayed"] as const)(
    "awaited at one: a copy at the other, with reply = %s, hears 451 until the verdict, then 250",
    async (reply) => {
      const task = randomUUID();
      const [one, other] = [await start("one", "relayed", shared), await start("other", reply, shared)];
      const { first } = await occupy(one);
      const second = await submitAwaited(one, task);
      expect(await submit(other, task)).toBe(AWAITED);
      upstream.release();
      expect([await first, await second.reply]).toEqual(["250 2.0.0 1 relayed", "250 2.0.0 1 relayed"]);
      expect(await submit(other, task)).toMatch(REPEAT);
      expect(taken(SECOND)).toHaveLength(1);
    },
  );

  test("awaited at one and refused there: the copy's next try at the other is a mail of its own", async () => {
    const task = randomUUID();
    const [one, other] = [await start("one", "relayed", shared), await start("other", "queued", shared)];
    await occupy(one);
    const second = await submitAwaited(one, task);
    expect(await submit(other, task)).toBe(AWAITED);
    refusal = "451 4.3.0 later";
    upstream.release();
    expect(await second.reply).toMatch(/^451 4\.3\.0 the upstream refused it for now/);
    refusal = undefined;
    expect(await submit(other, task)).toMatch(QUEUED);
    await other.logged("transmission.relayed");
    expect(taken(SECOND)).toHaveLength(1);
  });

  test("bound at one: a copy at the other hears 250, though reply = relayed there", async () => {
    const task = randomUUID();
    const [one, other] = [await start("one", "queued", shared), await start("other", "relayed", shared)];
    await occupy(one);
    expect(await submit(one, task)).toMatch(QUEUED);
    expect(await submit(other, task)).toMatch(REPEAT);
    upstream.release();
    await one.logged("transmission.relayed", 2);
    expect(taken(SECOND)).toHaveLength(1);
  });

  test("awaited, and the gateway starts with reply = queued: bound for the other gateway too", async () => {
    const task = randomUUID();
    let one = await start("one", "relayed", shared);
    const other = await start("other", "queued", shared);
    await occupy(one);
    await submitAwaited(one, task);
    expect(await submit(other, task)).toBe(AWAITED);
    await one.kill();
    refusal = "451 4.3.0 later";
    one = await start("one", "queued", shared);
    await one.logged("transmission.refused");
    expect(await submit(other, task)).toMatch(REPEAT);
    refusal = undefined;
    await one.logged("transmission.relayed", 2);
    expect(taken(SECOND)).toHaveLength(1);
  });
});
