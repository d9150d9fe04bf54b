// Settings that are others than at the last start, or at another gateway: docs/settings-changes.md says of each what
// happens. Nothing that was answered 250 is lost, and what is forgotten by a change is said.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { freePort } from "../support/peers.ts";
import { type Place, smtpAt } from "../support/place.ts";
import { test } from "../support/place-postgres.ts";
import { type GatewayProcess, run, type Settings } from "../support/process.ts";
import type { ScriptedSmtp } from "../support/scripted-smtp.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const QUEUED = /^250 2\.0\.0 queued as/;
const REPEAT = /^250 2\.0\.0 repeat of/;

let place: Place;
let upstream: ScriptedSmtp;

test.beforeEach(async ({ place: own }) => {
  place = own;
  upstream = await place.smtp();
});

const settingsOf = (more: Settings = {}, name = "data"): Settings => ({
  ...{ DATA_DIR: join(place.folder, name), SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "100ms" },
  ...smtpAt(upstream.port),
  ...more,
});

const start = (more: Settings = {}, name = "data"): Promise<GatewayProcess> =>
  place.start(settingsOf(more, name));

const submitted = ({ port }: GatewayProcess, content: string): Promise<string> =>
  submitMail(port, { from: "sender@example.com", to: ["user@example.com"], content });

const submit = (gateway: GatewayProcess, task: string) => submitted(gateway, taskMail(task));

/** A gateway with these settings has relayed a mail of the task, and has stopped. */
async function relayedBy(more: Settings, task: string): Promise<void> {
  const gateway = await start(more);
  const before = upstream.taken.length;
  expect(await submit(gateway, task)).toMatch(QUEUED);
  await upstream.waitFor(before + 1);
  await gateway.logged("transmission.relayed");
  expect(await gateway.stop()).toBe(0);
}

const said = (gateway: GatewayProcess, event: string) => gateway.said(event);

describe("identity", () => {
  const ONE = { IDENTITY_SECRET: "the first secret", IDENTITY_NAMESPACE: "shop" };

  test.each<[string, Settings, string]>([
    ["secret", { ...ONE, IDENTITY_SECRET: "another secret" }, "identity.secret"],
    ["namespace", { ...ONE, IDENTITY_NAMESPACE: "news" }, "identity.namespace, or that of a user"],
    ["part's field", { ...ONE, IDENTITY_PART_HEADER: "X-Part" }, "identity.headers, identity.part_header or"],
  ])("another %s than at the last start: it warns, once, what goes again", async (what, other, name) => {
    const task = randomUUID();
    await relayedBy(ONE, task);
    const changed = await start(other);
    const lines = said(changed, "identity.changed");
    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines)).toContain(name);
    expect(JSON.stringify(changed.lines)).not.toMatch(/the first secret|another secret/);
    // It is not known under another id; the field of a part changes the id of mails that have one.
    expect(await submit(changed, task)).toMatch(what === "part's field" ? REPEAT : QUEUED);
    await changed.stop();
    expect(said(await start(other), "identity.changed")).toEqual([]);
  });

  test("the same settings: nothing is said, and a copy is a repeat", async () => {
    const task = randomUUID();
    await relayedBy(ONE, task);
    const again = await start(ONE);
    expect(said(again, "identity.changed")).toEqual([]);
    expect(said(again, "ledger.kind_changed")).toEqual([]);
    expect(await submit(again, task)).toMatch(REPEAT);
  });

  test("what is in the spool goes once under the id that it has", async () => {
    upstream.play("refuse-rcpt-4");
    const first = await start(ONE);
    expect(await submit(first, randomUUID())).toMatch(QUEUED);
    await first.logged("transmission.refused");
    await first.kill();
    upstream.play("accept");
    const other = await start({ ...ONE, IDENTITY_SECRET: "another secret" });
    await other.logged("transmission.relayed");
    expect(upstream.taken).toHaveLength(1);
  });

  test("unkeyed: what was taken as a fingerprint is relayed, and a copy goes by what is set now", async () => {
    const content = "From: sender@example.com\r\nSubject: no task\r\n\r\nHello!\r\n";
    upstream.play("refuse-rcpt-4");
    const first = await start({ IDENTITY_UNKEYED: "fingerprint" });
    expect(await submitted(first, content)).toMatch(QUEUED);
    expect(await submitted(first, content)).toMatch(REPEAT);
    await first.kill();
    upstream.play("accept");
    const rejecting = await start({ IDENTITY_UNKEYED: "reject" });
    expect(await submitted(rejecting, content)).toMatch(/^554 5\.6\.0 no task id/);
    await rejecting.logged("transmission.relayed");
    await rejecting.stop();
    const relaying = await start({ IDENTITY_UNKEYED: "relay" });
    expect(await submitted(relaying, content)).toMatch(QUEUED);
    await relaying.logged("transmission.relayed");
    expect(upstream.taken).toHaveLength(2);
  });
});

