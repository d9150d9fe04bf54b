// A connection that is alive on one side only. What is certain is tried again in silence; what is not is
// said to be doubtful before anything else happens.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";
import { type BlackHole, createTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { type Build, build, type TestedGateway } from "./gateway-process.ts";
import { createPlace, type Place, submitNumbered } from "./place.ts";

let built: Build;
beforeAll(() => {
  built = build();
});
afterAll(() => built.remove());

/** In place of minutes. */
const timeouts = { connectMs: 500, commandMs: 500, blockMs: 500, replyMs: 500, quitMs: 100 };

async function through(): Promise<{ place: Place; proxy: TcpProxy; gateway: TestedGateway }> {
  const place = await createPlace(built);
  const proxy = await createTcpProxy(place.upstream.port);
  onTestFinished(() => proxy.close());
  const gateway = await place.start({ timeouts }, { UPSTREAM_SMTP_PORT: proxy.port });
  return { place, proxy, gateway };
}

const story = ({ lines }: TestedGateway): string[] =>
  lines.map(({ event }) => event).filter((event) => /^transmission\.|^dispatch\./.test(event));

const doubtful: [string, BlackHole, number][] = [
  [
    "the reply to the content is swallowed",
    { at: { direction: "to-server", text: "\r\n.\r\n" }, forwardsText: true, swallows: ["to-client"] },
    2,
  ],
  [
    "the content is swallowed after 354",
    { at: { direction: "to-client", text: "354 " }, forwardsText: true, swallows: ["to-server"] },
    1,
  ],
  [
    "both directions are, once 354 has come",
    {
      at: { direction: "to-client", text: "354 " },
      forwardsText: true,
      swallows: ["to-server", "to-client"],
    },
    1,
  ],
];

test.each(doubtful)("%s: doubtful after the time-out, then sent again", async (_, hole, copies) => {
  const { place, proxy, gateway } = await through();
  const struck = proxy.blackHole(hole);
  await submitNumbered(gateway, [1]);
  await struck;
  proxy.heal();
  await gateway.logged("transmission.relayed");
  expect(story(gateway)).toEqual(["transmission.doubtful", "transmission.relayed"]);
  expect(place.upstream.taken.length).toBe(copies);
  expect(place.upstream.counts().size).toBe(1);
});

test("the same under hold: never sent again", async () => {
  const { place, proxy } = await through();
  const gateway = await place.start(
    { timeouts },
    { DATA_DIR: `${place.folder}/held`, UPSTREAM_SMTP_PORT: proxy.port, LEDGER_DOUBTFUL: "hold" },
  );
  void proxy.blackHole(doubtful[0]?.[1] as BlackHole);
  await submitNumbered(gateway, [1]);
  await gateway.logged("transmission.doubtful");
  proxy.heal();
  expect((await submitNumbered(gateway, [1, 2]))[0]).toContain("repeat of");
  await gateway.logged("transmission.relayed");
  expect(place.upstream.repeated()).toEqual([]);
  expect(story(gateway)).toEqual(["transmission.doubtful", "transmission.repeat", "transmission.relayed"]);
});

const certain: [string, BlackHole][] = [
  ["DATA is swallowed", { at: { direction: "to-server", text: "DATA\r\n" }, swallows: ["to-server"] }],
  ["354 is swallowed", { at: { direction: "to-client", text: "354 " }, swallows: ["to-client"] }],
  ["RCPT is swallowed", { at: { direction: "to-server", text: "RCPT TO" }, swallows: ["to-server"] }],
  ["EHLO is swallowed", { at: { direction: "to-server", text: "EHLO " }, swallows: ["to-server"] }],
  ["the greeting is swallowed", { at: { direction: "to-client", text: "220 " }, swallows: ["to-client"] }],
];

test.each(certain)("%s: certainly not sent, tried again, taken once", async (_, hole) => {
  const { place, proxy, gateway } = await through();
  const struck = proxy.blackHole(hole);
  await submitNumbered(gateway, [1]);
  await struck;
  proxy.heal();
  await gateway.logged("transmission.relayed");
  expect(story(gateway)).not.toContain("transmission.doubtful");
  expect(place.upstream.taken.length).toBe(1);
});

test("a connection that died while it was kept for the next mail: that mail is taken once", async () => {
  const { place, proxy, gateway } = await through();
  await submitNumbered(gateway, [1]);
  await gateway.logged("transmission.relayed");
  const struck = proxy.blackHole({
    at: { direction: "to-server", text: "MAIL FROM" },
    swallows: ["to-server", "to-client"],
  });
  await submitNumbered(gateway, [2]);
  await struck;
  proxy.heal();
  await gateway.logged("transmission.relayed", 2);
  expect(story(gateway)).not.toContain("transmission.doubtful");
  expect(place.upstream.taken.length).toBe(2);
});

test("a client whose 250 was swallowed submits again and hears that it is a repeat", async () => {
  const place = await createPlace(built);
  const gateway = await place.start();
  const proxy = await createTcpProxy(gateway.port as number);
  onTestFinished(() => proxy.close());
  const client = await connectSmtp(proxy.port);
  await client.command("MAIL FROM:<app@sender.example>");
  await client.command("RCPT TO:<u1@example.com>");
  await client.command("DATA");
  const struck = proxy.blackHole({ swallows: ["to-client"] });
  client.write(`${taskMail("task-1")}.\r\n`);
  await struck;
  await gateway.logged("submission.accepted");
  client.destroy();
  expect((await submitNumbered(gateway, [1]))[0]).toContain("repeat of");
  await place.upstream.waitFor(1);
  expect(place.upstream.taken.length).toBe(1);
});
