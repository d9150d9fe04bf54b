// One gateway, several upstreams: each mail goes its sender's way, on to the next upstream when the first is
// certain not to have it, and never on when that is in doubt.
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { freePort } from "../support/peers.ts";
import { type Place, test } from "../support/place.ts";
import type { GatewayProcess } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const ROUTES = `
[[routes]]
domains = ["one.example"]
upstreams = ["first"]
[[routes]]
domains = ["two.example"]
by = "reverse-path"
upstreams = ["second"]
[[routes]]
upstreams = ["first", "second"]
`;

/** Starts with the upstreams "first" and "second" at these ports. */
async function start(
  place: Place,
  ports: readonly [number, number],
  doubtful = "resend",
): Promise<GatewayProcess> {
  const upstreamAt = (name: string, port: number) =>
    `[upstreams.${name}]\nkind = "smtp"\nsmtp.host = "127.0.0.1"\nsmtp.port = ${port}\nsmtp.tls = "none"\n`;
  const file = join(place.folder, "mailonce.toml");
  writeFileSync(file, upstreamAt("first", ports[0]) + upstreamAt("second", ports[1]) + ROUTES);
  const retry = { SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "200ms" };
  return await place.start({ CONFIG: file, SMTP_PORT: 0, ...retry, LEDGER_DOUBTFUL: doubtful });
}

async function submit(
  { port }: GatewayProcess,
  from = "app@sender.example",
  reversePath = from,
): Promise<void> {
  const content = taskMail(randomUUID()).replace("app@sender.example", from);
  const reply = await submitMail(port, { from: reversePath, to: ["reader@example.net"], content });
  expect(reply).toContain("queued as");
}

/** The events of transmissions, each with its upstream. */
const transmissions = ({ lines }: GatewayProcess): string[] =>
  lines.flatMap(({ event, upstream }) =>
    event.startsWith("transmission.") ? [`${event.slice("transmission.".length)} ${upstream}`] : [],
  );

test("each mail goes the way of its sender", async ({ place }) => {
  const [first, second] = [await place.smtp(), await place.smtp()];
  const gateway = await start(place, [first.port, second.port]);
  await submit(gateway, "app@one.example");
  await submit(gateway, "app@other.example", "bounces@two.example");
  await submit(gateway, "app@ONE.example", "bounces@two.example");
  await submit(gateway, "app@other.example");
  await gateway.logged("transmission.relayed", 4);
  expect([first.taken.length, second.taken.length]).toEqual([3, 1]);
  expect(second.taken[0]?.reversePath).toBe("bounces@two.example");
});

test("the first is down: mail goes to the second, and to the first again when it is back", async ({
  place,
}) => {
  const port = await freePort();
  const second = await place.smtp();
  const gateway = await start(place, [port, second.port]);
  for (let n = 0; n < 5; n++) await submit(gateway);
  await gateway.logged("transmission.relayed", 5);
  expect(second.taken).toHaveLength(5);
  expect(transmissions(gateway)).toEqual(Array(5).fill("relayed second"));

  const first = await place.smtp({ port });
  for (let n = 6; first.taken.length === 0; n++) {
    await submit(gateway);
    await gateway.logged("transmission.relayed", n);
  }
  await gateway.logged("dispatch.resumed");
  expect([...first.repeated(), ...second.repeated()]).toEqual([]);
});

test("both are down: nothing is lost, and it goes to the one that is back", async ({ place }) => {
  const [port, other] = [await freePort(), await freePort()];
  const gateway = await start(place, [port, other]);
  await submit(gateway);
  await gateway.logged("dispatch.paused", 3);
  const second = await place.smtp({ port: other });
  await gateway.logged("transmission.relayed");
  expect(second.taken).toHaveLength(1);
});

test("a way that is blocked keeps no other mail waiting, and its own goes that way after a restart", async ({
  place,
}) => {
  const port = await freePort();
  const second = await place.smtp();
  let gateway = await start(place, [port, second.port]);
  for (let n = 0; n < 30; n++) await submit(gateway, "app@one.example");
  await gateway.logged("dispatch.paused");
  await submit(gateway, "app@other.example", "bounces@two.example");
  await gateway.logged("transmission.relayed");
  expect(second.taken).toHaveLength(1);

  await gateway.kill();
  const first = await place.smtp({ port });
  gateway = await start(place, [port, second.port]);
  await gateway.logged("transmission.relayed", 30);
  expect([first.taken.length, second.taken.length]).toEqual([30, 1]);
});

test("no answer from the first: held, and never given to the second", async ({ place }) => {
  const [first, second] = [await place.smtp({ script: "drop-before-reply" }), await place.smtp()];
  const gateway = await start(place, [first.port, second.port], "hold");
  await submit(gateway);
  await gateway.logged("transmission.doubtful");
  await first.close();
  await submit(gateway, "app@other.example");
  await gateway.logged("transmission.relayed");
  expect([first.taken.length, second.taken.length]).toEqual([1, 1]);
  expect(first.taken[0]?.messageId).not.toBe(second.taken[0]?.messageId);
  expect(transmissions(gateway)).toEqual(["doubtful first", "relayed second"]);
});

test("no answer from the first, then it is down: resent by the second, which the log tells", async ({
  place,
}) => {
  const port = await freePort();
  const first = await place.smtp({ port, script: "hang-before-reply" });
  const second = await place.smtp();
  const gateway = await start(place, [port, second.port]);
  const struck = first.struck();
  await submit(gateway);
  await struck;
  await first.close();
  await gateway.logged("transmission.relayed");
  expect(transmissions(gateway)).toEqual(["doubtful first", "relayed second"]);
  expect(second.taken[0]?.messageId).toBe(first.taken[0]?.messageId);
});

test("refused for now or for good by the first: an answer, and no other is asked", async ({ place }) => {
  const script = (number: number) => (["refuse-rcpt-4", "refuse-rcpt-5"] as const)[number] ?? "accept";
  const [first, second] = [await place.smtp({ script }), await place.smtp()];
  const gateway = await start(place, [first.port, second.port]);
  await submit(gateway);
  await gateway.logged("transmission.reported");
  await gateway.logged("transmission.relayed");
  // The report to the sender.
  expect([first.taken.length, second.taken.length]).toEqual([1, 0]);
});