describe("doubtful", () => {
  /** A mail in doubt, held. */
  async function held(): Promise<void> {
    upstream.play((number) => (number === 0 ? "drop-before-reply" : "accept"));
    const gateway = await start({ LEDGER_DOUBTFUL: "hold" });
    expect(await submit(gateway, randomUUID())).toMatch(QUEUED);
    await gateway.logged("transmission.doubtful");
    expect(await gateway.stop()).toBe(0);
  }
  const list = async (more: Settings) => (await run(["doubtful", "list"], settingsOf(more))).stdout;

  test("from hold to drop: what is held stays held, and can be decided", async () => {
    await held();
    const drop = { LEDGER_DOUBTFUL: "drop" };
    const gateway = await start(drop);
    const listed = await list(drop);
    expect(listed).toContain('"standing":"held"');
    const { id } = JSON.parse(listed) as { id: string };
    expect(await run(["doubtful", "resolve", id, "--not-relayed"], settingsOf(drop))).toMatchObject({
      code: 0,
    });
    await gateway.logged("transmission.relayed");
    expect(upstream.taken).toHaveLength(2);
  });

  test("from hold to resend: it is said to be doubtful again, and goes", async () => {
    await held();
    const gateway = await start({ LEDGER_DOUBTFUL: "resend" });
    await gateway.logged("transmission.relayed");
    expect(said(gateway, "transmission.doubtful")).toMatchObject([{ policy: "resend" }]);
    expect(upstream.taken).toHaveLength(2);
  });

  test("from resend to hold: what is in doubt is held", async () => {
    upstream.play("drop-before-reply");
    const gateway = await start({ SPOOL_RETRY_MIN: "1h", SPOOL_RETRY_MAX: "1h" });
    expect(await submit(gateway, randomUUID())).toMatch(QUEUED);
    await gateway.logged("transmission.doubtful");
    await gateway.kill();
    upstream.play("accept");
    const hold = { LEDGER_DOUBTFUL: "hold" };
    const holding = await start(hold);
    await holding.logged("transmission.doubtful");
    expect(await list(hold)).toContain('"standing":"held"');
    expect(upstream.taken).toHaveLength(1);
  });
});

test("another upstream: what waits for the old one goes by the new one", async () => {
  const down = { UPSTREAM_SMTP_PORT: await freePort() };
  const gateway = await start(down);
  expect(await submit(gateway, randomUUID())).toMatch(QUEUED);
  await gateway.logged("dispatch.paused");
  await gateway.stop();
  await (await start()).logged("transmission.relayed");
  expect(upstream.taken).toHaveLength(1);
});

test("another retention of an embedded ledger: longer and shorter, what was relayed is a repeat within it", async () => {
  const task = randomUUID();
  await relayedBy({}, task);
  for (const LEDGER_RETENTION of ["90d", "3d"]) {
    const gateway = await start({ LEDGER_RETENTION });
    expect(await submit(gateway, task)).toMatch(REPEAT);
    await gateway.stop();
  }
  const tooShort = await run(["serve"], settingsOf({ LEDGER_RETENTION: "1d" }));
  expect(tooShort).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("must be longer than spool.lifetime"),
  });
});

