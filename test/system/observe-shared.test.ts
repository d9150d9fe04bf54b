// Gateways of one ledger that differ in their mode: each decides about what is submitted to it, and what one relays counts at
// the other. So they are switched one after the other, in either direction.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { expect } from "vitest";
import { smtpAt } from "../support/place.ts";
import { test } from "../support/place-postgres.ts";
import { type GatewayProcess, run } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

test("a switch from observe to enforce, one gateway after the other, and back", async ({ place, schema }) => {
  const upstream = await place.smtp();
  const ledger = { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: schema.url };
  expect((await run(["ledger", "migrate"], ledger)).code).toBe(0);
  const start = (name: string, mode: "observe" | "enforce"): Promise<GatewayProcess> =>
    place.start({
      ...{ ...ledger, ...smtpAt(upstream.port), DATA_DIR: join(place.folder, name), IDENTITY_MODE: mode },
    });
  /** The number of mails that the upstream has after it. */
  const relayed = async (gateway: GatewayProcess, task: string): Promise<number> => {
    const before = gateway.said("transmission.relayed").length;
    const reply = await submitMail(gateway.port, { to: ["reader@example.net"], content: taskMail(task) });
    expect(reply).toMatch(/^250 2\.0\.0 (queued as|repeat of) /);
    if (reply.includes("queued as")) await gateway.logged("transmission.relayed", before + 1);
    return upstream.taken.length;
  };

  let one = await start("one", "observe");
  let other = await start("other", "observe");
  const [observed, mixed, enforced] = [randomUUID(), randomUUID(), randomUUID()];
  expect(await relayed(one, observed)).toBe(1);
  expect(await relayed(other, observed)).toBe(2);

  await one.stop();
  one = await start("one", "enforce");
  expect(await relayed(one, observed)).toBe(2);
  expect(await relayed(other, observed)).toBe(3);
  expect(await relayed(other, mixed)).toBe(4);
  expect(await relayed(one, mixed)).toBe(4);

  await other.stop();
  other = await start("other", "enforce");
  for (const gateway of [one, other]) {
    for (const task of [observed, mixed]) expect(await relayed(gateway, task)).toBe(4);
  }
  expect(await relayed(other, enforced)).toBe(5);

  await one.stop();
  one = await start("one", "observe");
  expect(await relayed(one, enforced)).toBe(6);
  expect(await relayed(other, enforced)).toBe(6);
  expect(one.said("observe.repeat")).toHaveLength(1);
  expect(other.said("ledger.settings_changed")).toEqual([]);
});

test("a gateway that observes relays what another one has underway and a client waits for", async ({
  place,
  schema,
}) => {
  const upstream = await place.smtp({ script: (number) => (number === 0 ? "held-reply" : "accept") });
  const ledger = { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: schema.url, SMTP_REPLY: "relayed" };
  expect((await run(["ledger", "migrate"], ledger)).code).toBe(0);
  const settings = { ...ledger, ...smtpAt(upstream.port) };
  const enforcing = await place.start({ ...settings, DATA_DIR: join(place.folder, "enforcing") });
  const observing = await place.start({
    ...{ ...settings, DATA_DIR: join(place.folder, "observing"), IDENTITY_MODE: "observe" },
  });
  const task = randomUUID();
  const submit = ({ port }: GatewayProcess) =>
    submitMail(port, { to: ["reader@example.net"], content: taskMail(task) });
  const struck = upstream.struck();
  const first = submit(enforcing);
  await struck;
  expect(await submit(observing)).toBe("250 2.0.0 1 relayed");
  expect(observing.said("observe.repeat")).toMatchObject([{ task, standing: "awaited" }]);
  upstream.release();
  expect(await first).toBe("250 2.0.0 1 relayed");
  expect(upstream.taken).toHaveLength(2);
});