describe("kinds of ledger", () => {
  let shared: Settings;
  test.beforeEach(async ({ schema }) => {
    shared = { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: schema.url };
    expect((await run(["ledger", "migrate"], shared)).code).toBe(0);
  });

  test("from embedded to PostgreSQL and back: each start says what is forgotten; the spool goes on", async () => {
    const task = randomUUID();
    await relayedBy({}, task);
    upstream.play("refuse-rcpt-4");
    const waiting = await start();
    expect(await submit(waiting, randomUUID())).toMatch(QUEUED);
    await waiting.logged("transmission.refused");
    await waiting.kill();
    upstream.play("accept");
    const moved = await start(shared);
    expect(said(moved, "ledger.kind_changed")).toMatchObject([{ from: "embedded", to: "postgres" }]);
    await moved.logged("transmission.relayed");
    expect(upstream.taken).toHaveLength(2);
    // As it said.
    expect(await submit(moved, task)).toMatch(QUEUED);
    await moved.stop();
    const back = await start();
    expect(said(back, "ledger.kind_changed")).toMatchObject([{ from: "postgres", to: "embedded" }]);
    expect(await submit(back, task)).toMatch(REPEAT);
  });

  test("another database: it is another ledger, and is said to be", async ({ postgres }) => {
    await relayedBy(shared, randomUUID());
    const other = await postgres.schema();
    place.atEnd(() => other.drop());
    const elsewhere = { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: other.url };
    expect((await run(["ledger", "migrate"], elsewhere)).code).toBe(0);
    const moved = await start(elsewhere);
    expect(said(moved, "ledger.kind_changed")).toMatchObject([{ from: "postgres", to: "postgres" }]);
    await moved.stop();
    expect(said(await start(elsewhere), "ledger.kind_changed")).toEqual([]);
  });

  test("gateways of one ledger with other namespaces: it warns, and both relay", async () => {
    const task = randomUUID();
    const one = await start({ ...shared, IDENTITY_NAMESPACE: "shop" }, "one");
    const other = await start({ ...shared, IDENTITY_NAMESPACE: "news" }, "other");
    expect(said(one, "ledger.namespace_differs")).toEqual([]);
    expect(said(other, "ledger.namespace_differs")).toHaveLength(1);
    for (const gateway of [one, other]) expect(await submit(gateway, task)).toMatch(QUEUED);
    await upstream.waitFor(2);
  });

  test("gateways of one ledger with other policies for doubt: who takes it up decides, after a line", async () => {
    const task = randomUUID();
    upstream.play((number) => (number === 0 ? "drop-before-reply" : "accept"));
    const awaited = { ...shared, SMTP_REPLY: "relayed" };
    const holding = await start({ ...awaited, LEDGER_DOUBTFUL: "hold" }, "one");
    const resending = await start({ ...awaited, LEDGER_DOUBTFUL: "resend" }, "other");
    expect(await submit(holding, task)).toMatch(/^451 4\.4\.2 /);
    expect(await submit(holding, task)).toMatch(/^451 4\.4\.2 /);
    expect(await submit(resending, task)).toMatch(/^250 /);
    expect(said(resending, "transmission.doubtful")).toMatchObject([{ policy: "resend" }]);
    expect(upstream.taken).toHaveLength(2);
    expect(await submit(holding, task)).toMatch(REPEAT);
  });

  test("gateways of one ledger with other policies for unkeyed mail: the one with fingerprints drops its copies", async () => {
    const content = "From: sender@example.com\r\nSubject: no task\r\n\r\nHello!\r\n";
    const one = await start({ ...shared, IDENTITY_UNKEYED: "fingerprint" }, "one");
    const other = await start({ ...shared, IDENTITY_UNKEYED: "relay" }, "other");
    expect(await submitted(one, content)).toMatch(QUEUED);
    expect(await submitted(one, content)).toMatch(REPEAT);
    expect(await submitted(other, content)).toMatch(QUEUED);
    await upstream.waitFor(2);
  });
});
